#include "input/workers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace headrace::input {
namespace {

// A batch on its way from a worker, where that was not recorded: the receiving thread takes it out of a pipe, maps its
// memory and touches it for the first time; that of a larger batch takes longer, as its collation did.
constexpr double receive_at_least = 0.7e-3;  // seconds of CPU
constexpr double receive_of_collate = 0.5;
constexpr double transit_at_least = 1e-3;  // seconds

constexpr double worth_a_finding = 1.05;
constexpr double as_good = 0.98;               // of the speed of the best point: then the smaller point is as good
constexpr std::size_t steps_to_search = 2000;  // of a replay that only compares points
constexpr unsigned most_workers = 16;

// The middle of a long loop, for the search.
replay::Loop middle_of(const replay::Loop& loop) {
    replay::Loop part = loop;
    if (loop.steps.size() > steps_to_search) {
        const auto first = static_cast<std::ptrdiff_t>((loop.steps.size() - steps_to_search) / 2);
        const auto last = first + static_cast<std::ptrdiff_t>(steps_to_search);
        part.batches.assign(loop.batches.begin() + first, loop.batches.begin() + last);
        part.steps.assign(loop.steps.begin() + first, loop.steps.begin() + last);
        part.later_passes.clear();
    }
    return part;
}

bool crowded(const replay::Loop& loop) noexcept {
    const replay::Configuration& c = loop.configuration;
    return c.workers > 0 && c.threads > 1.5 && c.threads + c.workers > loop.cores.count();
}

// Whether the work of a step keeps all cores busy, but for a little.
bool saturates(const replay::Loop& loop) {
    const replay::Loop part = middle_of(loop);
    double work = 0;
    for (const replay::BatchCost& batch : part.batches) work += batch.cpu + batch.receive;
    for (const replay::StepCost& step : part.steps) work += step.cpu * loop.configuration.threads;
    const double whole = loop.cores.count() * loop.cores.rate(loop.cores.count());
    const double steps = replay::mean_step(part) * static_cast<double>(part.steps.size());
    return loop.cores.count() > 1 && work > 0.85 * whole * steps;
}

struct Point {
    unsigned workers;
    unsigned prefetch_factor;
    const ThreadPoint* threads = nullptr;  // null: as they are
};

// Those with the threads as they are first: of points that are as good, the first one is taken.
std::vector<Point> points_of(const LoaderUse& use) {
    const replay::Loop& recorded = use.recorded;
    const auto cores = static_cast<unsigned>(std::ceil(recorded.cores.count()));
    const unsigned most = std::min(std::max(2 * cores, recorded.configuration.workers), most_workers);
    std::vector<const ThreadPoint*> threads{nullptr};
    for (const ThreadPoint& point : use.threads) threads.push_back(&point);
    std::vector<Point> points;
    for (const ThreadPoint* one : threads) {
        points.push_back({0, 2, one});
        for (unsigned workers = 1; workers <= std::max(most, recorded.configuration.workers); ++workers) {
            points.push_back({workers, 2, one});
            points.push_back({workers, 4, one});
        }
    }
    return points;
}

replay::Loop at(const LoaderUse& use, const Point& point) {
    replay::Loop loop = with_workers(use, point.workers, point.prefetch_factor);
    return point.threads != nullptr ? with_threads(std::move(loop), *point.threads) : loop;
}

// The smallest point among those that are as fast as the fastest.
Point best_of(const LoaderUse& use) {
    const replay::Loop part = middle_of(use.recorded);
    const LoaderUse searched{.recorded = part, .collate = use.collate};
    const std::vector<Point> points = points_of(use);
    std::vector<double> steps;
    for (const Point& point : points) steps.push_back(replay::mean_step(at(searched, point)));
    const double fastest = *std::min_element(steps.begin(), steps.end());
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (fastest >= as_good * steps[i]) return points[i];
    }
    return points.front();
}

bool same_loader(const Point& x, const Point& y) {
    return x.workers == y.workers && (x.workers == 0 || x.prefetch_factor == y.prefetch_factor);
}

std::string words_of(const Point& point) {
    if (point.workers == 0) return "no workers";
    return fmt::format("{} worker{}, prefetch {}", point.workers, point.workers == 1 ? "" : "s", point.prefetch_factor);
}

std::string threads_words(unsigned threads) {
    return fmt::format("{} intra-op thread{}", threads, threads == 1 ? "" : "s");
}

// "2 workers instead of none", "2 workers with prefetch 4 instead of 2 with 2", "1 intra-op thread instead of 2".
std::string title_of(const Point& best, const replay::Configuration& now) {
    const auto number = [](unsigned workers) { return workers == 0 ? std::string("none") : std::to_string(workers); };
    const Point recorded{now.workers, now.prefetch_factor};
    if (same_loader(best, recorded)) {
        return fmt::format("{} instead of {:.0f}", threads_words(best.threads->threads), now.threads);
    }
    std::string title =
        best.workers == 0 ? "no workers" : fmt::format("{} worker{}", best.workers, best.workers == 1 ? "" : "s");
    const bool told = best.workers > 0 && recorded.workers > 0 && best.prefetch_factor != recorded.prefetch_factor;
    if (told) title += fmt::format(" with prefetch {}", best.prefetch_factor);
    title += " instead of " + number(recorded.workers);
    if (told) title += fmt::format(" with {}", recorded.prefetch_factor);
    if (best.threads != nullptr) title += ", and " + threads_words(best.threads->threads);
    return title;
}

