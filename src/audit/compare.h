// Sets two groups of runs side by side: whether they did the same work, and what differs. Pure.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "headrace/comparison.h"
#include "headrace/ledger.h"
#include "headrace/result.h"
#include "run/past_runs.h"
#include "stats/two_means.h"

namespace headrace::audit {

// By which equal runs on one machine differ: standard deviations of the logarithms of speeds. 0 degrees: unknown.
struct RunSpread {
    stats::KnownDeviation steps;  // of samples a second
    stats::KnownDeviation run;    // of the whole run
};

// Of groups of runs that should have been equally fast, without those that are compared now: `compared`, by their ids.
RunSpread spread_of(std::span<const run::EqualRuns> groups, const std::set<std::string>& compared);

struct CompareOptions {
    double max_regression = 0;  // that is allowed, as a part of the speed
    bool by_turns = false;      // each run was made beside the one of the same place in the other group
    RunSpread known = {};       // of this machine; not asked for where runs were made by turns
};

// What both groups did, in finished runs on one kind of machine. Errors, each a sentence that says what differs:
// invalid_argument (a run did not finish; another machine; other work), unsupported (nothing was recorded inside).
// Each group has a run or more.
Result<ComparedWork> same_work(std::span<const Audit> before, std::span<const Audit> after);

// The errors of same_work. By turns both groups have as many runs, two or more.
Result<Comparison> compare(std::span<const Audit> before, std::span<const Audit> after, const CompareOptions& options);

}  // namespace headrace::audit
