// Every audit feeds the history.
#pragma once

#include "headrace/ledger.h"
#include "run/store.h"

namespace headrace::cli {

// Puts a run that has ended into the history of the home that its folder lies in; a folder that lies elsewhere is left
// out. What goes wrong is told in one sentence and changes nothing else: `headrace gap` takes the run in later.
void feed_history(const run::Folder& folder, const Audit& audit);

}  // namespace headrace::cli
