// What the hashes of samples say: whether making a sample anew gave the same one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "audit/training.h"

namespace headrace::audit {

// Of the training loader's samples that were hashed.
struct Contents {
    std::size_t passes = 0;    // that asked for a batch
    std::size_t distinct = 0;  // samples, by their indices
    std::size_t looks = 0;     // at all of them
    std::size_t compared = 0;  // samples that were seen in two passes or more
    std::size_t differing = 0;
    std::size_t unknown = 0;  // looks at a sample of a type that is not known
    double bytes = 0;         // of a sample, the mean
    // Of the looks in all passes but the first, the share at a sample that an earlier pass had made.
    double seen_before = 0;
};

// Reads the spans of every thread that hashed samples once more.
Contents contents_of(const Recording& recording, const Trainer& trainer);

}  // namespace headrace::audit
