// What the areas compute and serve make of a run and its probe.
#pragma once

#include <vector>

#include "audit/training.h"
#include "headrace/ledger.h"
#include "input/workers.h"

namespace headrace::audit {

// What faster steps would win, by the probe, of a loop that the replay reproduces.
void add_probed(const input::LoaderUse& loop, const Probe& probe, Audit& audit);

// The finding compute.threads where the replay has not given it.
void add_threads(const Recording& recording, const std::vector<Trainer>& trainers, Audit& audit);

// The finding serve.slo.
void add_slo(Audit& audit);

}  // namespace headrace::audit
