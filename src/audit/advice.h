// What the areas make of a run: the ceilings, whether its loop can be replayed, and what each fix would win.
#pragma once

#include <vector>

#include "audit/loop.h"
#include "audit/training.h"
#include "audit/user_files.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// Sets the ceilings, the prediction and the findings of an audit that is complete but for them. `group`: the ranks that
// the first trainer is one of.
void add_advice(const Recording& recording, const std::vector<Trainer>& trainers, const RankGroup& group,
                const UserFiles& files, Audit& audit);

// Adds what only runs side by side show: `earlier` are probes of earlier runs of the same command.
void add_repeated(const std::vector<Probe>& earlier, Audit& audit);

}  // namespace headrace::audit
