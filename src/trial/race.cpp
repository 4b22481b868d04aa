#include "trial/race.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sys/process.h"

namespace headrace::trial {

// A setting with all that was measured of it.
struct Race::Entry {
    Entry(Candidate wanted, TrialPlan planned, const TrialOptions& options, const std::filesystem::path& folder)
        : candidate(std::move(wanted)), plan(std::move(planned)), runner(plan, options, folder) {}

    Candidate candidate;
    TrialPlan plan;
    Runner runner;
    std::map<std::size_t, double> step_seconds;  // by round
    std::string failure;
};

namespace {

double seconds_now() { return static_cast<double>(sys::monotonic_now()) * 1e-9; }

}  // namespace

Race::Race(const Audit& audit, RaceOptions options, std::filesystem::path folder)
    : audit_(audit),
      options_(std::move(options)),
      stopped_by_user_(options_.trial.stopped),
      folder_(std::move(folder)),
      begun_(seconds_now()) {
    options_.trial.stopped = [this] { return stopped_by_user() || is_over(); };  // a run that hangs ends with the time
}

Race::~Race() = default;

Result<std::size_t> Race::enter(const Candidate& candidate) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (same_setting(entries_[i]->candidate.fix, candidate.fix)) return i;
    }
    const std::optional<LoaderSite> site = audit_.loaders.empty() ? std::nullopt : audit_.loaders.front().made;
    const bool of_loader = changes_loader(candidate.fix) || candidate.fix.cache_bytes;
    TrialWishes wishes;
    wishes.seconds = options_.run_seconds;
    Result<TrialPlan> plan = plan_fix(audit_, candidate.fix, of_loader ? site : std::nullopt, wishes);
    if (!plan) return tl::unexpected<Error>(plan.error());
    if (candidate.finding) plan->findings = {*candidate.finding};
    entries_.push_back(std::make_unique<Entry>(candidate, std::move(*plan), options_.trial, folder_));
    return entries_.size() - 1;
}

const Candidate& Race::candidate(std::size_t number) const { return entries_[number]->candidate; }

bool Race::is_over() const { return seconds_now() - begun_ > options_.seconds; }

bool Race::stopped_by_user() const { return stopped_by_user_ && stopped_by_user_(); }

bool Race::has_time(std::size_t runs) const {
    return seconds_now() - begun_ + static_cast<double>(runs) * longest_run_ <= options_.seconds;
}

Result<void> Race::round(const std::vector<std::size_t>& numbers) {
    ++rounds_;
    std::vector<std::size_t> order = numbers;
    if (rounds_ % 2 == 0) std::ranges::reverse(order);  // a machine that becomes slower favours none
    for (const std::size_t number : order) {
        Entry& entry = *entries_[number];
        if (!entry.failure.empty() || !has_time(1)) continue;
        const double begin = seconds_now();
        const Result<Arm> arm = entry.runner.arm(!same_setting(entry.candidate.fix, {}));
        longest_run_ = std::max(longest_run_, seconds_now() - begin);
        if (arm) {
            entry.step_seconds[rounds_] = mean_step(*arm, entry.plan.warm_up, entry.plan.steps);
            if (options_.measured) {
                options_.measured(entry.candidate, candidate(numbers.front()), ratio(number, numbers.front()));
            }
        } else if (arm.error().code == ErrorCode::not_enough_data && number != 0) {
            entry.failure = arm.error().message;
        } else if (arm.error().code == ErrorCode::interrupted && !stopped_by_user()) {
            return {};  // the time was over in the middle of it
        } else {
            return tl::unexpected<Error>(arm.error());
        }
    }
    return {};
}

std::size_t Race::runs(std::size_t number) const { return entries_[number]->step_seconds.size(); }

bool Race::failed(std::size_t number) const { return !entries_[number]->failure.empty(); }

std::size_t Race::common_rounds(std::size_t one, std::size_t other) const {
    const auto& rounds = entries_[other]->step_seconds;
    return static_cast<std::size_t>(std::ranges::count_if(
        entries_[one]->step_seconds, [&](const auto& measured) { return rounds.contains(measured.first); }));
}

std::optional<double> Race::ratio(std::size_t one, std::size_t other) const {
    const Entry &with = *entries_[one], &without = *entries_[other];
    double sum = 0, count = 0;
    for (const auto& [round, seconds] : with.step_seconds) {
        const auto beside = without.step_seconds.find(round);
        if (beside == without.step_seconds.end()) continue;
        sum += std::log(beside->second / seconds * with.plan.samples / without.plan.samples);
        ++count;
    }
    return count > 0 ? std::optional(std::exp(sum / count)) : std::nullopt;
}

std::optional<Trial> Race::trial(std::size_t one, std::size_t other) const {
    const Entry &with = *entries_[one], &without = *entries_[other];
    TrialPlan plan = with.plan;
    plan.samples = with.plan.samples / without.plan.samples;
    if (other != 0) plan.findings.clear();  // nothing was predicted of it on top of another setting
    Trial trial = begin_trial(plan, options_.trial);
    trial.steps = with.plan.steps;
    for (const auto& [round, seconds] : with.step_seconds) {
        const auto beside = without.step_seconds.find(round);
        if (beside != without.step_seconds.end()) trial.pairs.push_back({beside->second, seconds});
    }
    if (trial.pairs.size() < 2) return std::nullopt;
    end_trial(plan, trial);
    trial.fixes = {with.candidate.id};
    return trial;
}

}  // namespace headrace::trial
