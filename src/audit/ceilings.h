// What each part of the work would allow, were it the only limit.
#pragma once

#include <cstdint>

#include "audit/loop.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// Seconds of all steps without their waits, nothing else busy.
double steps_alone(const replay::Loop& loop);

// Set the ceilings of an audit, lowest first, whose ledgers and probe are there: those of a loop that was taken apart,
// and, for any other (ranks on several machines, an accelerator that it does not wait for), those that the ledger of
// rank 0 and the means of samples tell. These are of one rank of `world`, which have the cores between them.
void add_ceilings(const RecordedLoop& recorded, Audit& audit);
void add_ceilings(Audit& audit, std::uint64_t world);

}  // namespace headrace::audit
