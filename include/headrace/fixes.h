// Fixes that trials have proven, as headrace.toml keeps them: docs/formats/fixes.md is the document of that file.
// Plain structs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/finding.h"
#include "headrace/run.h"

namespace headrace {

// What the program itself had given to the loader that a fix is for. What is absent does not matter.
struct LoaderBefore {
    std::optional<std::uint64_t> workers;
    std::optional<std::uint64_t> prefetch_factor;
    std::optional<bool> persistent_workers;
    std::optional<std::uint64_t> batch_size;
};

struct ProvenLoader {
    LoaderSite site;   // `library` is not kept
    std::string call;  // the text of the call; empty where it was not to be read
    LoaderBefore was;
};

struct Proof {
    std::optional<Interval> predicted;  // ratio of samples a second with its 90 % interval
    Interval measured;                  // the same
    std::uint64_t pairs = 0;            // runs without and with it
    std::uint64_t steps = 0;            // measured in each of them
    std::string date;                   // 2026-12-01
    std::string host;
};

struct ProvenFix {
    std::string id;  // of the finding
    Changes changes = Changes::nothing;
    Fix fix;
    std::optional<ProvenLoader> loader;  // absent where no argument of a loader changes
    Proof proof;
};

struct ProvenFixes {
    std::vector<std::string> command;  // that they were proven for; told in a comment, and not read back
    // cpu, cores_usable and accelerators: elsewhere nothing is known of them.
    Machine machine;
    std::vector<ProvenFix> fixes;
};

}  // namespace headrace
