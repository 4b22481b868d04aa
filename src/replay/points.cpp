#include "replay/points.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace headrace::replay {
namespace {

// What is taken from a recorded cost as that of the transport is at most so much of it: the rest is work.
constexpr double most_of_batch = 0.8, most_of_step = 0.5;

constexpr double supposed_spin = 4.5e-3;       // of a second thread, where the run had one: 4 to 6 ms were seen
constexpr double as_good = 0.98;               // of the speed of the best point: then the smaller point is as good
constexpr std::size_t steps_to_search = 2000;  // of all ranks, in a replay that only compares points
constexpr unsigned most_workers = 16;

bool crowded(const Loop& loop) noexcept {
    const Configuration& c = loop.configuration;
    return (c.workers > 0 || c.ranks > 1) && c.threads > 1.5 && c.ranks * (c.threads + c.workers) > loop.cores.count();
}

// Whether the work of a step keeps all cores busy, but for a little.
bool saturates(const Loop& loop) {
    const Loop part = middle_of(loop);
    double work = 0;
    for (const BatchCost& batch : part.batches) work += batch.cpu + batch.receive;
    for (const StepCost& step : part.steps) work += step.cpu * loop.configuration.threads;
    work *= loop.configuration.ranks;
    const double whole = loop.cores.count() * loop.cores.rate(loop.cores.count());
    const double steps = mean_step(part) * static_cast<double>(part.steps.size());
    return loop.cores.count() > 1 && work > 0.85 * whole * steps;
}

// Those with the threads as they are first: of points that are as good, the first one is taken.
std::vector<Point> points_of(const Loop& recorded, std::span<const ThreadPoint> measured) {
    const auto cores = static_cast<unsigned>(std::ceil(recorded.cores.count() / recorded.configuration.ranks));
    const unsigned most = std::min(std::max(2 * cores, recorded.configuration.workers), most_workers);
    std::vector<const ThreadPoint*> threads{nullptr};
    for (const ThreadPoint& point : measured) threads.push_back(&point);
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

}  // namespace

bool same_loader(const Point& x, const Point& y) noexcept {
    return x.workers == y.workers && (x.workers == 0 || x.prefetch_factor == y.prefetch_factor);
}

Point point_of(const Loop& recorded) noexcept {
    return {recorded.configuration.workers, recorded.configuration.prefetch_factor};
}

Loop middle_of(const Loop& loop) {
    const std::size_t enough = steps_to_search / loop.configuration.ranks;
    if (loop.steps.size() <= enough) return loop;
    const auto first = static_cast<std::ptrdiff_t>((loop.steps.size() - enough) / 2);
    const auto last = first + static_cast<std::ptrdiff_t>(enough);
    return {{loop.batches.begin() + first, loop.batches.begin() + last},
            {loop.steps.begin() + first, loop.steps.begin() + last},
            {},
            loop.configuration,
            loop.cores,
            loop.together,
            loop.message};
}

Transport Transport::of(double bytes, double write, double read) noexcept {
    Transport transport;
    transport.write = bytes * write;
    transport.read = bytes * read;
    return transport;
}

Loop with_workers(const Loop& recorded, const Transport& transport, unsigned workers, unsigned prefetch_factor) {
    Loop changed = recorded;
    if (recorded.configuration.workers == 0 && workers > 0) {
        double cpu = 0;
        for (const BatchCost& batch : changed.batches) cpu += batch.cpu;
        const double measured = transport.worker_cpu * static_cast<double>(changed.batches.size());
        for (BatchCost& batch : changed.batches) {
            if (measured > 0 && cpu > 0) {
                batch.cpu *= measured / cpu;
            } else {
                batch.cpu += transport.write + transport.send;
            }
            batch.receive = transport.receive;
            batch.transit = transport.transit;
            batch.handover = transport.handover;
        }
        changed.configuration.handover = transport.handover;
        for (StepCost& step : changed.steps) step.cpu += transport.read;
        changed.message = transport.send;
    }
    if (recorded.configuration.workers > 0 && workers == 0) {
        for (BatchCost& batch : changed.batches) {
            batch.cpu -= std::min(transport.write + transport.send, most_of_batch * batch.cpu);
        }
        for (StepCost& step : changed.steps) step.cpu -= std::min(transport.read, most_of_step * step.cpu);
        changed.message = 0;
    }
    changed.configuration.workers = workers;
    changed.configuration.prefetch_factor = prefetch_factor;
    return changed;
}

Loop with_threads(Loop loop, const ThreadPoint& threads) {
    for (StepCost& step : loop.steps) step.cpu *= threads.step;
    if (loop.configuration.threads <= 1 && threads.threads > 1) loop.configuration.spin = supposed_spin;
    loop.configuration.threads = threads.threads;
    loop.configuration.gang = threads.gang;
    return loop;
}

Loop at(const Loop& recorded, const Transport& transport, const Point& point) {
    Loop loop = with_workers(recorded, transport, point.workers, point.prefetch_factor);
    return point.threads != nullptr ? with_threads(std::move(loop), *point.threads) : loop;
}

Point best_point(const Loop& recorded, const Transport& transport, std::span<const ThreadPoint> threads) {
    const Loop part = middle_of(recorded);
    const std::vector<Point> points = points_of(recorded, threads);
    std::vector<double> steps;
    for (const Point& point : points) steps.push_back(mean_step(at(part, transport, point)));
    const double fastest = *std::min_element(steps.begin(), steps.end());
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (fastest >= as_good * steps[i]) return points[i];
    }
    return points.front();
}

