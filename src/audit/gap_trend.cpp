// Where run time went, week after week.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "audit/gap_parts.h"
#include "base/utc.h"
#include "stats/trend.h"

namespace headrace::audit {
namespace {

constexpr std::size_t first_of_others = entry_count;  // behind the ledger's own entries

// The entry for the whole time of a run of that kind; none where its ledger says where it went.
std::optional<std::size_t> whole_entry(RunClass what) {
    switch (what) {
        case RunClass::failed:
            return first_of_others;
        case RunClass::killed:
            return first_of_others + 1;
        case RunClass::interrupted:
            return first_of_others + 2;
        case RunClass::repeated:
            return first_of_others + 3;
        case RunClass::comparison:
            return first_of_others + 4;
        case RunClass::validated:
        case RunClass::unvalidated:
        case RunClass::unseen:
        case RunClass::untrained:
            return std::nullopt;
    }
    return std::nullopt;
}

std::size_t ledger_entry(const std::string& entry) {
    for (std::size_t i = 0; i < entry_count; ++i) {
        if (entry == name(static_cast<Entry>(i))) return i;
    }
    return static_cast<std::size_t>(Entry::unattributed);  // of a later headrace
}

std::string moment(double seconds) { return base::utc_of_seconds(static_cast<std::int64_t>(std::llround(seconds))); }

// Seven days each, counted back from the end; what is left comes first.
std::vector<GapWeek> weeks_between(double begin, double end) {
    std::vector<GapWeek> weeks;
    for (double to = end; to > begin; to -= base::seconds_of_week) {
        GapWeek week;
        week.begin = moment(std::max(begin, to - base::seconds_of_week));
        week.end = moment(to);
        weeks.push_back(std::move(week));
    }
    std::reverse(weeks.begin(), weeks.end());
    return weeks;
}

// In which of so many weeks a run that ended at `at` counts.
std::size_t week_of(double at, double end, std::size_t weeks) {
    const double before = std::floor((end - at) / base::seconds_of_week);
    return weeks - 1 - std::min(weeks - 1, static_cast<std::size_t>(std::max(0.0, before)));
}

TrendVerdict verdict_of(const stats::CountTrend& trend) {
    if (trend.low > 0) return TrendVerdict::rising;
    return trend.high < 0 ? TrendVerdict::falling : TrendVerdict::not_told;
}

}  // namespace

void add_seconds(const CountedRun& run, GapSeconds& seconds) {
    if (const std::optional<std::size_t> entry = whole_entry(run.what)) {
        seconds[*entry] += run.run->wall_seconds;
        return;
    }
    for (const auto& [entry, part] : run.run->ledger) seconds[ledger_entry(entry)] += part;
}

GapTrend trend_of(const std::vector<CountedRun>& runs, double begin, double end) {
    GapTrend trend;
    trend.weeks = weeks_between(begin, end);
    if (trend.weeks.empty()) return trend;
    for (const CountedRun& run : runs) {
        GapWeek& week = trend.weeks[week_of(run.end, end, trend.weeks.size())];
        ++week.runs;
        week.results += run.what == RunClass::validated ? 1 : 0;
        week.run_seconds += run.run->wall_seconds;
        add_seconds(run, week.seconds);
    }
    const auto whole = static_cast<std::size_t>(std::floor((end - begin) / base::seconds_of_week));
    std::vector<double> results;
    for (std::size_t i = trend.weeks.size() - whole; i < trend.weeks.size(); ++i) {
        results.push_back(static_cast<double>(trend.weeks[i].results));
    }
    if (const auto change = stats::count_trend(results)) {
        trend.change = Interval{change->change, change->low, change->high};
        trend.verdict = verdict_of(*change);
    }
    return trend;
}

}  // namespace headrace::audit
