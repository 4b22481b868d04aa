#include "audit/starts.h"

#include <algorithm>
#include <set>

#include "audit/loader_config.h"
#include "audit/waits.h"

namespace headrace::audit {
namespace {

bool inside(Nanoseconds time, const std::vector<Range>& ranges) {
    const auto after = std::upper_bound(ranges.begin(), ranges.end(), time,
                                        [](Nanoseconds at, const Range& range) { return at < range.begin; });
    return after != ranges.begin() && time < (after - 1)->end;
}

// The samples that a pass over a loader has given, from its batches: the last request found it at its end.
double rows_of(const Pass& pass, const Trainer& trainer) {
    const Loader loader = loader_of(trainer.loaders[*pass.used].config, false);
    const std::size_t batches = pass.waits.empty() ? 0 : pass.waits.size() - 1;
    return static_cast<double>(loader.batch_size.value_or(0)) * static_cast<double>(batches);
}

// Of the fetch of a pass's first batch by a worker that was started for it; 0 for one that went on.
double start_of(const Pass& pass, const BatchWait& wait) {
    if (pass.workers.empty() || pass.generation > 0 || !wait.fetch) return 0;
    return std::max(0.0, static_cast<double>(wait.fetch->begin - pass.iter_begin) * 1e-9);
}

}  // namespace

LoaderStarts loader_starts(const Recording& recording, const Trainer& trainer) {
    LoaderStarts starts;
    std::vector<const Pass*> passes;
    std::set<std::uint64_t> serials;
    for (const Pass& pass : trainer.passes) {
        if (!pass.waits.empty() && pass.used) passes.push_back(&pass);
        if (pass.training) serials.insert(pass.serial);
    }
    starts.made_anew = serials.size() > 1;
    std::stable_sort(passes.begin(), passes.end(),
                     [](const Pass* x, const Pass* y) { return x->waits.front() < y->waits.front(); });
    BatchWaits waits(recording, trainer, 0, true);
    bool trained = false, evaluated = false;
    double rows = 0;
    for (const Pass* pass : passes) {
        const bool evaluates = !pass->training && inside(pass->waits.front(), trainer.evaluations);
        if (!pass->training && !evaluates) continue;
        const BatchWait* wait = waits.at(pass->waits.front());
        const double start = wait != nullptr ? start_of(*pass, *wait) : 0;
        bool& before = evaluates ? evaluated : trained;
        if (!before && !evaluates) starts.first = start;
        if (before && start > 0) (evaluates ? starts.evaluation : starts.training).seconds.push_back(start);
        before = true;
        if (evaluates) rows += rows_of(*pass, trainer);
    }
    const std::size_t count = trainer.evaluations.size();
    if (count > 0) starts.evaluation_rows = rows / static_cast<double>(count);
    return starts;
}

}  // namespace headrace::audit
