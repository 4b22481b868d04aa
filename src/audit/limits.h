// What of a run could not be seen, as sentences for its report.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/recording.h"
#include "audit/training.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// `trainers` is what find_trainers gave; `one_group` says whether they are all ranks of one group.
std::vector<std::string> limits_of(const Recording& recording, const std::vector<Trainer>& trainers, bool one_group,
                                   const std::optional<Outside>& outside);

}  // namespace headrace::audit
