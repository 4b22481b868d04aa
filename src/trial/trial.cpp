#include "trial/trial.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <system_error>

#include "replay/predict.h"
#include "stats/student.h"
#include "sys/file.h"
#include "sys/machine.h"
#include "trial/merge.h"
#include "trial/runner.h"
#include "trial/workplace.h"

namespace headrace::trial {
namespace {

constexpr std::uint64_t usual_pairs = 5;
constexpr std::uint64_t fewest_wanted = 60, most_wanted = 2000;
Result<void> add_finding(TrialPlan& plan, const Audit& audit, const std::string& id) {
    const auto found = std::find_if(audit.findings.begin(), audit.findings.end(),
                                    [&](const Finding& finding) { return finding.id == id; });
    if (found == audit.findings.end()) {
        std::string ids;
        for (const Finding& finding : audit.findings) ids += (ids.empty() ? "" : ", ") + finding.id;
        return fail(ErrorCode::not_found, "run " + audit.run.id + " has no finding " + id +
                                              (ids.empty() ? ": it has none" : ": it has " + ids));
    }
    if (!can_be_tried(*found)) {
        return fail(ErrorCode::unsupported,
                    (found->kind == FixKind::loader && found->fix.workers) || found->fix.cache_bytes
                        ? "where the loader of " + id + " is made was not recorded in run " + audit.run.id +
                              ": audit the program again"
                        : id + " cannot be put into the program: follow its remedy by hand, "
                               "and audit the program again");
    }
    const bool other_loader = plan.loader && found->loader && !same_site(*plan.loader, *found->loader);
    if (other_loader || !merge(plan.fix, found->fix)) {
        return fail(ErrorCode::unsupported, id + " cannot be tried together with the findings before it: they change "
                                                 "the same thing, so try one of them at a time");
    }
    if (found->loader) plan.loader = found->loader;
    plan.findings.push_back(*found);
    return {};
}

// Of the training loader, without and with the fix: whichever fills its queues later.
std::uint64_t warm_up_of(const Loader& loader, const Fix& fix) {
    const auto fillings = [](std::uint64_t workers, std::uint64_t prefetch_factor) {
        return replay::steps_to_steady(
            {.workers = static_cast<unsigned>(workers), .prefetch_factor = static_cast<unsigned>(prefetch_factor)});
    };
    const std::uint64_t prefetch = loader.prefetch_factor.value_or(2);
    return std::max(fillings(loader.workers, prefetch),
                    fillings(fix.workers.value_or(loader.workers), fix.prefetch_factor.value_or(prefetch))) +
           1;
}

// A cache serves from the second pass on: the steps of the first one are warm-up too, without the fix as well.
Result<void> add_first_pass(TrialPlan& plan, const Audit& audit) {
    const std::optional<std::uint64_t>& pass = audit.steady.pass_steps;
    if (!pass || *pass == 0) {
        return too_little("a cache of samples serves from the second pass over the loader on, and run " + audit.run.id +
                          " has only one");
    }
    plan.warm_up += *pass;
    return {};
}

// The two runs of a pair. `turned`: the one with the fix comes first, so that a drift of the machine favours neither.
// `steps`: those that both of them have behind the warm-up.
Result<TrialPair> run_pair(Runner& runner, const TrialPlan& plan, bool turned, std::uint64_t& steps) {
    const Result<Arm> first = runner.arm(turned);
    if (!first) return tl::unexpected<Error>(first.error());
    const Result<Arm> second = runner.arm(!turned);
    if (!second) return tl::unexpected<Error>(second.error());
    const std::size_t least = std::min(first->step_seconds.size(), second->step_seconds.size());
    steps = std::min<std::uint64_t>(least - plan.warm_up, plan.steps);
    const double one = mean_step(*first, plan.warm_up, steps), other = mean_step(*second, plan.warm_up, steps);
    return turned ? TrialPair{other, one} : TrialPair{one, other};
}

// The ratio of all pairs: the mean of their logarithms, with its interval. Pairs are independent, steps are not.
// `samples`: of a step with the fix, for one of a step without.
Interval measured_of(const std::vector<TrialPair>& pairs, double samples) {
    std::vector<double> logs;
    for (const TrialPair& pair : pairs) {
        logs.push_back(std::log(samples * pair.without_step_seconds / pair.with_step_seconds));
    }
    const auto interval = stats::mean_interval(logs);
    return {std::exp(interval->mean), std::exp(interval->low), std::exp(interval->high)};
}

}  // namespace

Result<TrialPlan> plan_fix(const Audit& audit, const Fix& fix, const std::optional<LoaderSite>& loader,
                           const TrialWishes& wishes) {
    TrialPlan plan;
    plan.command = audit.run.command;
    plan.directory = audit.run.directory;
    plan.fix = fix;
    plan.loader = loader;
    if (!audit.steady.step_seconds_median || audit.steady.steps == 0 || audit.loaders.empty()) {
        return too_little("run " + audit.run.id + " has no steps that a trial could be planned from");
    }
    const std::optional<std::uint64_t> batch = audit.loaders.front().batch_size;
    if (plan.fix.batch_size && batch && *batch > 0) {
        plan.samples = static_cast<double>(*plan.fix.batch_size) / static_cast<double>(*batch);
    }
    plan.step_seconds = *audit.steady.step_seconds_median;
    plan.startup_seconds = startup_seconds(audit.ranks.front());
    plan.warm_up = warm_up_of(audit.loaders.front(), plan.fix);
    if (plan.fix.cache_bytes) {
        if (const Result<void> added = add_first_pass(plan, audit); !added) {
            return tl::unexpected<Error>(added.error());
        }
    }
    plan.pairs = wishes.pairs.value_or(usual_pairs);
    const double wanted = std::ceil(wishes.seconds / std::max(plan.step_seconds, 1e-6));
    const auto usual = static_cast<std::uint64_t>(
        std::clamp(wanted, static_cast<double>(fewest_wanted), static_cast<double>(most_wanted)));
    plan.steps = wishes.steps.value_or(usual);
    // Larger batches make fewer steps of the same samples.
    const auto steady =
        static_cast<std::uint64_t>(static_cast<double>(audit.steady.steps) / std::max(1.0, plan.samples));
    if (!audit.stopped && audit.run.outcome == Outcome::finished && steady < plan.warm_up + plan.steps) {
        if (steady < plan.warm_up + fewest_steps) {
            return too_little("run " + audit.run.id + " has " + std::to_string(steady) + " steps after the first" +
                              (plan.samples > 1 ? " with the fix" : "") + ", of which " + std::to_string(plan.warm_up) +
                              " would be warm-up: at least 20 more are needed");
        }
        plan.steps = steady - plan.warm_up;
    }
    const double one = plan.startup_seconds + static_cast<double>(plan.warm_up + plan.steps) * plan.step_seconds;
    plan.seconds = 2 * static_cast<double>(plan.pairs) * one;
    return plan;
}

Result<TrialPlan> plan_trial(const Audit& audit, const TrialWishes& wishes) {
    TrialPlan found;
    for (const std::string& id : wishes.ids) {
        if (Result<void> added = add_finding(found, audit, id); !added) return tl::unexpected<Error>(added.error());
    }
    Result<TrialPlan> plan = plan_fix(audit, found.fix, found.loader, wishes);
    if (plan) plan->findings = std::move(found.findings);
    return plan;
}

Trial begin_trial(const TrialPlan& plan, const TrialOptions& options) {
    Trial trial;
    trial.id = new_id();
    trial.run = options.run;
    trial.started = utc("%Y-%m-%dT%H:%M:%SZ");
    for (const Finding& finding : plan.findings) trial.fixes.push_back(finding.id);
    trial.fix = plan.fix;
    trial.warm_up = plan.warm_up;
    trial.sandbox = options.sandbox;
    const Machine machine = sys::describe_machine();
    trial.host = machine.host;
    trial.cpu = machine.cpu;
    trial.cores_usable = machine.cores_usable;
    return trial;
}

void end_trial(const TrialPlan& plan, Trial& trial) {
    trial.measured = measured_of(trial.pairs, plan.samples);
    if (plan.findings.size() != 1 || !plan.findings.front().gain) return;
    trial.predicted = plan.findings.front().gain->ratio;
    trial.interval_scale = plan.findings.front().interval_scale;
    const double ratio = trial.measured.predicted;
    trial.inside = ratio >= trial.predicted->low && ratio <= trial.predicted->high;
}

Result<Trial> run_trial(const TrialPlan& plan, const TrialOptions& options) {
    const Result<Workplace> workplace = Workplace::make(options.home);
    if (!workplace) return tl::unexpected<Error>(workplace.error());
    Trial trial = begin_trial(plan, options);
    Runner runner(plan, options, workplace->folder());
    for (std::size_t number = 1; number <= plan.pairs; ++number) {
        const Result<TrialPair> pair = run_pair(runner, plan, number % 2 == 0, trial.steps);
        if (!pair) return tl::unexpected<Error>(pair.error());
        trial.pairs.push_back(*pair);
        if (options.pair_done) options.pair_done(number, *pair);
    }
    end_trial(plan, trial);
    return trial;
}

}  // namespace headrace::trial
