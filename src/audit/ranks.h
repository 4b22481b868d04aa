// Waiting for other ranks that hides inside backward: no call of Python shows it where DDP reduces gradients.
#pragma once

#include <vector>

#include "audit/timeline.h"
#include "audit/training.h"

namespace headrace::audit {

// Whether these are all ranks of one group, so that what each waited for is known. One rank alone is none.
bool are_one_group(const std::vector<Trainer>& trainers);

// Gives to sync what each rank waited, at the backward of every step, for the last rank to begin its own. `segments`
// are those of each trainer; they go on covering its window. Only for ranks that are one group: their clock is one.
void divide_backwards(const std::vector<Trainer>& trainers, std::vector<std::vector<Segment>>& segments);

}  // namespace headrace::audit
