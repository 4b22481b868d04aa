#include "audit/ceilings.h"

#include <algorithm>
#include <optional>

namespace headrace::audit {
namespace {

// Samples a second of what takes so many seconds for all samples of the run, on so many cores.
void add_ceiling(Audit& audit, const char* name, double samples, double seconds, double cores) {
    if (samples > 0 && seconds > 0) audit.ceilings.push_back({name, cores * samples / seconds, Basis::derived});
}

// From memory where the run read hardly anything from where the files lie.
void add_storage(Audit& audit) {
    if (!audit.probe || !audit.probe->files || audit.probe->files->files_per_sample <= 0) return;
    const SampleFiles& files = *audit.probe->files;
    const PerSample& sample = audit.per_sample;
    const bool from_memory =
        sample.bytes_from_storage.value_or(0) < 0.1 * sample.bytes_requested.value_or(0) || !files.uncached;
    const ReadSpeed& speed = from_memory ? files.cached : *files.uncached;
    const auto ranks = static_cast<double>(audit.ranks.size());
    audit.ceilings.push_back({"storage", speed.files_per_second / files.files_per_sample / ranks, Basis::measured});
}

// On batches in memory, where a probe measured that; else from what the steps took without their waits.
void add_compute(Audit& audit, double samples, double seconds) {
    const ProbeCase* alone = audit.probe ? own_case(*audit.probe) : nullptr;
    if (alone == nullptr) return add_ceiling(audit, "compute", samples, seconds, 1);
    const auto batch = static_cast<double>(audit.probe->batch_size);
    audit.ceilings.push_back({"compute", batch / alone->median, Basis::measured});
}

void sort_ceilings(Audit& audit) {
    std::stable_sort(audit.ceilings.begin(), audit.ceilings.end(),
                     [](const Ceiling& x, const Ceiling& y) { return x.samples_per_second < y.samples_per_second; });
}

}  // namespace

double steps_alone(const replay::Loop& loop) {
    double sum = 0;
    for (const replay::StepCost& step : loop.steps) sum += step.cpu + step.blocked;
    return sum;
}

void add_ceilings(const RecordedLoop& recorded, Audit& audit) {
    const replay::Loop& loop = recorded.loop;
    const double samples = recorded.fetched.samples, cores = loop.cores.count() / loop.configuration.ranks;
    double receive = 0;
    for (const replay::BatchCost& batch : loop.batches) receive += batch.receive;
    add_ceiling(audit, "worker_cpu", samples, recorded.fetched.cpu, cores);
    add_ceiling(audit, "collate", samples, recorded.fetched.collate, cores);
    add_ceiling(audit, "transport", samples, receive, 1);
    add_compute(audit, samples, steps_alone(loop));
    add_storage(audit);
    sort_ceilings(audit);
}

void add_ceilings(Audit& audit, std::uint64_t world) {
    const Ledger& ledger = audit.ranks.front();
    const auto seconds = [&](Entry entry) { return ledger.seconds[static_cast<std::size_t>(entry)]; };
    const double samples =
        static_cast<double>(audit.steady.steps) * static_cast<double>(audit.steady.batch_size.value_or(0));
    const double ranks = static_cast<double>(std::max<std::uint64_t>(1, world));
    add_ceiling(audit, "worker_cpu", 1, audit.per_sample.cpu_seconds.value_or(0),
                audit.run.machine.cores_usable / ranks);
    add_compute(audit, samples,
                seconds(Entry::compute_forward) + seconds(Entry::compute_backward) + seconds(Entry::compute_optimizer) +
                    seconds(Entry::compute_device_wait) + seconds(Entry::sync) + seconds(Entry::host));
    add_ceiling(audit, "transfer", samples, seconds(Entry::transfer), 1);
    add_storage(audit);
    sort_ceilings(audit);
}

}  // namespace headrace::audit
