#include "audit/analyze.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "audit/advice.h"
#include "audit/batches.h"
#include "audit/limits.h"
#include "audit/loader_config.h"
#include "audit/outside.h"
#include "audit/ranks.h"
#include "audit/steps.h"
#include "audit/timeline.h"
#include "audit/training.h"
#include "audit/user_files.h"
#include "headrace/audit.h"
#include "stats/quantile.h"

namespace headrace {
namespace {

using audit::Kind;
using audit::Recording;
using audit::Segment;
using audit::Trainer;

double seconds(Nanoseconds t) { return static_cast<double>(t) * 1e-9; }

std::string command_of(const Run& run, std::uint32_t pid) {
    const auto process = std::find_if(run.processes.begin(), run.processes.end(),
                                      [pid](const ProcessRecord& record) { return record.pid == pid; });
    return process != run.processes.end() ? process->command : "";
}

// What one walk over the time of a trainer gives.
struct Walked {
    Ledger ledger;
    std::vector<Nanoseconds> step_times;
    audit::Throughput batches;
    Nanoseconds evaluated = 0;  // end of its last evaluation
};

Walked walk(const Recording& recording, const Trainer& trainer, const std::vector<audit::RankWait>& rank_waits) {
    Walked walked;
    Ledger& ledger = walked.ledger;
    ledger.rank = trainer.rank;
    ledger.pid = trainer.life.pid;
    ledger.host = recording.run.info.machine.host;
    ledger.command = command_of(recording.run, trainer.life.pid);
    ledger.wall_seconds = seconds(trainer.window.end - trainer.window.begin);
    std::array<Nanoseconds, entry_count> entries{};
    audit::SyncCut sync(rank_waits);
    audit::StepTimes steps(trainer.steps);
    audit::WaitDivision waits(recording, trainer);
    const auto take = [&](const Segment& segment) {
        entries[static_cast<std::size_t>(segment.entry)] += segment.end - segment.begin;
        if (segment.entry == Entry::input_wait) {
            waits.divide(segment, ledger.wait_seconds);
        }
        steps.take_out(segment);
        if (segment.entry == Entry::evaluation) walked.evaluated = segment.end;
    };
    audit::paint(recording, trainer, [&](const Segment& segment) { sync.cut(segment, take); });
    std::transform(entries.begin(), entries.end(), ledger.seconds.begin(), seconds);
    for (double& stage : ledger.wait_seconds) {
        stage *= 1e-9;
    }
    walked.step_times = steps.times();
    walked.batches = waits.count();
    return walked;
}

// The loaders of a trainer and of the threads that load for it, each once, training ones first.
std::vector<Loader> loaders_of(const Trainer& trainer) {
    std::vector<audit::UsedLoader> used = trainer.loaders;
    std::set<std::pair<std::uint64_t, std::string>> known;
    for (const audit::UsedLoader& loader : used) {
        known.emplace(loader.address, loader.config);
    }
    for (const Trainer& background : trainer.background) {
        for (audit::UsedLoader loader : background.loaders) {
            if (known.emplace(loader.address, loader.config).second) {
                loader.training = trainer.trained;
                used.push_back(std::move(loader));
            }
        }
    }
    std::stable_sort(used.begin(), used.end(), [](const auto& x, const auto& y) { return x.training && !y.training; });
    std::vector<Loader> loaders(used.size());
    std::transform(used.begin(), used.end(), loaders.begin(),
                   [](const audit::UsedLoader& loader) { return audit::loader_of(loader.config, loader.training); });
    return loaders;
}

// Until the second of the passes that were asked for a batch began.
std::optional<std::uint64_t> steps_of_first_pass(const Trainer& trainer) {
    std::vector<Nanoseconds> begins;
    for (const audit::Pass& pass : trainer.passes) {
        if (pass.training && !pass.waits.empty()) begins.push_back(pass.waits.front());
    }
    if (begins.size() < 2) return std::nullopt;
    std::nth_element(begins.begin(), begins.begin() + 1, begins.end());
    return static_cast<std::uint64_t>(std::upper_bound(trainer.steps.begin(), trainer.steps.end(), begins[1]) -
                                      trainer.steps.begin());
}

// The mean of the steps by the mean of the middle one of up to 20 parts of them; none where there are too few. A part
// has ten steps or more, so that a loop that waits for every fourth batch does so in each of them.
std::optional<double> mean_by_typical(const std::vector<double>& steps) {
    constexpr std::size_t most_parts = 20, fewest_parts = 5, fewest_steps = 10;
    const std::size_t parts = std::min(most_parts, steps.size() / fewest_steps);
    if (parts < fewest_parts) return std::nullopt;
    std::vector<double> means;
    for (std::size_t part = 0; part < parts; ++part) {
        const std::size_t begin = part * steps.size() / parts, end = (part + 1) * steps.size() / parts;
        means.push_back(*stats::mean(std::span(steps).subspan(begin, end - begin)));
    }
    const double typical = *stats::median(means);
    return typical > 0 ? std::optional(*stats::mean(steps) / typical) : std::nullopt;
}

Steady make_steady(const Trainer& trainer, const Walked& walked, const std::vector<Loader>& loaders) {
    Steady steady;
    if (!loaders.empty() && loaders.front().training) {
        steady.batch_size = loaders.front().batch_size;
    }
    if (trainer.steps.empty()) {
        return steady;
    }
    std::vector<double> steps(walked.step_times.size());
    std::transform(walked.step_times.begin(), walked.step_times.end(), steps.begin(), seconds);
    steady.steps = steps.size();
    steady.pass_steps = steps_of_first_pass(trainer);
    steady.step_seconds_median = stats::median(steps);
    steady.step_seconds_p95 = stats::quantile(steps, 0.95);
    const double total = seconds(std::accumulate(walked.step_times.begin(), walked.step_times.end(), Nanoseconds{0}));
    // A batch that was used again, as with itertools.cycle, is not seen.
    const audit::Throughput& seen = walked.batches;
    if (seen.all.batches < trainer.steps.size()) {
        return steady;
    }
    // A loop that asks ahead (accelerate, a thread that loads) had batches of later steps before the first one's end.
    const bool ahead = seen.later.batches < steps.size();
    const audit::BatchSum& sum = ahead ? seen.all : seen.later;
    const double of_them = ahead ? static_cast<double>(steps.size()) / static_cast<double>(trainer.steps.size()) : 1.0;
    if (total > 0 && sum.samples > 0 && sum.unknown == 0) {
        steady.samples_per_second = of_them * sum.samples / total;
        if (const std::optional<double> slower = mean_by_typical(steps)) {
            steady.typical_samples_per_second = *steady.samples_per_second * *slower;
        }
    }
    if (total > 0 && sum.tokens > 0) {
        steady.tokens_per_second = of_them * sum.tokens / total;
    }
    return steady;
}

PerSample make_per_sample(const audit::Fetch& sum) {
    PerSample mean;
    if (sum.samples == 0) {
        return mean;
    }
    const auto n = static_cast<double>(sum.samples);
    mean.wall_seconds = sum.sample_wall / n * 1e-9;
    mean.cpu_seconds = sum.sample_cpu / n * 1e-9;
    mean.run_queue_seconds = sum.run_queue / n * 1e-9;
    mean.blocked_seconds = std::max(0.0, sum.sample_wall - sum.sample_cpu - sum.run_queue) / n * 1e-9;
    mean.bytes_requested = sum.requested / n;
    mean.bytes_from_storage = sum.from_storage / n;
    return mean;
}

bool is_input(const HotLine& line) {
    const auto k = static_cast<Kind>(line.context);
    return k == Kind::fetch || k == Kind::collate;
}

std::vector<HotLineShare> hot_lines(const Run& run, bool input) {
    std::uint64_t total = 0;
    for (const HotLine& line : run.hot_lines) {
        total += is_input(line) == input ? line.count : 0;
    }
    std::vector<HotLineShare> lines;
    for (const HotLine& line : run.hot_lines) {
        if (is_input(line) != input || total == 0) {
            continue;
        }
        const double share = static_cast<double>(line.count) / static_cast<double>(total);
        const auto same = std::find_if(lines.begin(), lines.end(), [&](const HotLineShare& known) {
            return known.file == line.file && known.line == line.line && known.function == line.function;
        });
        if (same != lines.end()) {  // the same line, seen in fetch and in collate
            same->share += share;
        } else {
            lines.push_back({line.file, line.line, line.function, share});
        }
    }
    std::stable_sort(lines.begin(), lines.end(),
                     [](const HotLineShare& x, const HotLineShare& y) { return x.share > y.share; });
    lines.resize(std::min<std::size_t>(lines.size(), 20));
    return lines;
}

Overhead make_overhead(const Run& run, const Trainer& trainer) {
    Overhead overhead;
    for (const ThreadRecord& thread : run.threads) {
        overhead.hooks_disabled += thread.disabled;
    }
    if (!trainer.thread) {
        return overhead;
    }
    constexpr double typical_call_ns = 100;  // where the program ended before it could be measured
    const ThreadRecord& thread = run.threads[*trainer.thread];
    const double call = thread.call_cost > 0 ? static_cast<double>(thread.call_cost) : typical_call_ns;
    const double hooks = static_cast<double>(thread.self) + call * static_cast<double>(thread.hooks);
    overhead.seconds = (hooks + static_cast<double>(trainer.shim_cost)) * 1e-9;
    const double wall = seconds(trainer.window.end - trainer.window.begin);
    overhead.share = wall > 0 ? std::min(1.0, overhead.seconds / wall) : 0;
    if (!trainer.steps.empty()) {
        overhead.per_step_seconds = hooks * 1e-9 / static_cast<double>(trainer.steps.size());
    }
    return overhead;
}

std::uint64_t count_processes(const Run& run) {
    std::set<std::uint32_t> pids;
    for (const ThreadRecord& thread : run.threads) {
        pids.insert(thread.pid);
    }
    for (const ProcessRecord& process : run.processes) {
        pids.insert(process.pid);
    }
    return pids.size() + run.info.unlisted_processes;
}

// Gives the batches of all ranks.
audit::Throughput add_ranks(const Recording& recording, const std::vector<std::vector<audit::RankWait>>& rank_waits,
                            audit::Analysis& analysis) {
    const std::vector<Trainer>& trainers = analysis.trainers;
    audit::Throughput batches;
    Nanoseconds evaluated = 0, stepped = 0;
    for (std::size_t rank = 0; rank < trainers.size(); ++rank) {
        Walked walked = walk(recording, trainers[rank], rank_waits[rank]);
        evaluated = std::max(evaluated, walked.evaluated);
        if (!trainers[rank].steps.empty()) stepped = std::max(stepped, trainers[rank].steps.back());
        analysis.audit.result_unseen = analysis.audit.result_unseen || trainers[rank].lost.has_value();
        analysis.audit.ranks.push_back(std::move(walked.ledger));
        batches += walked.batches;
        if (rank == 0) {
            analysis.audit.steady = make_steady(trainers.front(), walked, analysis.audit.loaders);
            analysis.step_times = std::move(walked.step_times);
        }
    }
    if (evaluated > stepped) {
        analysis.audit.result_seconds = std::max(0.0, seconds(evaluated - recording.run.info.started_ns));
    }
    if (audit::hardly_recorded(batches)) {
        for (Ledger& ledger : analysis.audit.ranks) ledger.wait_seconds.fill(0);
    }
    analysis.audit.per_sample = make_per_sample(batches.fetched.samples > 0 ? batches.fetched : recording.fetched);
    return batches;
}

}  // namespace

void audit::add_outside_view(const Run& run, Audit& audit) {
    audit.run = run.info;
    audit.input_lines = hot_lines(run, true);
    audit.loop_lines = hot_lines(run, false);
    audit.host_peak_bytes =
        run.info.host_peak_bytes > 0 ? std::optional<std::int64_t>(run.info.host_peak_bytes) : std::nullopt;
    audit.outside = audit::outside_view(run);
    audit.next = "headrace report " + run.info.id;
}

audit::Analysis audit::analyze(const Recording& recording, const Probe* probe) {
    const Run& run = recording.run;
    Analysis analysis;
    analysis.trainers = find_trainers(recording);
    const Trainer& first = analysis.trainers.front();
    Audit& audit = analysis.audit;
    add_outside_view(run, audit);
    if (audit.outside) {
        audit.outside->marked = first.marked;
    }
    const Nanoseconds wall = run.info.ended_ns.value_or(first.window.end) - run.info.started_ns;
    audit.wall_seconds = seconds(std::max<Nanoseconds>(0, wall));
    audit.processes = count_processes(run);
    audit.trained = first.trained;
    audit.stopped = recording.stopped.has_value();
    audit.result_unseen = audit.stopped;
    audit.loaders = loaders_of(first);
    const bool one_group = are_one_group(analysis.trainers);
    std::vector<std::vector<audit::RankWait>> rank_waits(analysis.trainers.size());
    if (one_group) rank_waits = audit::waits_for_ranks(recording, analysis.trainers);
    const audit::Throughput batches = add_ranks(recording, rank_waits, analysis);
    audit.device_peak_bytes = recording.device_peak;
    audit.overhead = make_overhead(run, first);
    audit.framework = recording.framework;
    if (probe != nullptr) audit.probe = *probe;
    const audit::UserFiles files = audit::read_user_files(run.info);
    audit.slo = files.slo;
    audit.cost = audit::cost_of(files, audit);
    const audit::RankGroup group{one_group ? analysis.trainers.size() : 1, std::move(rank_waits.front())};
    audit::add_advice(recording, analysis.trainers, group, files, audit);
    audit.limits = audit::limits_of(recording, analysis.trainers, one_group, audit.outside);
    audit::add_unrecorded(batches, audit.limits);
    if (audit.prediction.valid && recording.uses_device()) {
        audit.limits.emplace_back(
            "Predictions for an accelerator were tried on recordings made by hand, not on a device: try a fix first.");
    }
    audit.limits.insert(audit.limits.end(), files.limits.begin(), files.limits.end());
    return analysis;
}

Audit analyze(const Run& run) {
    const run::SpansInMemory spans(run);
    return audit::analyze(audit::Recording(run, spans)).audit;
}

}  // namespace headrace
