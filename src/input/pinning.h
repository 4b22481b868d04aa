// Batches on their way to an accelerator.
#pragma once

#include <optional>

#include "headrace/finding.h"

namespace headrace::input {

struct TransferUse {
    double seconds = 0;  // that the training thread spent in copies to the device
    double run_seconds = 0;
    bool pinned = false;  // the loader has pin_memory
};

// input.pinning: none without copies that take time, and where the memory is pinned already.
std::optional<Finding> advise_pinning(const TransferUse& use);

}  // namespace headrace::input
