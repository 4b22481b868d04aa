// The configuration of a loader, as the recorder wrote it.
#pragma once

#include <string>

#include "headrace/ledger.h"

namespace headrace::audit {

// From the JSON object of docs/formats/spool.md (text loader_config). What is missing in it or makes no sense is
// unknown.
Loader loader_of(const std::string& config, bool training);

// Whether it gives its batches in the order in which it asked for them.
bool in_order(const std::string& config);

}  // namespace headrace::audit
