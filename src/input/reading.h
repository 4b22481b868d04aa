// What samples cost to read and to decode, and what less of it would win.
#pragma once

#include <optional>

#include "headrace/finding.h"
#include "headrace/probe.h"
#include "input/gain.h"

namespace headrace::input {

// Means of the samples that training read; 0 where unknown.
struct SampleCosts {
    double wall = 0;     // seconds
    double cpu = 0;      // seconds
    double blocked = 0;  // seconds
    double bytes = 0;    // that it asked for
};

// input.small_files: samples wait for many small files, which shards would give in few large reads. `files` are null
// where the program was not probed.
std::optional<Finding> advise_small_files(const LoopUse& use, const SampleCosts& costs, const SampleFiles* files);

// input.decode_size: pictures are decoded much larger than they are needed.
std::optional<Finding> advise_decode_size(const LoopUse& use, const SampleCosts& costs, const Decoding& decoding,
                                          double batch_size);

}  // namespace headrace::input
