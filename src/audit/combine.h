// Several runs of one training, each recorded on a machine of its own, as one.
#pragma once

#include <vector>

#include "headrace/ledger.h"
#include "headrace/result.h"

namespace headrace::audit {

// The run of rank 0 with the ranks of all of them, in order. Memory is the largest of a machine, processes are added
// up, limits name their machine. Errors: invalid_argument where a run has no rank, or two have the same one.
Result<Audit> combine(std::vector<Audit> parts);

}  // namespace headrace::audit
