// Two groups of runs of the same work, side by side: what a change of the program, of its settings or of its libraries
// made of it. Plain structs; docs/formats/compare.schema.json is the same thing as JSON. Times are in seconds; ratios
// are speed of `after` by speed of `before`, above 1 is a gain; every interval holds 95 %.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/finding.h"
#include "headrace/run.h"

namespace headrace {

// What the intervals of a comparison are made of.
enum class Spread : std::uint8_t {
    pairs,    // each run of `after` was made beside one of `before`: the differences within the pairs
    groups,   // the differences between runs of the same group
    machine,  // what equal runs on this machine have differed by before
    unknown,  // single runs, and nothing is known of the machine: there are no intervals
};
std::string_view name(Spread spread) noexcept;

struct ComparedRun {
    std::string id;
    double wall_seconds = 0;  // of rank 0, as in its ledger
    // Of its steady steps, as Steady::typical_samples_per_second where it has that; absent where it did not train.
    std::optional<double> samples_per_second;
};

struct ComparedSide {
    std::vector<std::string> command;  // of the first run
    std::vector<ComparedRun> runs;     // in the order in which they were made
};

// What both groups did.
struct ComparedWork {
    bool trained = false;
    std::optional<std::uint64_t> samples;  // trained on, of all ranks together; absent where batches have no size
    std::optional<std::uint64_t> steps;    // of one rank; absent where the groups need different ones for it
    bool evaluated = false;
};

// A value with the ends of its interval, which are absent together where none can be given.
struct Estimate {
    double value = 0;
    std::optional<double> low;
    std::optional<double> high;
};

// The mean seconds that an entry of the ledger took in each group.
struct ComparedPart {
    std::string name;
    double before_seconds = 0;
    double after_seconds = 0;
    Estimate difference;  // after less before
};

enum class Verdict : std::uint8_t { faster, slower, no_difference, unknown };
std::string_view name(Verdict verdict) noexcept;

struct Comparison {
    ComparedSide before;
    ComparedSide after;
    Machine machine;
    ComparedWork work;
    Spread spread = Spread::unknown;
    // By which equal runs differ, as a part of their speed: the standard deviation that the intervals are made of.
    std::optional<double> deviation;
    std::optional<Estimate> steps;    // ratio of samples a second in the steady steps; absent where nothing trained
    Estimate run;                     // ratio of the speeds of whole runs: start-up, evaluations, checkpoints included
    std::vector<ComparedPart> parts;  // the ledger's entries in their order, zeros included
    double max_regression = 0;        // that is allowed, as a part of the speed of `before`
    Verdict verdict = Verdict::unknown;
    bool regression = false;  // the interval of steps or of run lies wholly below 1 - max_regression
};

}  // namespace headrace
