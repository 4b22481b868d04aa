// The configuration of a loader, as the recorder wrote it.
#pragma once

#include <cstdint>
#include <string>

#include "headrace/ledger.h"

namespace headrace::audit {

// From the JSON object of docs/formats/spool.md (text loader_config). What is missing in it or makes no sense is
// unknown.
Loader loader_of(const std::string& config, bool training);

// Whether its batches are put together by torch's own code; taken to be so where that was not recorded.
bool collates_by_default(const Loader& loader);

// Whether it gives its batches in the order in which it asked for them.
bool in_order(const std::string& config);

// Whether its samples come from an IterableDataset: each worker has all of it, unless it divides itself.
bool is_iterable(const std::string& config);

// Takes the number of the loader among all that were made out of the object, whose end it is; 0 where there is none.
std::uint64_t take_serial(std::string& config);

}  // namespace headrace::audit
