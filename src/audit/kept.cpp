#include "audit/kept.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "audit/waits.h"

namespace headrace::audit {
namespace {

// Of steps 1 and later; step_times[i] is that of step i + 1.
std::vector<std::size_t> chosen_steps(const std::vector<Nanoseconds>& step_times, const KeptLimits& limits) {
    const std::size_t count = step_times.size();
    std::vector<std::size_t> steps(count);
    std::iota(steps.begin(), steps.end(), std::size_t{1});
    const std::size_t slowest = std::min(limits.slowest_steps, count);
    std::partial_sort(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(slowest), steps.end(),
                      [&](std::size_t x, std::size_t y) {
                          const Nanoseconds one = step_times[x - 1], other = step_times[y - 1];
                          return one != other ? one > other : x < y;
                      });
    steps.resize(slowest);
    for (std::size_t step = 1; step <= std::min(limits.first_steps, count); ++step) {
        steps.push_back(step);
    }
    for (std::size_t i = 0; i < limits.spread_steps && count > 0; ++i) {
        steps.push_back(1 + i * count / limits.spread_steps);
    }
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
    return steps;
}

// Where a span's text says something of the span before it, both are kept or none.
bool is_addition(const Span& span) {
    if (kind(span) != Kind::text) {
        return false;
    }
    const auto what = static_cast<spool::TextKind>(span.b);
    return what == spool::TextKind::import_name || what == spool::TextKind::loader_config ||
           what == spool::TextKind::phase_name;
}

}  // namespace

KeptSpans::KeptSpans(const Recording& recording, const Analysis& analysis, const KeptLimits& limits)
    : recording_(recording), limits_(limits) {
    all_ = std::accumulate(recording.kinds.begin(), recording.kinds.end(), std::uint64_t{0}) <= limits.whole;
    if (!all_) {
        limits_.first_spans = std::max<std::uint64_t>(10, limits.first_spans / recording.threads.size());
        choose_steps(analysis);
    }
}

// The same steps of every rank.
void KeptSpans::choose_steps(const Analysis& analysis) {
    const std::size_t ranks = analysis.trainers.size();
    KeptLimits each = limits_;
    each.first_steps = limits_.first_steps / ranks;
    each.slowest_steps = limits_.slowest_steps / ranks;
    each.spread_steps = limits_.spread_steps / ranks;
    const std::vector<std::size_t> chosen = chosen_steps(analysis.step_times, each);
    for (const Trainer& trainer : analysis.trainers) {
        std::vector<Range> steps;
        for (const std::size_t step : chosen) {
            if (step < trainer.steps.size()) {
                steps.push_back({trainer.steps[step - 1], trainer.steps[step]});
            }
        }
        unite(steps);
        choose_fetches(trainer, steps);
        for (const Trainer& background : trainer.background) {
            choose_fetches(background, steps);
        }
        std::vector<Range>& own = ranges_[trainer.life.pid];
        own.insert(own.end(), steps.begin(), steps.end());
    }
    for (auto& [pid, ranges] : ranges_) {
        unite(ranges);
    }
}

// From the begin of each fetch that a chosen step waited for to the end of that wait.
void KeptSpans::choose_fetches(const Trainer& trainer, const std::vector<Range>& steps) {
    BatchWaits waits(recording_, trainer, 0, false);
    for (const Range& step : steps) {
        waits.overlapping(step.begin, step.end, [&](const BatchWait& wait) {
            if (wait.fetch && wait.fetch->worker != 0) {
                ranges_[wait.fetch->worker].push_back({wait.fetch->begin, end_of(wait.span)});
            }
        });
    }
}

bool KeptSpans::keep(std::size_t thread, const Span& span) {
    if (all_) {
        return true;
    }
    if (seen_ == 0 || thread != thread_) {
        thread_ = thread;
        seen_ = 0;
        at_ = 0;
        const auto ranges = ranges_.find(recording_.run.threads[thread].pid);
        of_thread_ = ranges != ranges_.end() ? &ranges->second : nullptr;
    }
    ++seen_;
    kept_last_ = is_addition(span) ? kept_last_ : wanted(span);
    return kept_last_;
}

bool KeptSpans::wanted(const Span& span) {
    if (seen_ <= limits_.first_spans || span.open || kind(span) == Kind::text ||
        recording_.kinds[span.kind] <= limits_.rare) {
        return true;
    }
    if (of_thread_ == nullptr) {
        return false;
    }
    const std::vector<Range>& ranges = *of_thread_;
    while (at_ < ranges.size() && ranges[at_].end <= span.start) {
        ++at_;
    }
    while (at_ > 0 && ranges[at_ - 1].end > span.start) {  // an outer span: it began before those that stand before it
        --at_;
    }
    return at_ < ranges.size() && ranges[at_].begin <= span.start;
}

}  // namespace headrace::audit
