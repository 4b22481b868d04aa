// What the findings that are still open would give back.
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "audit/gap_parts.h"

namespace headrace::audit {
namespace {

constexpr double most_of_a_run = 0.95;  // no finding is believed to save more

bool has_finished(const CountedRun& run) {
    return run.what != RunClass::comparison && run.run->outcome == Outcome::finished;
}

struct Program {
    const run::PastRun* newest = nullptr;
    std::uint64_t runs = 0;  // finished ones in the period
    double run_seconds = 0;
};

// By the program. `all` are by their end.
std::map<std::string, Program> programs_of(const std::vector<CountedRun>& all, const std::vector<CountedRun>& period) {
    std::map<std::string, Program> programs;
    for (const CountedRun& run : all) {
        if (has_finished(run)) programs[run.run->program].newest = run.run;
    }
    for (const CountedRun& run : period) {
        if (!has_finished(run)) continue;
        Program& program = programs[run.run->program];
        ++program.runs;
        program.run_seconds += run.run->wall_seconds;
    }
    return programs;
}

// The trials of a program's runs, by their start.
using TrialsOf = std::map<std::string, std::vector<const Trial*>>;

TrialsOf trials_by_program(const std::vector<CountedRun>& all, const std::vector<Trial>& trials) {
    std::map<std::string, const std::string*> programs;
    for (const CountedRun& run : all) programs[run.run->id] = &run.run->program;
    TrialsOf found;
    for (const Trial& trial : trials) {
        const auto program = programs.find(trial.run);
        if (program != programs.end()) found[*program->second].push_back(&trial);
    }
    for (auto& [program, own] : found) {
        std::stable_sort(own.begin(), own.end(), [](const Trial* x, const Trial* y) {
            return std::tie(x->started, x->id) < std::tie(y->started, y->id);
        });
    }
    return found;
}

// The newest trial that set the same, or null.
const Trial* trial_of(const run::PastFinding& finding, const std::vector<const Trial*>& trials) {
    const auto same = [&](const Trial* trial) {
        return trial->fixes == std::vector<std::string>{finding.id} && as_arguments(trial->fix) == finding.arguments;
    };
    const auto newest = std::find_if(trials.rbegin(), trials.rend(), same);
    return newest == trials.rend() ? nullptr : *newest;
}

// The measured ratio in place of the predicted one; what is saved outside the steps has no ratio.
Saving proven_saving(const Gain& gain, const Interval& measured) {
    const auto part = [](double ratio) { return 1 - 1 / ratio; };
    const double predicted = part(gain.ratio.predicted);
    if (std::abs(predicted) < 1e-9) return {gain.seconds_per_run.predicted, gain.seconds_per_run.low};
    const double loop = gain.seconds_per_run.predicted / predicted;
    return {loop * part(measured.predicted), loop * part(measured.low)};
}

// None where a trial has not proven that it wins, or it promises nothing.
std::optional<OpenFinding> open_finding(const run::PastFinding& finding, const Trial* trial) {
    const bool proven = trial != nullptr && trial->measured.low > 1;
    if (trial != nullptr && !proven) return std::nullopt;
    OpenFinding open;
    open.finding = finding.id;
    open.arguments = finding.arguments;
    open.can_be_tried = finding.can_be_tried;
    open.proven = proven;
    const Interval& seconds = finding.gain.seconds_per_run;
    open.seconds_per_run =
        proven ? proven_saving(finding.gain, trial->measured) : Saving{seconds.predicted, seconds.low};
    return open.seconds_per_run.likely > 0 ? std::optional(open) : std::nullopt;
}

bool saves_more(const OpenFinding& x, const OpenFinding& y) {
    return std::tie(x.seconds_per_run.low, x.seconds_per_run.likely) >
           std::tie(y.seconds_per_run.low, y.seconds_per_run.likely);
}

std::optional<OpenFinding> best_of(const Program& program, const std::vector<const Trial*>& trials) {
    std::optional<OpenFinding> best;
    for (const run::PastFinding& finding : program.newest->findings) {
        const std::optional<OpenFinding> open = open_finding(finding, trial_of(finding, trials));
        if (open && (!best || saves_more(*open, *best))) best = open;
    }
    return best;
}

// Of the program's runs in the period the same share is saved as of its newest one.
double saved_of_all(const Program& program, double seconds_per_run) {
    const double share = seconds_per_run / program.newest->wall_seconds;
    return std::clamp(share, -most_of_a_run, most_of_a_run) * program.run_seconds;
}

// The same hours a week hold more runs when these take less.
double more_results(const Gap& gap, double saved) {
    const double left = std::max(gap.run_seconds - saved, (1 - most_of_a_run) * gap.run_seconds);
    return *gap.results_per_week * (gap.run_seconds / left - 1);
}

}  // namespace

void add_open_findings(const std::vector<CountedRun>& all, const std::vector<CountedRun>& period,
                       const std::vector<Trial>& trials, Gap& gap) {
    const TrialsOf tried = trials_by_program(all, trials);
    for (const auto& [name, program] : programs_of(all, period)) {
        if (program.runs == 0 || !(program.newest->wall_seconds > 0)) continue;
        const auto own = tried.find(name);
        std::optional<OpenFinding> open =
            best_of(program, own == tried.end() ? std::vector<const Trial*>() : own->second);
        if (!open) continue;
        open->program = name;
        open->run = program.newest->id;
        open->runs = program.runs;
        open->run_seconds = {saved_of_all(program, open->seconds_per_run.likely),
                             saved_of_all(program, open->seconds_per_run.low)};
        gap.open.push_back(std::move(*open));
    }
    std::stable_sort(gap.open.begin(), gap.open.end(), [](const OpenFinding& x, const OpenFinding& y) {
        return std::tie(x.run_seconds.low, x.run_seconds.likely) > std::tie(y.run_seconds.low, y.run_seconds.likely);
    });
    if (gap.open.empty() || gap.results == 0 || !gap.results_per_week) return;
    Saving saved;
    for (const OpenFinding& open : gap.open) {
        saved.likely += open.run_seconds.likely;
        saved.low += open.run_seconds.low;
    }
    gap.open_results_per_week = Saving{more_results(gap, saved.likely), more_results(gap, saved.low)};
}

}  // namespace headrace::audit
