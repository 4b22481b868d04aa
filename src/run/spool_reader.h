// Reads the spool folder of a run: while it is being written, after its end, or after everybody was killed.
#pragma once

#include <filesystem>
#include <vector>

#include "headrace/run.h"

namespace headrace::run {

// Reads every spool file in `folder`. A record is taken only when it is complete; what a kill cut off is left out.
// Intervals that were open (header.open) become spans with open = true and duration 0: the caller who knows when the
// process ended closes them. A file that is no spool is reported in `problems` and skipped; so is one of a newer
// version.
struct Spool {
    std::vector<ThreadRecord> threads;
    std::vector<std::string> problems;
};
Result<Spool> read_spool(const std::filesystem::path& folder);

}  // namespace headrace::run
