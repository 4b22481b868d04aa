// The intra-op threads of the processes that train, as they were recorded.
#pragma once

#include <optional>

#include "audit/training.h"
#include "compute/threads.h"

namespace headrace::audit {

// None where the number was not recorded (by an earlier headrace, or without a DataLoader), or no CPU time was.
std::optional<compute::ProcessThreads> intraop_threads(const Recording& recording, const Trainer& trainer);

}  // namespace headrace::audit
