// The view from outside: what all processes did together, in phases found by change points. Works for any program.
#pragma once

#include <optional>

#include "headrace/ledger.h"
#include "headrace/run.h"

namespace headrace::audit {

// Empty when nothing was sampled. `marked` is left empty.
std::optional<Outside> outside_view(const Run& run);

}  // namespace headrace::audit
