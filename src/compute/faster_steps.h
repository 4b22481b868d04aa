// Steps that compute the same faster: in another precision, in another memory format.
#pragma once

#include <optional>

#include "compute/step.h"

namespace headrace::compute {

// The finding compute.precision: the forward and the loss under bfloat16 autocast. None where that was not measured,
// which a probe does where the hardware computes with it, or is not predicted to win 5 %.
std::optional<Finding> advise_precision(const StepUse& use);

// The finding compute.channels_last: the model's convolutions in that memory format. None where that was not measured,
// which a probe does where the model has any in another one, or is not predicted to win 5 %.
std::optional<Finding> advise_channels_last(const StepUse& use);

}  // namespace headrace::compute
