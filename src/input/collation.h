// What the program's own code costs to put batches together.
#pragma once

#include <optional>
#include <string>

#include "headrace/finding.h"
#include "input/gain.h"

namespace headrace::input {

struct CollationUse {
    LoopUse loop;
    std::string function;  // the loader's collate_fn
    double collate = 0;    // CPU seconds of the collation of a batch, the mean
    double fetch = 0;      // of its fetch, the collation included
};

// input.collate: none where the collation is a small part of a fetch, or no gain.
std::optional<Finding> advise_collation(const CollationUse& use);

}  // namespace headrace::input
