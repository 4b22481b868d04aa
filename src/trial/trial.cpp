#include "trial/trial.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <system_error>

#include "replay/predict.h"
#include "stats/student.h"
#include "sys/file.h"
#include "sys/machine.h"
#include "trial/arm.h"
#include "trial/cache_counts.h"
#include "trial/injection.h"
#include "trial/workplace.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t usual_pairs = 5;
constexpr double measured_seconds = 8;  // of each run, unless --steps says otherwise
constexpr std::uint64_t fewest_wanted = 60, most_wanted = 2000;
constexpr std::size_t fewest_steps = 20;  // that are measured in a run, at the least

// A run may take so much longer than is expected of it before it is ended.
constexpr double patience = 10;

tl::unexpected<Error> too_little(std::string sentence) { return fail(ErrorCode::not_enough_data, std::move(sentence)); }

template <class T>
bool merge(std::optional<T>& into, const std::optional<T>& from) {
    if (!from) return true;
    if (into && *into != *from) return false;
    into = from;
    return true;
}

bool merge(Fix& into, const Fix& from) {
    return merge(into.workers, from.workers) && merge(into.threads, from.threads) &&
           merge(into.prefetch_factor, from.prefetch_factor) &&
           merge(into.persistent_workers, from.persistent_workers) && merge(into.batch_size, from.batch_size) &&
           merge(into.precision, from.precision) && merge(into.cache_bytes, from.cache_bytes);
}

bool same(const LoaderSite& x, const LoaderSite& y) {
    return x.file == y.file && x.line == y.line && x.sampler == y.sampler;
}

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
    const bool other_loader = plan.loader && found->loader && !same(*plan.loader, *found->loader);
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

double mean_of(const std::vector<double>& steps, std::size_t begin, std::size_t end) {
    const auto first = steps.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = steps.begin() + static_cast<std::ptrdiff_t>(end);
    return std::accumulate(first, last, 0.0) / static_cast<double>(end - begin);
}

// Intra-op threads that the training had; none where that was not recorded.
std::optional<std::uint64_t> threads_of(const Arm& arm) {
    return arm.loaders.empty() ? std::nullopt : arm.loaders.front().threads;
}

// All runs of one trial.
class Trials {
public:
    Trials(const TrialPlan& plan, const TrialOptions& options, const fs::path& folder)
        : plan_(plan), options_(options), folder_(folder) {}

    // `turned`: the run with the fix comes first, so that a drift of the machine favours neither.
    Result<TrialPair> pair(bool turned);
    std::uint64_t steps() const { return steps_; }

private:
    Result<Arm> arm(bool with);
    Result<void> check(const Arm& arm, bool with) const;
    std::string if_full() const;
    Result<void> check_cache() const;
    fs::path cache_counts() const { return folder_ / "cache"; }
    void note_places(const Arm& arm);

    const TrialPlan& plan_;
    const TrialOptions& options_;
    fs::path folder_;
    std::uint64_t steps_ = 0;  // that were measured in the last pair
    bool noted_ = false;
};

// What the program writes in the sandbox, and what is recorded of it, lies there.
std::string Trials::if_full() const {
    constexpr std::uint64_t little = 1024 * 1024;
    if (sys::has_room(folder_, little)) return "";
    return "; the file system of " + folder_.parent_path().parent_path().string() + " is full";
}

Result<void> Trials::check(const Arm& arm, bool with) const {
    const std::string which = with ? "with the fix" : "without the fix";
    if (arm.step_seconds.size() < plan_.warm_up + fewest_steps) {
        if (arm.whole && arm.end != "with exit code 0") {
            const std::string when = arm.step_seconds.empty()
                                         ? "before it had two steps"
                                         : "after " + std::to_string(arm.step_seconds.size() + 1) + " steps";
            return too_little("the program ended " + arm.end + " " + when + ", " + which +
                              (arm.last_words.empty() ? "" : "; its last words: ") + arm.last_words + if_full());
        }
        return too_little("the program had " + std::to_string(arm.step_seconds.size()) + " steps after the first, " +
                          which + ", of which " + std::to_string(plan_.warm_up) +
                          " are warm-up: at least 20 more are needed" + if_full());
    }
    if (!with) return {};
    if (plan_.fix.precision && !arm.reached.contains("precision")) {
        return too_little(
            "the fix did not reach the program's training: none of its modules was called from Python in training "
            "mode; "
            "run its forward and loss under torch.autocast by hand");
    }
    if (const auto threads = threads_of(arm); plan_.fix.threads && threads && *threads != *plan_.fix.threads) {
        return too_little("the fix did not reach the program's training: it had " + std::to_string(*threads) +
                          " intra-op threads, so change them by hand");
    }
    if (arm.loaders.empty() || !changes_loader(plan_.fix)) return {};
    const Loader& loader = arm.loaders.front();
    const bool reached = plan_.fix.workers.value_or(loader.workers) == loader.workers &&
                         (loader.workers == 0 ||
                          plan_.fix.prefetch_factor.value_or(*loader.prefetch_factor) == *loader.prefetch_factor) &&
                         plan_.fix.batch_size.value_or(*loader.batch_size) == *loader.batch_size &&
                         plan_.fix.persistent_workers.value_or(loader.persistent) == loader.persistent;
    if (reached) return {};
    return too_little(
        "the fix did not reach the program's training loader: it is made elsewhere than in the audited "
        "run, or set up again later; audit the program again, or change it by hand");
}

