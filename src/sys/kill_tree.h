// Ends a tree of processes so that none of them sees another one end.
#pragma once

#include <cstdint>

namespace headrace::sys {

// Stops every process below `root`, those that come meanwhile too, and then kills them all: no handler of a signal, no
// exit function and no waiting parent runs between the first and the last of them. `root` itself goes on. Processes
// that have left the tree, because their parent ended, are found when `root` is a subreaper (prctl(2)). The
// helpers of Python's multiprocessing and of torch that remove names of shared memory when the processes that made them
// have ended are not killed unless `helpers_too`: they then do so, and end by themselves. Does not wait for any end.
void kill_below(std::uint32_t root, bool helpers_too = false);

}  // namespace headrace::sys
