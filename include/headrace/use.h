// What a user has written down about where a program runs and where its model will be served. Plain structs.
#pragma once

#include <optional>
#include <string>

namespace headrace {

// What a model may take where it is served, by the user's slo.toml; absent where that does not say.
struct Slo {
    std::string file;
    std::optional<double> latency_p95_ms = {};  // of one sample
    std::optional<double> memory_mb = {};       // MiB, of parameters and buffers
};

// What a run costs, by the user's prices.toml.
struct Cost {
    std::string file;
    std::string currency;
    std::string machine;  // the table's name for the one it ran on
    double per_hour = 0;
    double per_run = 0;
    std::optional<double> per_epoch;  // a pass over the training loader, evaluations and checkpoints with it
};

}  // namespace headrace
