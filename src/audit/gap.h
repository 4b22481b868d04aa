// The account of past runs: how many results a week, and where the run time went. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/gap.h"
#include "headrace/trial.h"
#include "run/past_runs.h"

namespace headrace::audit {

struct GapOptions {
    // Seconds since 1970. Runs count that ended in the period: after `since`, or with the first run, up to `until`.
    std::optional<std::int64_t> since = {};
    std::int64_t until = 0;
    std::optional<std::string> user = {};  // whose runs alone
};

// All but home, running, unreadable and next. Whether a run repeats another is decided over all runs that are given,
// whatever the period and the user.
Gap account(const std::vector<run::PastRun>& runs, const std::vector<Trial>& trials, const GapOptions& options);

}  // namespace headrace::audit
