// Reads a run and says where its time went. Pure: no file is touched, the same run gives the same answer.
// Method: docs/ledger.md.
#pragma once

#include "headrace/ledger.h"
#include "headrace/run.h"

namespace headrace {

// Builds the ledger of every rank and all that stands beside it. A run in which nothing was recorded gives a ledger
// whose time is unattributed, with the reason in limits: never an error.
Audit analyze(const Run& run);

}  // namespace headrace
