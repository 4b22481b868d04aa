#include "audit/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "audit/ceilings.h"
#include "audit/contention.h"
#include "audit/contents.h"
#include "audit/diff.h"
#include "audit/library.h"
#include "audit/loader_config.h"
#include "audit/loop.h"
#include "audit/starts.h"
#include "audit/step_advice.h"
#include "audit/transport.h"
#include "evaluate/sample.h"
#include "input/collation.h"
#include "input/first_start.h"
#include "input/pinning.h"
#include "input/reading.h"
#include "input/restarts.h"
#include "input/workers.h"
#include "prep/cache.h"
#include "prep/startup.h"
#include "replay/predict.h"

namespace headrace::audit {
namespace {

constexpr double supposed_crowding = 0.9;  // where a run without workers does not tell
constexpr std::size_t fewest_steps = 20;   // that are steady, to compare with a replay

std::string sentence(const std::string& why) { return "Nothing is predicted: " + why + "."; }

// What the replay got wrong, in words.
std::string unlike(const replay::Reproduction& reproduction) {
    const bool mean = std::abs(reproduction.mean_error) > replay::most_mean_error;
    const double error = mean ? reproduction.mean_error : reproduction.p95_error;
    return fmt::format(
        "its replay does not reproduce the recorded loop: the {} comes out {:.0f} % {} than it was ({:.0f} % are "
        "allowed); other programs that use the machine can do that",
        mean ? "mean step" : "95th percentile of the steps", 100 * std::abs(error), error < 0 ? "shorter" : "longer",
        100 * (mean ? replay::most_mean_error : replay::most_p95_error));
}

// Fits what crowded cores lose, and looks whether the replay is near enough then.
Prediction check(RecordedLoop& recorded) {
    Prediction prediction;
    std::optional<replay::Reproduction> reproduction =
        replay::reproduce(recorded.loop, recorded.measured, fewest_steps);
    if (!reproduction) {
        prediction.reason = sentence("fewer than 20 steps were recorded after the loader's queues were full");
        return prediction;
    }
    const bool alone = recorded.loop.configuration.alone();
    const double crowding =
        alone ? supposed_crowding : replay::crowding(recorded.loop, recorded.measured, *reproduction);
    if (crowding < 1) {
        recorded.loop.cores = recorded.loop.cores.crowded(crowding);
        reproduction = replay::reproduce(recorded.loop, recorded.measured, fewest_steps);
    }
    prediction.mean_error = reproduction->mean_error;
    prediction.p95_error = reproduction->p95_error;
    prediction.crowded_cores = alone ? 1 : crowding;
    prediction.valid = replay::holds(*reproduction);
    if (!prediction.valid) prediction.reason = sentence(unlike(*reproduction));
    return prediction;
}

double share_of_waits(const RecordedLoop& recorded, double whole) {
    return whole > 0 ? std::clamp(1 - steps_alone(recorded.loop) / whole, 0.0, 1.0) : 0;
}

// What ran beside the steps of the probe: the workers of the loader, or one of it where it has none.
Beside beside_of(const Audit& audit) {
    const PerSample& sample = audit.per_sample;
    const double workers =
        std::max(1.0, audit.loaders.empty() ? 1.0 : static_cast<double>(audit.loaders.front().workers));
    const double cpu = sample.cpu_seconds.value_or(0), blocked = sample.blocked_seconds.value_or(0);
    const double busy = cpu + blocked > 0 ? cpu / (cpu + blocked) : 1;
    return {workers * busy, std::max(1.0, audit.run.machine.cores_usable)};
}

// Of all passes but the first, the steps with their waits.
double later_seconds(const RecordedLoop& recorded) {
    const std::vector<std::size_t>& passes = recorded.loop.later_passes;
    if (passes.empty()) return 0;
    const auto begin = recorded.measured.begin() + static_cast<std::ptrdiff_t>(passes.front());
    return std::accumulate(begin, recorded.measured.end(), 0.0);
}

prep::SampleUse sample_use(const Contents& contents, const RecordedLoop& recorded, const Audit& audit) {
    double all = 0, later = 0, pass = 0, largest_pass = 0;
    const std::vector<std::size_t>& passes = recorded.loop.later_passes;
    for (std::size_t i = 0; i < recorded.samples.size(); ++i) {
        if (std::binary_search(passes.begin(), passes.end(), i)) pass = 0;
        pass += recorded.samples[i].samples;
        largest_pass = std::max(largest_pass, pass);
        all += recorded.samples[i].samples;
        if (!passes.empty() && i >= passes.front()) later += recorded.samples[i].samples;
    }
    const double looks = std::max(1.0, static_cast<double>(contents.looks));
    // Passes over the same samples have as many as one of them; others are known by the part that was hashed.
    const double distinct =
        contents.seen_before >= 1 ? largest_pass : all * static_cast<double>(contents.distinct) / looks;
    const auto memory = static_cast<double>(audit.run.machine.memory_bytes);
    const auto peak = static_cast<double>(audit.host_peak_bytes.value_or(0));
    double blocked = 0, cpu = 0;
    for (const replay::BatchCost& batch : recorded.loop.batches) blocked += batch.blocked;
    for (const SampleCost& samples : recorded.samples) cpu += samples.cpu;
    return {.passes = contents.passes,
            .compared = contents.compared,
            .differing = contents.differing,
            .unknown = contents.unknown,
            .bytes = contents.bytes,
            .distinct = distinct,
            .seen_before = contents.seen_before,
            .cpu_seconds = all > 0 ? cpu / all : 0,
            .blocked_seconds = all > 0 ? blocked / all : 0,
            .later_samples = later,
            .later_seconds = later_seconds(recorded),
            .run_seconds = audit.wall_seconds,
            .free_memory_bytes = peak > 0 ? std::max(0.0, memory - peak) : 0};
}

std::optional<Finding> cache_finding(const Contents& contents, const RecordedLoop& recorded, const Audit& audit) {
    if (contents.looks == 0) return std::nullopt;
    if (recorded.loop.configuration.ranks > 1) return std::nullopt;  // which samples are a rank's differs by the epoch
    const prep::SampleUse use = sample_use(contents, recorded, audit);
    std::vector<prep::BatchSamples> made;
    for (const SampleCost& samples : recorded.samples) made.push_back({samples.cpu, samples.samples});
    const double error =
        replay::model_error(recorded.loop, prep::with_cache(recorded.loop, made, use), audit.probe.has_value());
    std::optional<Finding> finding = prep::advise_cache(recorded.loop, made, use, error);
    if (finding && finding->fix.cache_bytes) finding->loader = audit.loaders.front().made;
    return finding;
}

void add(Audit& audit, std::optional<Finding> finding) {
    if (finding) audit.findings.push_back(std::move(*finding));
}

// What samples and batches cost, with the replay of a loop that costs less.
void add_costs(const RecordedLoop& recorded, const input::LoopUse& use, Audit& audit) {
    const PerSample& sample = audit.per_sample;
    const input::SampleCosts costs{sample.wall_seconds.value_or(0), sample.cpu_seconds.value_or(0),
                                   sample.blocked_seconds.value_or(0), sample.bytes_requested.value_or(0)};
    const Probe* probe = audit.probe ? &*audit.probe : nullptr;
    const double batches = static_cast<double>(recorded.loop.batches.size());
    add(audit, input::advise_small_files(use, costs, probe != nullptr && probe->files ? &*probe->files : nullptr));
    if (probe != nullptr && probe->decoding) {
        add(audit, input::advise_decode_size(use, costs, *probe->decoding, recorded.fetched.samples / batches));
    }
    const Loader& loader = audit.loaders.front();
    if (collates_by_default(loader) || !is_own(loader.collate, audit.run)) return;
    const double collate = recorded.fetched.collate / batches;
    add(audit, input::advise_collation({use, loader.collate, collate, collate + recorded.fetched.cpu / batches}));
}

// What the replay says; needs a run that it reproduces.
void add_replayed(const Recording& recording, const Trainer& trainer, const RankGroup& group,
                  const LoaderStarts& starts, const UserFiles& files, Audit& audit) {
    // Each rank of several is probed beside the others, who may be under other conditions: no figure of their steps.
    const std::optional<Probe> probe = group.ranks > 1 ? std::nullopt : audit.probe;
    const Beside beside = beside_of(audit);
    LoopContext context{.group = group};
    if (probe) context.contention = contention_of(*probe, beside);
    if (const ProbeCase* own = probe ? own_case(*probe) : nullptr) context.whole_step = own->median;
    Result<RecordedLoop> recorded = recorded_loop(recording, trainer, context);
    if (!recorded) {
        audit.prediction.reason = sentence(recorded.error().message);
        return;
    }
    const Loader& loader = audit.loaders.front();
    audit.prediction = check(*recorded);
    add_ceilings(*recorded, audit);
    if (!audit.prediction.valid) return;
    const double whole = std::accumulate(recorded->measured.begin(), recorded->measured.end(), 0.0);
    const std::vector<replay::ThreadPoint> threads =
        probe ? thread_points(*probe, beside) : std::vector<replay::ThreadPoint>();
    const bool hashed = recording.kinds[static_cast<std::size_t>(Kind::content)] > 0;
    const Contents contents = hashed ? contents_of(recording, trainer) : Contents();
    const std::string& config = trainer.loaders[*trainer.passes[recorded->pass].used].config;
    const input::LoaderUse use{
        .recorded = recorded->loop,
        .transport = transport_of(*recorded, contents, audit.run.machine, probe ? &*probe : nullptr),
        .loop_seconds = whole,
        .wait_share = share_of_waits(*recorded, whole),
        .persistent = loader.persistent,
        .passes = recorded->loop.later_passes.size() + 1,
        .made_anew = starts.training.made_anew,
        .threads = threads,
        .contention_measured = probe.has_value(),
        .divides_itself = is_iterable(config)};
    if (std::optional<Finding> finding = input::advise_workers(use)) {
        if (finding->area == Area::input) finding->loader = loader.made;
        audit.findings.push_back(std::move(*finding));
    }
    add_costs(*recorded, {recorded->loop, whole}, audit);
    if (probe) add_probed(recording, use, *probe, audit);
    add(audit, cache_finding(contents, *recorded, audit));
    add_cores(recorded->loop, threads, files, audit);
}

// What the recording itself says, without a replay.
void add_recorded(const Trainer& trainer, const LoaderStarts& starts, Audit& audit) {
    std::vector<double> evaluations;
    for (const Range& range : trainer.evaluations) {
        evaluations.push_back(static_cast<double>(range.end - range.begin) * 1e-9);
    }
    add(audit, evaluate::advise_sample({evaluations, starts.evaluation_rows, audit.wall_seconds}));
    if (!audit.loaders.empty()) {
        const Loader& loader = audit.loaders.front();
        const Pickled* dataset = audit.probe && audit.probe->dataset ? &*audit.probe->dataset : nullptr;
        add(audit, input::advise_first_start(
                       {starts.first, audit.wall_seconds, loader.workers, loader.method.value_or(""), dataset}));
        const Ledger& ledger = audit.ranks.front();
        add(audit, input::advise_pinning({ledger.seconds[static_cast<std::size_t>(Entry::transfer)],
                                          ledger.wall_seconds, loader.pin_memory}));
    }
    add(audit,
        input::advise_persistent({starts.evaluation.seconds, audit.wall_seconds, true, starts.evaluation.made_anew}));
    const bool told = std::any_of(audit.findings.begin(), audit.findings.end(), [](const Finding& finding) {
        return finding.area == Area::input && finding.fix.persistent_workers;
    });
    if (told) return;  // as a part of more
    add(audit,
        input::advise_persistent({starts.training.seconds, audit.wall_seconds, false, starts.training.made_anew}));
}

double least_saved(const Finding& finding) {
    return finding.gain ? finding.gain->seconds_per_run.low : -std::numeric_limits<double>::infinity();
}

void rank(std::vector<Finding>& findings) {
    std::stable_sort(findings.begin(), findings.end(),
                     [](const Finding& x, const Finding& y) { return least_saved(x) > least_saved(y); });
}

}  // namespace

void add_advice(const Recording& recording, const std::vector<Trainer>& trainers, const RankGroup& group,
                const UserFiles& files, Audit& audit) {
    const Trainer& first = trainers.front();
    const LoaderStarts starts = first.trained ? loader_starts(recording, first) : LoaderStarts();
    if (trainers.size() > group.ranks && first.world <= trainers.size()) {
        audit.prediction.reason = sentence("several programs that train are not predicted");
    } else {
        add_replayed(recording, first, group, starts, files, audit);
    }
    if (first.trained) {
        if (audit.ceilings.empty()) add_ceilings(audit, first.world);
        add_recorded(first, starts, audit);
        add_threads(recording, trainers, audit);
        add_accelerator(recording, audit);
    }
    add_slo(audit);
    for (Finding& finding : audit.findings) finding.diff = diff_of(finding, audit.run);
    rank(audit.findings);
}

void add_repeated(const std::vector<Probe>& earlier, Audit& audit) {
    if (!audit.probe || !audit.probe->startup) return;
    const StartupInputs& inputs = *audit.probe->startup;
    std::vector<double> seconds;
    for (const Probe& one : earlier) {
        if (one.startup && one.startup->digest == inputs.digest) seconds.push_back(one.startup->seconds);
    }
    add(audit, prep::advise_startup({inputs, audit.wall_seconds, std::move(seconds)}));
    rank(audit.findings);
}

}  // namespace headrace::audit
