#include "audit/starts.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

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

// Which loader a pass is over: where it was made, or its configuration where that was not recorded.
std::string loader_key(const Pass& pass, const Trainer& trainer) {
    const std::optional<LoaderSite> made = loader_of(trainer.loaders[*pass.used].config, false).made;
    if (!made) return std::to_string(*pass.used);
    return made->file + ":" + std::to_string(made->line) + " " + made->sampler;
}

}  // namespace

LoaderStarts loader_starts(const Recording& recording, const Trainer& trainer) {
    LoaderStarts starts;
    BatchWaits waits(recording, trainer, 0, true);
    std::map<std::pair<bool, std::string>, std::uint64_t> known;  // the serial of each loader's last pass
    bool trained = false;
    double rows = 0;
    for (const Pass* pass : by_first_request(trainer.passes)) {
        const bool evaluates = !pass->training && inside(pass->waits.front(), trainer.evaluations);
        if (!pass->training && !evaluates) continue;
        const BatchWait* wait = waits.at(pass->waits.front());
        const double start = wait != nullptr ? start_of(*pass, *wait) : 0;
        Restarts& again = evaluates ? starts.evaluation : starts.training;
        const auto [loader, is_new] = known.try_emplace({evaluates, loader_key(*pass, trainer)}, pass->serial);
        if (!is_new) {
            if (start > 0) again.seconds.push_back(start);
            again.made_anew = again.made_anew || loader->second != pass->serial;
            loader->second = pass->serial;
        }
        if (!evaluates && !std::exchange(trained, true)) starts.first = start;
        if (evaluates) rows += rows_of(*pass, trainer);
    }
    const std::size_t count = trainer.evaluations.size();
    if (count > 0) starts.evaluation_rows = rows / static_cast<double>(count);
    return starts;
}

}  // namespace headrace::audit
