// What a batch of a recorded loop would cost more if a worker made it, or less if none did.
#pragma once

#include "audit/contents.h"
#include "audit/loop.h"
#include "headrace/probe.h"
#include "headrace/run.h"
#include "replay/points.h"

namespace headrace::audit {

// As a probe measured it; without one (null) a guess from the size of a batch and what shared memory costs on the
// machine of the run. That size is the one of the samples that were hashed, or told by how long the collation took.
replay::Transport transport_of(const RecordedLoop& recorded, const Contents& contents, const Machine& machine,
                               const Probe* probe);

}  // namespace headrace::audit
