// Evaluation is forwards that no backward follows, between the end of a training step and the next request for a
// training batch. A mode switch or no_grad alone is no evaluation: programs call both everywhere.
#pragma once

#include "audit/training.h"

namespace headrace::audit {

// Fills trainer.evaluations from its passes, steps and spans; in order and without overlap.
void find_evaluations(Trainer& trainer);

}  // namespace headrace::audit
