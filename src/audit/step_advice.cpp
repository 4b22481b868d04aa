#include "audit/step_advice.h"

#include <algorithm>
#include <utility>

#include "audit/intraop.h"
#include "base/shell.h"
#include "compute/accelerator.h"
#include "compute/batch.h"
#include "compute/cores.h"
#include "compute/faster_steps.h"
#include "compute/threads.h"
#include "serve/slo.h"

namespace headrace::audit {
namespace {

void add_finding(Audit& audit, std::optional<Finding> finding) {
    if (finding) audit.findings.push_back(std::move(*finding));
}

}  // namespace

void add_probed(const Recording& recording, const input::LoaderUse& loop, const Probe& probe, Audit& audit) {
    const Loader& loader = audit.loaders.front();
    const compute::StepUse use{.recorded = loop.recorded,
                               .probe = probe,
                               .transport = loop.transport,
                               .loop_seconds = loop.loop_seconds,
                               .threads = loop.threads,
                               .persistent = loop.persistent,
                               .passes = loop.passes,
                               .made_anew = loop.made_anew,
                               .loader_batch = loader.batch_size,
                               .memory_bytes = audit.run.machine.memory_bytes,
                               .accelerator = recording.uses_device(),
                               .divides_itself = loop.divides_itself};
    if (std::optional<Finding> finding = compute::advise_batch(use)) {
        if (finding->kind == FixKind::loader) finding->loader = loader.made;
        audit.findings.push_back(std::move(*finding));
    }
    add_finding(audit, compute::advise_precision(use));
    add_finding(audit, compute::advise_channels_last(use));
}

void add_threads(const Recording& recording, const std::vector<Trainer>& trainers, Audit& audit) {
    const bool told = std::any_of(audit.findings.begin(), audit.findings.end(),
                                  [](const Finding& finding) { return finding.fix.threads.has_value(); });
    const bool probed = audit.probe && audit.prediction.valid && trainers.size() == 1;
    if (told || probed || recording.uses_device()) return;
    std::vector<compute::ProcessThreads> processes;
    const Range& life = trainers.front().window;
    for (const Trainer& trainer : trainers) {
        if (trainer.window.begin >= life.end || trainer.window.end <= life.begin) continue;  // one after the other
        if (const auto threads = intraop_threads(recording, trainer)) processes.push_back(*threads);
    }
    const Ledger& ledger = audit.ranks.front();
    const auto seconds = [&](Entry entry) { return ledger.seconds[static_cast<std::size_t>(entry)]; };
    std::vector<std::string> command = {"headrace", "audit", "--probe", "--"};
    command.insert(command.end(), audit.run.command.begin(), audit.run.command.end());
    add_finding(audit, compute::advise_threads({.processes = processes,
                                                .cores = audit.run.machine.cores_usable,
                                                .compute_seconds = seconds(Entry::compute_forward) +
                                                                   seconds(Entry::compute_backward) +
                                                                   seconds(Entry::compute_optimizer),
                                                .run_seconds = ledger.wall_seconds,
                                                .probe = audit.probe ? &*audit.probe : nullptr,
                                                .probe_command = base::shell_command(command)}));
}

void add_cores(const replay::Loop& loop, std::span<const replay::ThreadPoint> threads, const UserFiles& files,
               Audit& audit) {
    const bool wanted = std::any_of(audit.findings.begin(), audit.findings.end(), [](const Finding& finding) {
        return finding.fix.workers || finding.fix.threads || finding.fix.batch_size;
    });
    if (wanted) return;
    compute::CoresUse use{.recorded = loop, .threads = threads, .run_seconds = audit.wall_seconds};
    use.set_threads = audit.loaders.front().threads.value_or(static_cast<std::uint64_t>(loop.configuration.threads));
    if (audit.outside) use.busy = audit.outside->cores_mean;
    use.memory_bytes = static_cast<double>(audit.host_peak_bytes.value_or(0));
    use.prices = files.prices ? &*files.prices : nullptr;
    use.machine = files.machine ? &*files.machine : nullptr;
    add_finding(audit, compute::advise_cores(use));
}

void add_accelerator(const Recording& recording, Audit& audit) {
    const std::vector<std::string>& accelerators = audit.run.machine.accelerators;
    if (accelerators.empty() || !recording.uses_device()) return;
    const Ledger& ledger = audit.ranks.front();
    const auto seconds = [&](Entry entry) { return ledger.seconds[static_cast<std::size_t>(entry)]; };
    compute::AcceleratorUse use;
    use.name = accelerators.front();
    use.input_seconds = seconds(Entry::input_wait);
    use.device_seconds = seconds(Entry::compute_device_wait);
    use.host_seconds =
        seconds(Entry::compute_forward) + seconds(Entry::compute_backward) + seconds(Entry::compute_optimizer);
    use.step_seconds = use.input_seconds + use.device_seconds + use.host_seconds + seconds(Entry::transfer) +
                       seconds(Entry::sync) + seconds(Entry::host);
    use.steps = audit.steady.steps;
    use.waits = recording.kinds[static_cast<std::size_t>(Kind::device_wait)] / audit.ranks.size();
    add_finding(audit, compute::advise_accelerator(use));
}

void add_slo(Audit& audit) {
    if (!audit.probe) return;
    add_finding(audit, serve::advise_slo(*audit.probe, audit.slo ? &*audit.slo : nullptr));
}

}  // namespace headrace::audit
