// What short runs of a program measured beside its audit (`headrace audit --probe`). Plain structs; the key `probe` of
// docs/formats/report.schema.json is the same thing as JSON. Times are in seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace headrace {

// The program's step on batches that were in memory, under one condition: the median of the means of its blocks, and
// the ends of its 90 % interval. A step is what it does with one batch.
struct ProbeCase {
    bool loader_running = false;  // meanwhile, its batches dropped
    std::uint64_t threads = 1;    // intra-op
    std::uint64_t batch_size = 0;
    std::string precision;  // float32: as the program is; bfloat16: under autocast
    double median = 0;
    double low = 0;
    double high = 0;
    std::uint64_t steps = 0;
};

struct Probe {
    std::uint64_t threads = 1;  // that the program has by itself
    std::uint64_t batch_size = 0;
    std::vector<ProbeCase> cases;  // in the order in which they were measured first
    // The model in eval mode, one sample: the median; absent where it takes none.
    std::optional<double> single_sample_seconds;
};

}  // namespace headrace
