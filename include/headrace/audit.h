// Reads a run and says where its time went. The same run gives the same answer; beside it only what the user has
// written is read: the lines of the program that a finding names, slo.toml and prices.toml. Method: docs/ledger.md.
#pragma once

#include "headrace/ledger.h"
#include "headrace/run.h"

namespace headrace {

// Builds the ledger of every rank and all that stands beside it. A run in which nothing was recorded gives a ledger
// whose time is unattributed, with the reason in limits: never an error.
Audit analyze(const Run& run);

}  // namespace headrace
