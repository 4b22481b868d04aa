// The iteration gap of a team: how many hypotheses a week it validates, and why not more. Plain structs;
// docs/formats/gap.schema.json is the same thing as JSON. Times are in seconds, shares from 0 to 1.
//
// Two kinds of time stand beside each other. Run time is the sum over runs, two at once count twice; it is what
// machines were busy with. Calendar time is what has passed. A name with `run_seconds` is the first kind; weeks are the
// second.
//
// A run counts at the moment at which it ended, with all of its time. Thread-safety: values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/finding.h"
#include "headrace/ledger.h"

namespace headrace {

// What came of a run; every run is exactly one of these.
enum class RunClass : std::uint8_t {
    validated,    // finished, with an evaluation after its last training step, as the first of its experiment
    unvalidated,  // finished without one
    unseen,       // finished, but recording had ended before: nobody knows
    untrained,    // finished, and no training step was seen
    repeated,     // finished when another run had validated the same experiment before
    interrupted,  // by Ctrl-C
    killed,       // by another signal
    failed,       // ended with an exit code above 0
    comparison,   // repeated by headrace itself, to compare
};
inline constexpr std::size_t run_class_count = 9;
std::string_view name(RunClass what) noexcept;  // for example "validated"

struct ClassCount {
    std::uint64_t runs = 0;
    double run_seconds = 0;
};

// Where run time went, in a fixed order: the ledger's entries, for runs that finished and were no repetition; then the
// whole time of the others, by what came of them.
inline constexpr std::size_t gap_entry_count = entry_count + 5;
std::string_view gap_entry_name(std::size_t entry) noexcept;  // "input.wait", ..., "failed"
using GapSeconds = std::array<double, gap_entry_count>;

// A median and the ends of its 90 % interval, which asks nothing of the distribution.
struct Middle {
    double median = 0;
    double low = 0;
    double high = 0;
};

struct GapWeek {  // seven days, but for the first one, which begins with the period
    std::string begin, end;
    std::uint64_t runs = 0;
    std::uint64_t results = 0;
    double run_seconds = 0;
    GapSeconds seconds{};
};

// Whether results a week rise. By least squares over the whole weeks; the noise of a week is taken from what is left,
// and never for less than that of counts.
enum class TrendVerdict : std::uint8_t {
    too_few_weeks,  // fewer than four whole ones
    not_told,       // 0 lies in the interval
    rising,
    falling,
};
std::string_view name(TrendVerdict verdict) noexcept;

struct GapTrend {
    std::vector<GapWeek> weeks;  // in order, without a gap
    TrendVerdict verdict = TrendVerdict::too_few_weeks;
    std::optional<Interval>
        change;  // of results a week from one week to the next; absent where there are too few weeks
};

struct GapUser {
    std::string user;  // empty where unknown
    std::uint64_t runs = 0;
    std::uint64_t experiments = 0;
    std::uint64_t results = 0;
    double run_seconds = 0;
    double lost_seconds = 0;  // of these: failed, killed, interrupted or repeated
};

// What a finding would save. `high` has no meaning: a lower view and a likely one are all that is claimed.
struct Saving {
    double likely = 0;
    double low = 0;
};

// A program whose newest finished run has a finding that is still open: the best of those that were not tried, or that
// a trial has proven. Of findings that a trial has not proven to win, none.
struct OpenFinding {
    std::string program;
    std::string run;  // the newest finished one
    std::string finding;
    std::string arguments;  // what it sets; empty where nothing does
    bool can_be_tried = false;
    bool proven = false;
    std::uint64_t runs = 0;  // finished ones of the program in the period
    Saving seconds_per_run;  // of the newest run
    Saving run_seconds;      // of all of these, the same share of each
};

struct TriedFix {
    std::string trial;  // id
    std::string run;
    std::string started;  // ISO 8601, UTC
    std::string fix;      // ids of the findings
    std::string arguments;
    std::optional<Interval> predicted;  // ratio of samples a second; absent where nothing was predicted
    Interval measured;                  // its `predicted` is the measured value
    std::optional<bool> inside;
    std::string host;
    std::string cpu;
    double cores_usable = 0;
};

struct Gap {
    std::string home;                 // whose history it is
    std::string begin, end;           // of the period: ISO 8601, UTC
    double weeks = 0;                 // calendar time
    std::optional<std::string> user;  // whose runs alone are counted; absent: everybody's
    std::array<ClassCount, run_class_count> classes{};
    std::uint64_t runs = 0;
    std::uint64_t experiments = 0;                   // distinct ones; a run whose code is not known is one of its own
    std::uint64_t results = 0;                       // validated
    std::uint64_t code_unknown = 0;                  // runs
    std::optional<double> results_per_week;          // absent where the period is shorter than a day
    std::optional<Middle> seconds_to_result;         // from the start of the run that held it
    std::optional<Middle> seconds_from_first_start;  // from the start of the first run of its experiment
    double run_seconds = 0;
    double busy_seconds = 0;  // calendar time in which at least one of the runs went on
    GapSeconds seconds{};     // sums to run_seconds
    GapTrend trend;
    std::vector<GapUser> users;     // the one with most results first
    std::vector<OpenFinding> open;  // the one that saves most run time first, by the lower view
    // What all of them would add to results a week, with as many run-hours a week as now: an upper view, true where run
    // time is what limits. Absent where there are no results or none is open.
    std::optional<Saving> open_results_per_week;
    std::vector<TriedFix> fixes;   // all up to the end of the period, by their start
    std::uint64_t running = 0;     // now, and in none of the figures
    std::uint64_t unreadable = 0;  // run folders that could not be read
    std::string next;              // the command to run next
};

}  // namespace headrace
