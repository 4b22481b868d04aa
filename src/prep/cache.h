// Work that a program repeats in every epoch although it gives the same samples each time, and what a cache of the
// samples in memory would win.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "headrace/finding.h"
#include "replay/predict.h"

namespace headrace::prep {

// What the samples of one batch took of the CPU, in seconds as those of replay::BatchCost.
struct BatchSamples {
    double cpu = 0;
    double count = 0;
};

// The samples of a loop, by those of them that were hashed.
struct SampleUse {
    std::uint64_t passes = 0;    // over the loader
    std::uint64_t compared = 0;  // samples that were seen in two passes or more
    std::uint64_t differing = 0;
    std::uint64_t unknown = 0;     // looks at a sample of a type that is not known
    double bytes = 0;              // of a sample
    double distinct = 0;           // of all samples, hashed or not
    double seen_before = 0;        // share of the samples of later passes that an earlier one had made
    double cpu_seconds = 0;        // of a sample, the mean
    double blocked_seconds = 0;    // the same, waiting
    double later_samples = 0;      // of all passes but the first
    double later_seconds = 0;      // of the loop, likewise
    double run_seconds = 0;        // of the whole run
    double free_memory_bytes = 0;  // that nobody needed; 0: unknown
};

// Their batches made with a cache that holds what earlier passes made. `made` has one element a batch.
// `cost`: a factor on what reading from the cache costs.
replay::Loop with_cache(const replay::Loop& recorded, std::span<const BatchSamples> made, const SampleUse& use,
                        double cost = 1);

// The finding prep.cache; none where a sample differed or is of an unknown type, where fewer than 12 were compared, or
// where the cache is not predicted to win 5 %. Where all samples do not fit into memory, it promises no speed and has
// nothing to try. `model_error` is that of the change from `recorded` to with_cache, see replay::GainOptions.
std::optional<Finding> advise_cache(const replay::Loop& recorded, std::span<const BatchSamples> made,
                                    const SampleUse& use, double model_error);

}  // namespace headrace::prep
