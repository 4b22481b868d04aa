// What of a run could not be seen, as sentences for its report.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/recording.h"
#include "audit/training.h"
#include "audit/waits.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// `trainers` is what find_trainers gave; `one_group` says whether they are all ranks of one group.
std::vector<std::string> limits_of(const Recording& recording, const std::vector<Trainer>& trainers, bool one_group,
                                   const std::optional<Outside>& outside);

// Whether of most batches nobody recorded how workers made them, so that the waits for them cannot be divided.
bool hardly_recorded(const Throughput& batches);

// Says so, and of how many.
void add_unrecorded(const Throughput& batches, std::vector<std::string>& limits);

}  // namespace headrace::audit