// Of the run with the fix that has just ended.
Result<void> Trials::check_cache() const {
    std::string why = why_not_in_place(parse_cache_counts(sys::read_whole(cache_counts()).value_or("")));
    std::error_code error;
    fs::remove(cache_counts(), error);
    if (!why.empty()) return too_little(std::move(why));
    return {};
}

void Trials::note_places(const Arm& arm) {
    if (noted_ || !options_.note) return;
    noted_ = true;
    for (const std::string& place : arm.read_only) options_.note(place + " cannot be written to in the sandbox");
}

Result<Arm> Trials::arm(bool with) {
    ArmOptions options;
    options.command = plan_.command;
    options.directory = plan_.directory;
    options.folder = folder_;
    if (with) options.injection = injection_of(plan_.loader ? &*plan_.loader : nullptr, plan_.fix);
    const bool caches = with && plan_.fix.cache_bytes.has_value();
    if (caches) options.injection += injection_line("cache", cache_counts().string());
    options.steps = plan_.warm_up + plan_.steps + 1;  // the first one is none of step_seconds
    options.seconds =
        least_patience + patience * (plan_.startup_seconds + static_cast<double>(options.steps) * plan_.step_seconds);
    options.sandbox = options_.sandbox;
    options.network = options_.network;
    options.stopped = options_.stopped;
    Result<Arm> arm = run_arm(options);
    if (!arm) return arm;
    note_places(*arm);
    if (const Result<void> good = check(*arm, with); !good) return tl::unexpected<Error>(good.error());
    if (const Result<void> good = caches ? check_cache() : Result<void>(); !good) {
        return tl::unexpected<Error>(good.error());
    }
    return arm;
}

Result<TrialPair> Trials::pair(bool turned) {
    const Result<Arm> first = arm(turned);
    if (!first) return tl::unexpected<Error>(first.error());
    const Result<Arm> second = arm(!turned);
    if (!second) return tl::unexpected<Error>(second.error());
    const std::size_t begin = plan_.warm_up;
    const std::size_t end =
        std::min({first->step_seconds.size(), second->step_seconds.size(), begin + std::size_t{plan_.steps}});
    steps_ = end - begin;
    const double one = mean_of(first->step_seconds, begin, end), other = mean_of(second->step_seconds, begin, end);
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

Result<TrialPlan> plan_trial(const Audit& audit, const TrialWishes& wishes) {
    TrialPlan plan;
    plan.command = audit.run.command;
    plan.directory = audit.run.directory;
    for (const std::string& id : wishes.ids) {
        if (Result<void> added = add_finding(plan, audit, id); !added) return tl::unexpected<Error>(added.error());
    }
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
    const double wanted = std::ceil(measured_seconds / std::max(plan.step_seconds, 1e-6));
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

Result<Trial> run_trial(const TrialPlan& plan, const TrialOptions& options) {
    const Result<Workplace> workplace = Workplace::make(options.home);
    if (!workplace) return tl::unexpected<Error>(workplace.error());
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
    Trials trials(plan, options, workplace->folder());
    for (std::size_t number = 1; number <= plan.pairs; ++number) {
        const Result<TrialPair> pair = trials.pair(number % 2 == 0);
        if (!pair) return tl::unexpected<Error>(pair.error());
        trial.pairs.push_back(*pair);
        trial.steps = trials.steps();
        if (options.pair_done) options.pair_done(number, *pair);
    }
    trial.measured = measured_of(trial.pairs, plan.samples);
    if (plan.findings.size() == 1 && plan.findings.front().gain) {
        trial.predicted = plan.findings.front().gain->ratio;
        trial.interval_scale = plan.findings.front().interval_scale;
        const double ratio = trial.measured.predicted;
        trial.inside = ratio >= trial.predicted->low && ratio <= trial.predicted->high;
    }
    return trial;
}

}  // namespace headrace::trial
