// What each part of the work would allow, were it the only limit.
#pragma once

#include "audit/loop.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// Seconds of all steps without their waits, nothing else busy.
double steps_alone(const replay::Loop& loop);

// Set the ceilings of an audit, lowest first, whose ledgers and probe are there: those of a loop that was taken apart,
// and, for any other (several ranks, an accelerator), those that the ledger of rank 0 and the means of samples tell.
// All are of the whole run.
void add_ceilings(const RecordedLoop& recorded, Audit& audit);
void add_ceilings(Audit& audit);

}  // namespace headrace::audit
