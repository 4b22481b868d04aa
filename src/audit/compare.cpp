#include "audit/compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "stats/quantile.h"

namespace headrace {

std::string_view name(Spread spread) noexcept {
    switch (spread) {
        case Spread::pairs:
            return "pairs";
        case Spread::groups:
            return "groups";
        case Spread::machine:
            return "machine";
        case Spread::unknown:
            return "unknown";
    }
    return "";
}

std::string_view name(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::faster:
            return "faster";
        case Verdict::slower:
            return "slower";
        case Verdict::no_difference:
            return "no_difference";
        case Verdict::unknown:
            return "unknown";
    }
    return "";
}

}  // namespace headrace

namespace headrace::audit {
namespace {

// What the machine's own runs have to have shown before it is said how much they differ.
constexpr double fewest_degrees = 3;

// Of each interval: two of them are judged, and both together should be wrong in no more than one of ten comparisons.
constexpr double confidence = 0.95;

using Values = std::vector<double>;

// One quantity of every run of both groups.
struct Both {
    Values before;
    Values after;
};

template <class Of>
Both values_of(std::span<const Audit> before, std::span<const Audit> after, Of of) {
    Both both;
    for (const Audit& audit : before) both.before.push_back(of(audit));
    for (const Audit& audit : after) both.after.push_back(of(audit));
    return both;
}

using Pace = std::optional<double> (*)(const Audit& audit);

// How fast the steps were: what a burst of other work on the machine did to some of them is left out where there are
// enough steps, and steps are counted where batches were used again and their samples are not known.
constexpr std::array<Pace, 3> paces{[](const Audit& audit) { return audit.steady.typical_samples_per_second; },
                                    [](const Audit& audit) { return audit.steady.samples_per_second; },
                                    [](const Audit& audit) {
                                        const double step = audit.steady.step_seconds_median.value_or(0);
                                        return step > 0 ? std::optional(1 / step) : std::nullopt;
                                    }};

// The first of them that all runs have: one by samples and one by steps could not be compared.
std::optional<Both> paces_of(std::span<const Audit> before, std::span<const Audit> after) {
    for (const Pace pace : paces) {
        const auto known = [&](const Audit& audit) {
            const double value = pace(audit).value_or(0);
            return value > 0 && std::isfinite(value);
        };
        if (std::ranges::all_of(before, known) && std::ranges::all_of(after, known)) {
            return values_of(before, after, [&](const Audit& audit) { return *pace(audit); });
        }
    }
    return std::nullopt;
}

Both logarithms(Both both) {
    for (double& value : both.before) value = std::log(value);
    for (double& value : both.after) value = std::log(value);
    return both;
}

Values differences(const Both& both) {
    Values of_pairs(both.before.size());
    for (std::size_t i = 0; i < of_pairs.size(); ++i) of_pairs[i] = both.after[i] - both.before[i];
    return of_pairs;
}

struct Judged {
    std::optional<stats::MeanInterval> interval;
    Spread spread = Spread::unknown;
    double deviation = 0;
};

stats::KnownDeviation own_deviation(const Both& both) {
    const std::array<std::span<const double>, 2> groups{both.before, both.after};
    return stats::pooled_deviation(groups);
}

double width(const stats::MeanInterval& interval) { return interval.high - interval.low; }

// Runs of one group may have been made one after the other, in a quiet hour or another: what is known of the machine
// counts where it is more than they themselves show.
Judged judge_groups(const Both& both, const stats::KnownDeviation& known) {
    Judged judged;
    if (both.before.size() > 1 && both.after.size() > 1) {
        judged = {stats::difference_interval(both.before, both.after, confidence), Spread::groups,
                  own_deviation(both).deviation};
    }
    if (known.degrees < fewest_degrees) return judged;
    const stats::MeanInterval of_machine = stats::difference_interval(both.before, both.after, known, confidence);
    if (judged.interval && width(*judged.interval) >= width(of_machine)) return judged;
    return {of_machine, Spread::machine, known.deviation};
}

Judged judge(const Both& both, const stats::KnownDeviation& known, bool by_turns) {
    if (!by_turns) return judge_groups(both, known);
    const Values of_pairs = differences(both);
    const std::array<std::span<const double>, 1> one{of_pairs};
    return {stats::mean_interval(of_pairs, confidence), Spread::pairs,
            stats::pooled_deviation(one).deviation / std::sqrt(2.0)};
}

double mean_of(const Values& values) { return stats::mean(values).value_or(0); }

Estimate ratio_of(const Both& logs, const Judged& judged) {
    Estimate ratio{std::exp(mean_of(logs.after) - mean_of(logs.before)), {}, {}};
    if (judged.interval) {
        ratio.low = std::exp(judged.interval->low);
        ratio.high = std::exp(judged.interval->high);
    }
    return ratio;
}

// Seconds of an entry do not follow what is known of speeds.
ComparedPart part_of(std::string name, const Both& seconds, bool by_turns) {
    ComparedPart part;
    part.name = std::move(name);
    part.before_seconds = mean_of(seconds.before);
    part.after_seconds = mean_of(seconds.after);
    part.difference.value = part.after_seconds - part.before_seconds;
    if (const Judged judged = judge(seconds, {}, by_turns); judged.interval) {
        part.difference.low = judged.interval->low;
        part.difference.high = judged.interval->high;
    }
    return part;
}

ComparedSide side_of(std::span<const Audit> group) {
    ComparedSide side;
    side.command = group.front().run.command;
    for (const Audit& audit : group) {
        const std::optional<double>& typical = audit.steady.typical_samples_per_second;
        side.runs.push_back(
            {audit.run.id, audit.ranks.front().wall_seconds, typical ? typical : audit.steady.samples_per_second});
    }
    return side;
}

bool below(const std::optional<Estimate>& ratio, double bound) { return ratio && ratio->high && *ratio->high < bound; }
bool above(const std::optional<Estimate>& ratio, double bound) { return ratio && ratio->low && *ratio->low > bound; }

void decide(Comparison& comparison) {
    const std::optional<Estimate> run = comparison.run;
    const double allowed = 1 - comparison.max_regression;
    comparison.regression = below(comparison.steps, allowed) || below(run, allowed);
    if (comparison.spread == Spread::unknown) {
        comparison.verdict = Verdict::unknown;
    } else if (below(comparison.steps, 1) || below(run, 1)) {
        comparison.verdict = Verdict::slower;
    } else if (above(comparison.steps, 1) || above(run, 1)) {
        comparison.verdict = Verdict::faster;
    } else {
        comparison.verdict = Verdict::no_difference;
    }
}

}  // namespace

RunSpread spread_of(std::span<const run::EqualRuns> groups, const std::set<std::string>& compared) {
    std::vector<Values> steps, runs;
    const auto add_logarithm = [](Values& values, double value) {
        if (value > 0 && std::isfinite(value)) values.push_back(std::log(value));
    };
    for (const run::EqualRuns& group : groups) {
        Values of_steps, of_runs;
        for (const run::EqualRun& one : group.runs) {
            if (compared.contains(one.id)) continue;
            add_logarithm(of_steps, one.samples_per_second.value_or(0));
            add_logarithm(of_runs, one.wall_seconds);
        }
        steps.push_back(std::move(of_steps));
        runs.push_back(std::move(of_runs));
    }
    const auto pooled = [](const std::vector<Values>& all) {
        const std::vector<std::span<const double>> spans(all.begin(), all.end());
        return stats::pooled_deviation(spans);
    };
    return {pooled(steps), pooled(runs)};
}

Result<Comparison> compare(std::span<const Audit> before, std::span<const Audit> after, const CompareOptions& options) {
    const Result<ComparedWork> work = same_work(before, after);
    if (!work) return tl::unexpected<Error>(work.error());
    Comparison comparison;
    comparison.before = side_of(before);
    comparison.after = side_of(after);
    comparison.machine = before.front().run.machine;
    comparison.work = *work;
    comparison.max_regression = options.max_regression;
    // A shorter run is a faster one.
    const Both runs =
        logarithms(values_of(before, after, [](const Audit& audit) { return 1 / audit.ranks.front().wall_seconds; }));
    Judged judged = judge(runs, options.known.run, options.by_turns);
    comparison.run = ratio_of(runs, judged);
    if (const std::optional<Both> steps = work->trained ? paces_of(before, after) : std::nullopt) {
        const Judged of_steps = judge(logarithms(*steps), options.known.steps, options.by_turns);
        comparison.steps = ratio_of(logarithms(*steps), of_steps);
        if (of_steps.interval) judged = of_steps;  // what the deviation is told of
    }
    comparison.spread = judged.spread;
    if (judged.interval) comparison.deviation = judged.deviation;
    for (std::size_t i = 0; i < entry_count; ++i) {
        const auto seconds = [i](const Audit& audit) { return audit.ranks.front().seconds[i]; };
        comparison.parts.push_back(
            part_of(std::string(name(static_cast<Entry>(i))), values_of(before, after, seconds), options.by_turns));
    }
    decide(comparison);
    return comparison;
}

}  // namespace headrace::audit
