// An audit as figures of run.db and back. docs/formats/run.md lists them.
#pragma once

#include "headrace/ledger.h"
#include "headrace/result.h"
#include "run/store.h"

namespace headrace::audit {

// What run.db keeps beside the spans: the ledger and waits as tables, and every figure that comes from the spans.
run::Derived derive(const Audit& audit);

// The audit of a stored run whose spans were not all kept. Error: damaged, where a figure is missing or impossible.
Result<Audit> restore(const Run& run, const run::Figures& figures);

}  // namespace headrace::audit
