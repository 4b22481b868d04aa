#include "replay/predict.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "stats/bootstrap.h"
#include "stats/quantile.h"

namespace headrace::replay {
namespace {

constexpr double interval = 0.9;
constexpr double normal_quantile = 1.6448536269514722;  // of the end of that interval

double time_of(const StepTime& step) { return step.ended - step.asked; }

double mean_time(std::span<const StepTime> steps) {
    double sum = 0;
    for (const StepTime& step : steps) sum += time_of(step);
    return sum / static_cast<double>(steps.size());
}

template <class Cost>
std::vector<Cost> joined(std::span<const Cost> costs, std::size_t together, void (*add)(Cost&, const Cost&)) {
    std::vector<Cost> wholes(costs.size() / together);
    for (std::size_t i = 0; i < wholes.size() * together; ++i) add(wholes[i / together], costs[i]);
    return wholes;
}

void add_batch(BatchCost& sum, const BatchCost& part) {
    sum.blocked += part.blocked;
    sum.cpu += part.cpu;
    // One message has one way, whatever its size.
    sum.receive = std::max(sum.receive, part.receive);
    sum.transit = std::max(sum.transit, part.transit);
    sum.handover = std::max(sum.handover, part.handover);
}

void add_step(StepCost& sum, const StepCost& part) {
    sum.cpu += part.cpu;
    sum.blocked += part.blocked;
    sum.pause += part.pause;
}

// One time for each of the larger steps of a loop whose batches come together; what is left over at the end is not run.
std::vector<StepTime> times_of(std::span<const BatchCost> batches, std::span<const StepCost> steps, const Loop& loop) {
    if (loop.together == 1) return replay(batches, steps, loop.configuration, loop.cores);
    std::vector<BatchCost> larger = joined(batches, loop.together, add_batch);
    for (BatchCost& batch : larger) batch.cpu = std::max(0.0, batch.cpu - loop.message * (loop.together - 1));
    return replay(larger, joined(steps, loop.together, add_step), loop.configuration, loop.cores);
}

// Of the steps of a replicate, `around` are before and as many after those that count: before the loop is steady, and
// when its workers find nothing more to do.
double mean_of(const Loop& loop, std::span<const std::size_t> places, std::size_t around) {
    std::vector<BatchCost> batches;
    std::vector<StepCost> steps;
    batches.reserve(places.size());
    steps.reserve(places.size());
    for (const std::size_t place : places) {
        batches.push_back(loop.batches[place]);
        steps.push_back(loop.steps[place]);
    }
    const std::vector<StepTime> times = times_of(batches, steps, loop);
    const std::size_t left_out = around / loop.together;
    return mean_time(std::span(times).subspan(left_out, times.size() - 2 * left_out)) / loop.together;
}

// As many steps of the recorded size as make whole steps of both loops.
std::size_t whole_steps(std::size_t steps, const Loop& recorded, const Loop& changed) {
    const std::size_t unit = std::size_t{recorded.together} * changed.together;
    return (steps + unit - 1) / unit * unit;
}

// The work of a step and its batch together: where one of them depends on what was before it, so does this.
std::vector<double> whole_costs(const Loop& loop) {
    std::vector<double> costs;
    costs.reserve(loop.steps.size());
    for (std::size_t i = 0; i < loop.steps.size(); ++i) {
        const BatchCost& batch = loop.batches[i];
        costs.push_back(batch.blocked + batch.cpu + batch.transit + batch.receive + batch.handover + loop.steps[i].cpu +
                        loop.steps[i].blocked);
    }
    return costs;
}

}  // namespace

bool holds(const Reproduction& reproduction) noexcept {
    return std::abs(reproduction.mean_error) <= most_mean_error && std::abs(reproduction.p95_beyond) <= most_p95_error;
}

std::optional<Reproduction> reproduce(const Loop& recorded, std::span<const double> measured, std::size_t fewest) {
    std::vector<std::size_t> ends = recorded.later_passes;
    ends.push_back(recorded.steps.size());
    std::vector<double> replayed, steady;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
        const std::vector<StepTime> times =
            replay(std::span(recorded.batches).subspan(begin, end - begin),
                   std::span(recorded.steps).subspan(begin, end - begin), recorded.configuration, recorded.cores);
        for (std::size_t i = steps_to_steady(recorded.configuration); i < times.size(); ++i) {
            replayed.push_back(time_of(times[i]));
            steady.push_back(measured[begin + i]);
        }
        begin = end;
    }
    if (steady.size() < std::max<std::size_t>(fewest, 1)) return std::nullopt;
    const auto error = [](std::optional<double> replay, std::optional<double> truth) {
        return *truth > 0 ? *replay / *truth - 1 : 0;
    };
    const std::optional<double> p95 = stats::quantile(replayed, 0.95);
    const stats::QuantileInterval known = *stats::quantile_interval(steady, 0.95);
    return Reproduction{error(stats::mean(replayed), stats::mean(steady)), error(p95, stats::quantile(steady, 0.95)),
                        error(p95, std::clamp(*p95, known.low, known.high))};
}

double crowding(const Loop& recorded, std::span<const double> measured, const Reproduction& plain) {
    constexpr double all = 1, least = 0.7, near = 0.01;  // less was not seen where nothing else was wrong
    constexpr int halvings = 6;
    if (plain.mean_error >= -near) return all;
    Loop loop = recorded;
    const auto error = [&](double share) {
        loop.cores = recorded.cores.crowded(share);
        const std::optional<Reproduction> reproduction = reproduce(loop, measured);
        return reproduction ? reproduction->mean_error : 0;
    };
    const double most = error(least);
    if (most <= 0) return most > plain.mean_error ? least : all;
    double low = least, high = all;
    for (int i = 0; i < halvings; ++i) {
        const double middle = (low + high) / 2;
        (error(middle) < 0 ? high : low) = middle;
    }
    return (low + high) / 2;
}

double mean_step(const Loop& loop) { return mean_time(times_of(loop.batches, loop.steps, loop)) / loop.together; }

Gain gain(const Loop& recorded, const Loop& changed, const GainOptions& options) {
    const std::size_t size = recorded.steps.size();
    const std::size_t most = std::max<std::size_t>(1, options.most_steps / recorded.configuration.ranks);
    const std::size_t measured = whole_steps(std::min(size, most), recorded, changed);
    const std::size_t length = stats::block_length(whole_costs(recorded));
    const std::size_t around = whole_steps(std::max(recorded.together * steps_to_steady(recorded.configuration),
                                                    changed.together * steps_to_steady(changed.configuration)),
                                           recorded, changed);
    std::vector<std::size_t> places(measured + 2 * around);
    std::mt19937_64 random(options.seed);
    std::vector<double> logs;
    for (std::size_t i = 0; i < options.replicates; ++i) {
        stats::draw_blocks(size, length, random, places);
        logs.push_back(std::log(mean_of(recorded, places, around) / mean_of(changed, places, around)));
    }
    const double middle = *stats::median(logs);
    // The mean of all steps varies less than that of the fewer ones of a replicate.
    const double shrunk = std::sqrt(std::min(1.0, static_cast<double>(measured) / static_cast<double>(size)));
    const auto end = [&](double order, double sign) {
        const double drawn = shrunk * (*stats::quantile(logs, order) - middle);
        return std::exp(middle + sign * std::hypot(drawn, normal_quantile * options.model_error));
    };
    return {std::exp(middle), end((1 - interval) / 2, -1), end((1 + interval) / 2, 1)};
}

}  // namespace headrace::replay
