#include "audit/advice.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "audit/contention.h"
#include "audit/loop.h"
#include "audit/probing.h"
#include "audit/starts.h"
#include "evaluate/sample.h"
#include "input/restarts.h"
#include "input/workers.h"
#include "replay/predict.h"

namespace headrace::audit {
namespace {

constexpr std::size_t fewest_steps = 20;  // that are steady, to compare with a replay

std::string sentence(const std::string& why) { return "Nothing is predicted: " + why + "."; }

// Seconds of all steps without their waits, nothing else busy.
double steps_alone(const replay::Loop& loop) {
    double sum = 0;
    for (const replay::StepCost& step : loop.steps) sum += step.cpu + step.blocked;
    return sum;
}

// Samples a second of what takes so many seconds for all samples of the run, on so many cores.
void add_ceiling(Audit& audit, const char* name, double samples, double seconds, double cores) {
    if (samples > 0 && seconds > 0) audit.ceilings.push_back({name, cores * samples / seconds, Basis::derived});
}

void add_ceilings(const RecordedLoop& recorded, Audit& audit) {
    const replay::Loop& loop = recorded.loop;
    const double samples = recorded.fetched.samples, cores = loop.cores.count();
    double receive = 0;
    for (const replay::BatchCost& batch : loop.batches) receive += batch.receive;
    add_ceiling(audit, "worker_cpu", samples, recorded.fetched.cpu, cores);
    add_ceiling(audit, "collate", samples, recorded.fetched.collate, cores);
    add_ceiling(audit, "transport", samples, receive, 1);
    const ProbeCase* alone = audit.probe ? find_case(*audit.probe, false, audit.probe->threads) : nullptr;
    if (alone != nullptr) {
        const auto batch = static_cast<double>(audit.probe->batch_size);
        audit.ceilings.push_back({"compute", batch / alone->median, Basis::measured});
    } else {
        add_ceiling(audit, "compute", samples, steps_alone(loop), 1);
    }
    std::stable_sort(audit.ceilings.begin(), audit.ceilings.end(),
                     [](const Ceiling& x, const Ceiling& y) { return x.samples_per_second < y.samples_per_second; });
}

Prediction check(const RecordedLoop& recorded) {
    Prediction prediction;
    const std::optional<replay::Reproduction> reproduction =
        replay::reproduce(recorded.loop, recorded.measured, fewest_steps);
    if (!reproduction) {
        prediction.reason = sentence("fewer than 20 steps were recorded after the loader's queues were full");
        return prediction;
    }
    prediction.mean_error = reproduction->mean_error;
    prediction.p95_error = reproduction->p95_error;
    prediction.valid = replay::holds(*reproduction);
    if (!prediction.valid) prediction.reason = sentence("the replay does not reproduce the steps as they were");
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

// What the replay says; needs a run that it reproduces.
void add_replayed(const Recording& recording, const Trainer& trainer, const LoaderStarts& starts, Audit& audit) {
    const std::optional<Probe>& probe = audit.probe;
    const Beside beside = beside_of(audit);
    Result<RecordedLoop> recorded =
        recorded_loop(recording, trainer, probe ? contention_of(*probe, beside) : Contention());
    if (!recorded) {
        audit.prediction.reason = sentence(recorded.error().message);
        return;
    }
    const Loader& loader = audit.loaders.front();
    recorded->loop.configuration.prefetch_factor = static_cast<unsigned>(loader.prefetch_factor.value_or(2));
    audit.prediction = check(*recorded);
    add_ceilings(*recorded, audit);
    if (!audit.prediction.valid) return;
    const double whole = std::accumulate(recorded->measured.begin(), recorded->measured.end(), 0.0);
    const auto batches = static_cast<double>(recorded->measured.size());
    const std::vector<input::ThreadPoint> threads =
        probe ? thread_points(*probe, beside) : std::vector<input::ThreadPoint>();
    const input::LoaderUse use{.recorded = recorded->loop,
                               .collate = recorded->fetched.collate / batches,
                               .loop_seconds = whole,
                               .wait_share = share_of_waits(*recorded, whole),
                               .persistent = loader.persistent,
                               .passes = recorded->loop.later_passes.size() + 1,
                               .made_anew = starts.made_anew,
                               .threads = threads,
                               .contention_measured = probe.has_value()};
    if (std::optional<Finding> finding = input::advise_workers(use)) {
        if (finding->area == Area::input) finding->loader = loader.made;
        audit.findings.push_back(std::move(*finding));
    }
}

void add(Audit& audit, std::optional<Finding> finding) {
    if (finding) audit.findings.push_back(std::move(*finding));
}

// What the recording itself says, without a replay.
void add_recorded(const Trainer& trainer, const LoaderStarts& starts, Audit& audit) {
    std::vector<double> evaluations;
    for (const Range& range : trainer.evaluations) {
        evaluations.push_back(static_cast<double>(range.end - range.begin) * 1e-9);
    }
    add(audit, evaluate::advise_sample({evaluations, starts.evaluation_rows, audit.wall_seconds}));
    add(audit, input::advise_persistent({starts.evaluation.seconds, audit.wall_seconds, true, false}));
    const bool told = std::any_of(audit.findings.begin(), audit.findings.end(), [](const Finding& finding) {
        return finding.area == Area::input && finding.fix.persistent_workers;
    });
    if (told) return;  // as a part of more
    add(audit, input::advise_persistent({starts.training.seconds, audit.wall_seconds, false, starts.made_anew}));
}

double least_saved(const Finding& finding) {
    return finding.gain ? finding.gain->seconds_per_run.low : -std::numeric_limits<double>::infinity();
}

}  // namespace

void add_advice(const Recording& recording, const std::vector<Trainer>& trainers, Audit& audit) {
    const Trainer& first = trainers.front();
    const LoaderStarts starts = first.trained ? loader_starts(recording, first) : LoaderStarts();
    if (trainers.size() > 1) {
        audit.prediction.reason = sentence("several ranks or programs that train are not predicted yet");
    } else {
        add_replayed(recording, first, starts, audit);
    }
    if (first.trained) add_recorded(first, starts, audit);
    std::stable_sort(audit.findings.begin(), audit.findings.end(),
                     [](const Finding& x, const Finding& y) { return least_saved(x) > least_saved(y); });
}

}  // namespace headrace::audit
