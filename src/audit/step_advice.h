// What the areas compute and serve make of a run and its probe.
#pragma once

#include <span>
#include <vector>

#include "audit/training.h"
#include "audit/user_files.h"
#include "headrace/ledger.h"
#include "input/workers.h"

namespace headrace::audit {

// What faster steps would win, by the probe, of a loop that the replay reproduces.
void add_probed(const Recording& recording, const input::LoaderUse& loop, const Probe& probe, Audit& audit);

// The finding compute.threads where the replay has not given it.
void add_threads(const Recording& recording, const std::vector<Trainer>& trainers, Audit& audit);

// The finding compute.cores, where no other one would use the cores that it would give back.
void add_cores(const replay::Loop& loop, std::span<const replay::ThreadPoint> threads, const UserFiles& files,
               Audit& audit);

// The finding compute.accelerator.
void add_accelerator(const Recording& recording, Audit& audit);

// The finding serve.slo; `slo` of the audit is set.
void add_slo(Audit& audit);

}  // namespace headrace::audit
