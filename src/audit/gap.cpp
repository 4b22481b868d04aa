#include "audit/gap.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "audit/gap_parts.h"
#include "base/utc.h"
#include "stats/quantile.h"

namespace headrace::audit {
namespace {

using CountedRuns = std::vector<CountedRun>;

// What came of a run that headrace did not repeat itself, `known` being the experiments that were validated before.
RunClass class_of(const run::PastRun& run, const std::set<std::string>& known) {
    switch (run.outcome) {
        case Outcome::failed:
            return RunClass::failed;
        case Outcome::interrupted:
            return RunClass::interrupted;
        case Outcome::running:
        case Outcome::killed:
            return RunClass::killed;
        case Outcome::finished:
            break;
    }
    if (known.contains(experiment_of(run))) return RunClass::repeated;
    if (!run.trained) return RunClass::untrained;
    if (!run.validated) return RunClass::unseen;
    return *run.validated ? RunClass::validated : RunClass::unvalidated;
}

bool is_experiment(const CountedRun& run) { return run.what != RunClass::comparison; }

std::uint64_t experiments_of(const CountedRuns& runs) {
    std::set<std::string> distinct;
    for (const CountedRun& run : runs) {
        if (is_experiment(run)) distinct.insert(experiment_of(*run.run));
    }
    return distinct.size();
}

// Calendar time in which at least one of them went on, from `begin` on.
double busy_seconds_of(const CountedRuns& runs, double begin) {
    std::vector<std::pair<double, double>> stretches;
    for (const CountedRun& run : runs) stretches.emplace_back(std::max(run.begin, begin), run.end);
    std::sort(stretches.begin(), stretches.end());
    double busy = 0, until = begin;
    for (const auto& [from, to] : stretches) {
        busy += std::max(0.0, to - std::max(from, until));
        until = std::max(until, to);
    }
    return busy;
}

std::optional<Middle> middle_of(const std::vector<double>& seconds) {
    const auto median = stats::median(seconds);
    const auto interval = stats::quantile_interval(seconds, 0.5);
    if (!median || !interval) return std::nullopt;
    return Middle{*median, interval->low, interval->high};
}

// When the first run of each experiment began, headrace's own repetitions left out.
std::map<std::string, double> first_starts(const CountedRuns& all) {
    std::map<std::string, double> starts;
    for (const CountedRun& run : all) {
        if (!is_experiment(run)) continue;
        const auto [at, is_new] = starts.emplace(experiment_of(*run.run), run.begin);
        if (!is_new) at->second = std::min(at->second, run.begin);
    }
    return starts;
}

void add_times_to_result(const CountedRuns& all, const CountedRuns& period, Gap& gap) {
    const std::map<std::string, double> starts = first_starts(all);
    std::vector<double> own, from_first;
    for (const CountedRun& run : period) {
        if (run.what != RunClass::validated || !run.run->result_seconds) continue;
        own.push_back(*run.run->result_seconds);
        from_first.push_back(run.begin + *run.run->result_seconds - starts.at(experiment_of(*run.run)));
    }
    gap.seconds_to_result = middle_of(own);
    gap.seconds_from_first_start = middle_of(from_first);
}

bool is_lost(RunClass what) {
    return what == RunClass::failed || what == RunClass::killed || what == RunClass::interrupted ||
           what == RunClass::repeated;
}

std::vector<GapUser> users_of(const CountedRuns& runs) {
    std::map<std::string, CountedRuns> by_user;
    for (const CountedRun& run : runs) by_user[run.run->user].push_back(run);
    std::vector<GapUser> users;
    for (const auto& [name, own] : by_user) {
        GapUser user{.user = name, .runs = own.size(), .experiments = experiments_of(own)};
        for (const CountedRun& run : own) {
            user.results += run.what == RunClass::validated ? 1 : 0;
            user.run_seconds += run.run->wall_seconds;
            user.lost_seconds += is_lost(run.what) ? run.run->wall_seconds : 0;
        }
        users.push_back(std::move(user));
    }
    std::stable_sort(users.begin(), users.end(),
                     [](const GapUser& x, const GapUser& y) { return x.results > y.results; });
    return users;
}

void add_totals(const CountedRuns& runs, Gap& gap) {
    for (const CountedRun& run : runs) {
        ClassCount& count = gap.classes[static_cast<std::size_t>(run.what)];
        ++count.runs;
        count.run_seconds += run.run->wall_seconds;
        gap.run_seconds += run.run->wall_seconds;
        gap.code_unknown += run.run->experiment ? 0 : 1;
        add_seconds(run, gap.seconds);
    }
    gap.runs = runs.size();
    gap.experiments = experiments_of(runs);
    gap.results = gap.classes[static_cast<std::size_t>(RunClass::validated)].runs;
}

std::vector<TriedFix> fixes_of(const CountedRuns& all, const std::vector<Trial>& trials, const GapOptions& options) {
    std::map<std::string, std::string> users;
    for (const CountedRun& run : all) users[run.run->id] = run.run->user;
    std::vector<TriedFix> fixes;
    for (const Trial& trial : trials) {
        const auto started = base::seconds_of_utc(trial.started);
        const auto user = users.find(trial.run);
        if (!started || *started > options.until) continue;
        if (options.user && (user == users.end() || user->second != *options.user)) continue;
        std::string ids;
        for (const std::string& id : trial.fixes) ids += (ids.empty() ? "" : ",") + id;
        fixes.push_back({trial.id, trial.run, trial.started, std::move(ids), as_arguments(trial.fix), trial.predicted,
                         trial.measured, trial.inside, trial.host, trial.cpu, trial.cores_usable});
    }
    std::stable_sort(fixes.begin(), fixes.end(), [](const TriedFix& x, const TriedFix& y) {
        return std::tie(x.started, x.trial) < std::tie(y.started, y.trial);
    });
    return fixes;
}

CountedRuns chosen(const CountedRuns& runs, const std::function<bool(const CountedRun&)>& wanted) {
    CountedRuns some;
    std::copy_if(runs.begin(), runs.end(), std::back_inserter(some), wanted);
    return some;
}

double begin_of(const CountedRuns& runs, const GapOptions& options) {
    if (options.since) return static_cast<double>(*options.since);
    double begin = static_cast<double>(options.until);
    for (const CountedRun& run : runs) begin = std::min(begin, run.begin);
    return begin;
}

}  // namespace

const std::string& experiment_of(const run::PastRun& run) { return run.experiment ? *run.experiment : run.id; }

std::vector<CountedRun> classified(const std::vector<run::PastRun>& runs) {
    CountedRuns counted;
    for (const run::PastRun& run : runs) {
        const auto started = base::seconds_of_utc(run.started);
        if (!started) continue;
        const auto begin = static_cast<double>(*started);
        counted.push_back({&run, begin, begin + run.wall_seconds});
    }
    std::sort(counted.begin(), counted.end(), [](const CountedRun& x, const CountedRun& y) {
        return std::tie(x.end, x.run->id) < std::tie(y.end, y.run->id);
    });
    std::set<std::string> known;
    for (CountedRun& run : counted) {
        const bool own = run.run->purpose == Purpose::compare;
        run.what = own ? RunClass::comparison : class_of(*run.run, known);
        if (run.what == RunClass::validated) known.insert(experiment_of(*run.run));
    }
    return counted;
}

Gap account(const std::vector<run::PastRun>& runs, const std::vector<Trial>& trials, const GapOptions& options) {
    const auto end = static_cast<double>(options.until);
    const CountedRuns known = classified(runs);
    const CountedRuns all = chosen(known, [&](const CountedRun& run) {
        return run.end <= end && (!options.user || run.run->user == *options.user);
    });
    const double begin = begin_of(all, options);
    const CountedRuns period = chosen(all, [&](const CountedRun& run) { return run.end >= begin; });
    Gap gap;
    gap.begin = base::utc_of_seconds(static_cast<std::int64_t>(begin));
    gap.end = base::utc_of_seconds(options.until);
    gap.weeks = std::max(0.0, end - begin) / base::seconds_of_week;
    gap.user = options.user;
    add_totals(period, gap);
    if (end - begin >= base::seconds_of_day) gap.results_per_week = static_cast<double>(gap.results) / gap.weeks;
    add_times_to_result(known, period, gap);
    gap.busy_seconds = busy_seconds_of(period, begin);
    gap.trend = trend_of(period, begin, end);
    gap.users = users_of(period);
    add_open_findings(all, period, trials, gap);
    gap.fixes = fixes_of(all, trials, options);
    return gap;
}

}  // namespace headrace::audit
