#include "audit/ranks.h"

#include <algorithm>

namespace headrace::audit {
namespace {

using Spans = std::vector<const Span*>;

// The backwards of every step, outermost ones only.
std::vector<Spans> backwards_by_step(const Trainer& trainer) {
    std::vector<Spans> by_step(trainer.steps.size());
    std::size_t step = 0;
    for (const Span* span : trainer.spans) {
        if (kind(*span) != Kind::backward) {
            continue;
        }
        while (step < trainer.steps.size() && trainer.steps[step] <= span->start) {
            ++step;
        }
        if (step < trainer.steps.size()) {
            by_step[step].push_back(span);
        }
    }
    return by_step;
}

// A wait of one rank: from the begin of its backward to the time at which the last rank began its own.
struct Wait {
    const Span* backward;
    Nanoseconds end;
};

// The waits of all ranks at one backward of one step. One that had ended before the last rank began did not wait for
// it: it reduced nothing, as under no_sync, or an accelerator does that later.
void match(const Spans& same, std::vector<std::vector<Wait>>& waits) {
    Nanoseconds last = 0;
    for (const Span* backward : same) {
        last = std::max(last, backward->start);
    }
    for (std::size_t rank = 0; rank < same.size(); ++rank) {
        if (same[rank]->start < last && last <= end_of(*same[rank])) {
            waits[rank].push_back({same[rank], last});
        }
    }
}

// From the last backward of a step back: what a rank does more than the others, it does before.
void match_step(const std::vector<std::vector<Spans>>& ranks, std::size_t step, std::vector<std::vector<Wait>>& waits) {
    std::size_t common = ranks.front()[step].size();
    for (const auto& rank : ranks) {
        common = std::min(common, rank[step].size());
    }
    for (std::size_t from_end = common; from_end >= 1; --from_end) {
        Spans same;
        for (const auto& rank : ranks) {
            same.push_back(rank[step][rank[step].size() - from_end]);
        }
        match(same, waits);
    }
}

// Cuts the segments of the backwards at the end of each wait.
std::vector<Segment> with_waits(const std::vector<Segment>& segments, const std::vector<Wait>& waits) {
    std::vector<Segment> cut;
    cut.reserve(segments.size() + waits.size());
    auto wait = waits.begin();
    for (Segment segment : segments) {
        while (wait != waits.end() && wait->end <= segment.begin) {
            ++wait;
        }
        const bool waited = wait != waits.end() && segment.entry == Entry::compute_backward &&
                            segment.span == wait->backward && segment.begin < wait->end;
        if (waited) {
            const Nanoseconds end = std::min(segment.end, wait->end);
            cut.push_back({segment.begin, end, Entry::sync, segment.span});
            segment.begin = end;
        }
        if (segment.begin < segment.end) {
            cut.push_back(segment);
        }
    }
    return cut;
}

}  // namespace

bool are_one_group(const std::vector<Trainer>& trainers) {
    return trainers.size() > 1 && std::all_of(trainers.begin(), trainers.end(),
                                              [&](const Trainer& trainer) { return trainer.world == trainers.size(); });
}

void divide_backwards(const std::vector<Trainer>& trainers, std::vector<std::vector<Segment>>& segments) {
    std::vector<std::vector<Spans>> ranks;
    std::size_t steps = trainers.front().steps.size();
    for (const Trainer& trainer : trainers) {
        ranks.push_back(backwards_by_step(trainer));
        steps = std::min(steps, trainer.steps.size());
    }
    std::vector<std::vector<Wait>> waits(trainers.size());
    for (std::size_t step = 0; step < steps; ++step) {
        match_step(ranks, step, waits);
    }
    for (std::size_t rank = 0; rank < trainers.size(); ++rank) {
        segments[rank] = with_waits(segments[rank], waits[rank]);
    }
}

}  // namespace headrace::audit
