#include "trial/candidates.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "trial/merge.h"

namespace headrace::trial {
namespace {

const Loader* training_loader(const Audit& audit) {
    const auto found = std::ranges::find_if(audit.loaders, [](const Loader& loader) { return loader.training; });
    return found == audit.loaders.end() ? nullptr : &*found;
}

bool same_loader(const Audit& audit, const Finding& finding) {
    const Loader* loader = training_loader(audit);
    return !finding.loader || (loader != nullptr && loader->made && same_site(*finding.loader, *loader->made));
}

Candidate of_finding(const Finding& finding) {
    return {finding.fix, finding.id, finding, std::max(finding.changes, changes_of(finding.fix))};
}

std::vector<Candidate> predicted(const Audit& audit, const std::set<Changes>& allowed, bool extra) {
    std::vector<Candidate> candidates;
    for (const Finding& finding : audit.findings) {
        const bool on_top = finding.fix.cache_bytes || finding.fix.precision;
        if (on_top != extra || !finding.gain || !can_be_tried(finding) || !same_loader(audit, finding)) continue;
        Candidate candidate = of_finding(finding);
        if (is_allowed(candidate.changes, allowed)) candidates.push_back(std::move(candidate));
    }
    std::ranges::stable_sort(candidates, std::greater<>(),
                             [](const Candidate& candidate) { return candidate.finding->gain->ratio.predicted; });
    return candidates;
}

// What the training has with a fix.
struct Has {
    std::uint64_t workers;
    std::uint64_t threads;
};

Has has(const Loader& loader, const Fix& fix, std::uint64_t cores) {
    return {fix.workers.value_or(loader.workers), fix.threads.value_or(loader.threads.value_or(cores))};
}

Candidate point_at(const Audit& audit, const Loader& loader, const Has& wanted, const Candidate& near,
                   std::uint64_t cores) {
    Candidate candidate;
    candidate.fix = near.fix;
    candidate.fix.workers.reset();
    candidate.fix.threads.reset();
    candidate.fix.persistent_workers.reset();
    if (wanted.workers == 0) candidate.fix.prefetch_factor.reset();
    if (wanted.workers != loader.workers) {
        candidate.fix.workers = wanted.workers;
        // Workers that are started again for each pass would cost its begin; there is more than one.
        if (wanted.workers > 0 && audit.steady.pass_steps && !loader.persistent)
            candidate.fix.persistent_workers = true;
    }
    if (wanted.threads != loader.threads.value_or(cores)) candidate.fix.threads = wanted.threads;
    candidate.id = candidate.fix.workers ? "input.workers" : "compute.threads";
    candidate.changes = changes_of(candidate.fix);
    return candidate;
}

}  // namespace

Changes changes_of(const Fix& fix) noexcept {
    if (fix.batch_size) return Changes::semantics;
    if (fix.precision) return Changes::numerics;
    if (fix.workers) return Changes::random_streams;
    return fix.threads ? Changes::rounding : Changes::nothing;
}

std::vector<Candidate> predicted_points(const Audit& audit, const std::set<Changes>& allowed) {
    return predicted(audit, allowed, false);
}

std::vector<Candidate> predicted_extras(const Audit& audit, const std::set<Changes>& allowed) {
    return predicted(audit, allowed, true);
}

std::vector<Candidate> neighbours(const Audit& audit, const Candidate& point) {
    const Loader* loader = training_loader(audit);
    if (loader == nullptr || !loader->made) return {};
    const auto cores = static_cast<std::uint64_t>(std::max(1.0, std::floor(audit.run.machine.cores_usable)));
    const Has at = has(*loader, point.fix, cores);
    const std::uint64_t fewer = std::max<std::uint64_t>(1, at.threads / 2), more = std::min(cores, at.threads * 2);
    const std::array<Has, 6> around{{{at.workers + 1, at.threads},
                                     {at.workers - 1, at.threads},
                                     {at.workers, fewer},
                                     {at.workers + 1, fewer},
                                     {at.workers, more},
                                     {at.workers - 1, more}}};
    std::vector<Candidate> candidates;
    for (const Has& wanted : around) {
        if (wanted.workers > cores + 2) continue;  // one less than none is more than that, too
        Candidate candidate = point_at(audit, *loader, wanted, point, cores);
        const auto is_it = [&](const Candidate& other) { return same_setting(other.fix, candidate.fix); };
        if (is_it(point) || std::ranges::any_of(candidates, is_it)) continue;
        candidates.push_back(std::move(candidate));
    }
    return candidates;
}

bool same_setting(const Fix& x, const Fix& y) noexcept {
    return x.workers == y.workers && x.threads == y.threads && x.prefetch_factor == y.prefetch_factor &&
           x.persistent_workers == y.persistent_workers && x.batch_size == y.batch_size && x.precision == y.precision &&
           x.cache_bytes == y.cache_bytes;
}

std::optional<Candidate> joined(const Candidate& point, const Candidate& extra) {
    Candidate both = extra;
    both.fix = point.fix;
    if (!merge(both.fix, extra.fix)) return std::nullopt;
    return both;
}

}  // namespace headrace::trial
