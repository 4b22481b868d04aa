#include "audit/advice.h"

#include <algorithm>
#include <numeric>

#include "audit/loop.h"
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
    add_ceiling(audit, "compute", samples, steps_alone(loop), 1);
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

}  // namespace

void add_advice(const Recording& recording, const std::vector<Trainer>& trainers, Audit& audit) {
    if (trainers.size() > 1) {
        audit.prediction.reason = sentence("several ranks or programs that train are not predicted yet");
        return;
    }
    Result<RecordedLoop> recorded = recorded_loop(recording, trainers.front());
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
    const input::LoaderUse use{
        recorded->loop,    recorded->fetched.collate / batches,   whole, share_of_waits(*recorded, whole),
        loader.persistent, recorded->loop.later_passes.size() + 1};
    if (std::optional<Finding> finding = input::advise_workers(use)) {
        finding->loader = loader.made;
        audit.findings.push_back(std::move(*finding));
    }
}

}  // namespace headrace::audit
