// What memory that two processes share costs when it is touched for the first time, measured here and now.
#pragma once

#include "headrace/run.h"

namespace headrace::sys {

// Takes some milliseconds and, for a moment, 4 MiB. Zeros where it cannot be measured.
SharedMemoryCost shared_memory_cost();

}  // namespace headrace::sys