Gain gain_of(const LoaderUse& use, const replay::Loop& changed) {
    const replay::Gain ratio =
        replay::gain(use.recorded, changed,
                     {.replicates = 100, .model_error = model_error(use.recorded, changed, use.contention_measured)});
    const auto saved = [&](double r) { return use.loop_seconds * (1 - 1 / r); };
    return {{ratio.ratio, ratio.low, ratio.high}, {saved(ratio.ratio), saved(ratio.low), saved(ratio.high)}};
}

// The words of a change of the loader's arguments.
void describe_loader(const LoaderUse& use, const Point& best, Finding& finding) {
    const replay::Configuration& now = use.recorded.configuration;
    finding.changes = Changes::random_streams;
    if (best.workers != now.workers) finding.fix.workers = best.workers;
    if (best.workers > 0 && best.prefetch_factor != now.prefetch_factor) {
        finding.fix.prefetch_factor = best.prefetch_factor;
    }
    finding.remedy = fmt::format("Give the training DataLoader num_workers={}", best.workers);
    if (best.workers > 0) finding.remedy += fmt::format(" and prefetch_factor={}", best.prefetch_factor);
    if (best.workers > 0 && !use.persistent && !use.made_anew && use.passes > 1) {
        finding.fix.persistent_workers = true;
        finding.remedy += ", with persistent_workers=True, so that they are not started again in each epoch";
    }
    finding.remedy += ".";
}

}  // namespace

replay::Loop with_workers(const LoaderUse& use, unsigned workers, unsigned prefetch_factor) {
    replay::Loop changed = use.recorded;
    if (use.recorded.configuration.workers == 0 && workers > 0) {
        for (replay::BatchCost& batch : changed.batches) {
            batch.receive = std::max(receive_at_least, receive_of_collate * use.collate);
            batch.transit = transit_at_least;
        }
    }
    changed.configuration.workers = workers;
    changed.configuration.prefetch_factor = prefetch_factor;
    return changed;
}

replay::Loop with_threads(replay::Loop loop, const ThreadPoint& threads) {
    for (replay::StepCost& step : loop.steps) step.cpu *= threads.step;
    loop.configuration.threads = threads.threads;
    loop.configuration.gang = threads.gang;
    return loop;
}

double model_error(const replay::Loop& recorded, const replay::Loop& changed, bool measured) {
    constexpr double always = 0.05;
    constexpr double by_transport = 0.04;  // where it was not recorded, or what it is without it
    // Threads that compute together were recorded with a core for each, or without, and not both; what threads on all
    // cores lose to each other was not recorded. Measured both are less of a guess.
    const double by_gangs = measured ? 0.07 : 0.20, by_saturation = measured ? 0.07 : 0.12;
    double square = always * always;
    if ((recorded.configuration.workers == 0) != (changed.configuration.workers == 0)) {
        square += by_transport * by_transport;
    }
    if (crowded(recorded) != crowded(changed)) square += by_gangs * by_gangs;
    if (saturates(recorded) != saturates(changed)) square += by_saturation * by_saturation;
    return std::sqrt(square);
}

std::optional<Finding> advise_workers(const LoaderUse& use) {
    const replay::Configuration& now = use.recorded.configuration;
    const Point best = best_of(use), recorded{now.workers, now.prefetch_factor};
    const bool loader_stays = same_loader(best, recorded);
    if (loader_stays && best.threads == nullptr) return {};
    Finding finding;
    finding.gain = gain_of(use, at(use, best));
    if (finding.gain->ratio.predicted < worth_a_finding) return {};
    finding.id = loader_stays ? "compute.threads" : "input.workers";
    finding.area = loader_stays ? Area::compute : Area::input;
    finding.title = title_of(best, now);
    finding.evidence = fmt::format("The loop waited for input {:.0f} % of its time, with {}.", 100 * use.wait_share,
                                   words_of(recorded));
    finding.changes = Changes::rounding;
    if (!loader_stays) describe_loader(use, best, finding);
    if (best.threads != nullptr) {
        const unsigned threads = best.threads->threads;
        finding.fix.threads = threads;
        finding.evidence += fmt::format(" Alone, a step with {} takes {:.2f} times as long.", threads_words(threads),
                                        best.threads->step);
        if (!finding.remedy.empty()) finding.remedy += " ";
        finding.remedy += fmt::format("Call torch.set_num_threads({}) before the training.", threads);
    }
    return finding;
}

}  // namespace headrace::input