std::vector<Part> parts_of(const Loop& recorded, const Transport& transport, const Point& point) {
    const Loop part = middle_of(recorded);
    const Point now = point_of(recorded);
    const double before = mean_step(part);
    std::vector<Part> parts;
    const auto add = [&](std::string_view name, const Point& alone) {
        parts.push_back({name, before / mean_step(at(part, transport, alone))});
    };
    const bool both = now.workers > 0 && point.workers > 0;  // have a prefetch factor
    if (point.workers != now.workers) {
        add("workers", {point.workers, both ? now.prefetch_factor : point.prefetch_factor});
    }
    if (both && point.prefetch_factor != now.prefetch_factor) add("prefetch", {now.workers, point.prefetch_factor});
    if (point.threads != nullptr) add("threads", {now.workers, now.prefetch_factor, point.threads});
    return parts;
}

std::string in_words(const std::vector<Part>& parts, double together) {
    if (parts.size() < 2) return "";
    std::string words;
    for (const Part& part : parts) words += fmt::format("{} alone {:.2f}x, ", part.name, part.ratio);
    words += fmt::format("together {:.2f}x.", together);
    words.front() = static_cast<char>(words.front() - 'a' + 'A');
    return words;
}

double model_error(const Loop& recorded, const Loop& changed, bool measured) {
    constexpr double always = 0.05;
    constexpr double by_transport = 0.04;  // where it was not recorded, or what it is without it
    // Threads that compute together were recorded with a core for each, or without, and not both; what threads on all
    // cores lose to each other was not recorded. Measured both are less of a guess.
    const double by_gangs = measured ? 0.07 : 0.20, by_saturation = measured ? 0.07 : 0.12;
    const double by_ranks = 0.05;  // that are not as alike as the replay takes them to be
    double square = always * always;
    if ((recorded.configuration.workers == 0) != (changed.configuration.workers == 0)) {
        square += by_transport * by_transport;
    }
    if (recorded.configuration.ranks > 1) square += by_ranks * by_ranks;
    if (crowded(recorded) != crowded(changed)) square += by_gangs * by_gangs;
    if (saturates(recorded) != saturates(changed)) square += by_saturation * by_saturation;
    return std::sqrt(square);
}

double spread_of(const Loop& slower, const Loop& faster) {
    const double slow = mean_step(middle_of(slower)), fast = mean_step(middle_of(faster));
    return std::abs(std::log(slow / fast)) / 2;
}

double threads_error(const Loop& recorded, const Transport& transport, const Point& point) {
    if (point.threads == nullptr) return 0;
    const Loop part = middle_of(recorded);
    const auto with = [&](double factor) {
        ThreadPoint threads = *point.threads;
        threads.step *= factor;
        return at(part, transport, {point.workers, point.prefetch_factor, &threads});
    };
    const double more = 1 + point.threads->spread;
    return spread_of(with(more), with(1 / more));
}

}  // namespace headrace::replay
