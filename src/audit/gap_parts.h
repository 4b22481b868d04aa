// The parts of the account of past runs. Pure.
#pragma once

#include <vector>

#include "audit/gap.h"

namespace headrace::audit {

// A run as it counts. Times are seconds since 1970.
struct CountedRun {
    const run::PastRun* run = nullptr;
    double begin = 0;
    double end = 0;
    RunClass what = RunClass::unvalidated;
};

// By their end. Runs whose start cannot be read are left out.
std::vector<CountedRun> classified(const std::vector<run::PastRun>& runs);

// Adds where the time of a run went.
void add_seconds(const CountedRun& run, GapSeconds& seconds);

// What makes two runs one experiment: its key, or the run's own id where there is none.
const std::string& experiment_of(const run::PastRun& run);

// `runs` are those of the period.
GapTrend trend_of(const std::vector<CountedRun>& runs, double begin, double end);

// Adds what is open: `all` are the runs up to the end of the period, of whose programs the newest run is asked.
void add_open_findings(const std::vector<CountedRun>& all, const std::vector<CountedRun>& period,
                       const std::vector<Trial>& trials, Gap& gap);

}  // namespace headrace::audit
