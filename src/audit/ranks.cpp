#include "audit/ranks.h"

#include <algorithm>

namespace headrace::audit {
namespace {

// The backwards of one step after another.
class StepBackwards {
public:
    StepBackwards(const Recording& recording, const Trainer& trainer) : spans_(recording, trainer) {}

    // Those that began before `step_end` and after the steps before.
    const std::vector<Range>& until(Nanoseconds step_end) {
        backwards_.clear();
        for (const Span* span = spans_.peek(); span != nullptr && span->start < step_end;
             spans_.pop(), span = spans_.peek()) {
            if (kind(*span) == Kind::backward) {
                backwards_.push_back({span->start, end_of(*span)});
            }
        }
        return backwards_;
    }

private:
    TrainerSpans spans_;
    std::vector<Range> backwards_;
};

using Same = std::vector<Range>;  // one backward of each rank

// The waits of all ranks at one backward of one step. One that had ended before the last rank began did not wait for
// it: it reduced nothing, as under no_sync, or an accelerator does that later.
void match(const Same& same, std::vector<std::vector<RankWait>>& waits) {
    Nanoseconds last = 0;
    for (const Range& backward : same) {
        last = std::max(last, backward.begin);
    }
    for (std::size_t rank = 0; rank < same.size(); ++rank) {
        if (same[rank].begin < last && last <= same[rank].end) {
            waits[rank].push_back({same[rank].begin, last});
        }
    }
}

// From the last backward of a step back: what a rank does more than the others, it does before.
void match_step(const std::vector<const std::vector<Range>*>& ranks, std::vector<std::vector<RankWait>>& waits) {
    std::size_t common = ranks.front()->size();
    for (const auto* rank : ranks) {
        common = std::min(common, rank->size());
    }
    for (std::size_t from_end = common; from_end >= 1; --from_end) {
        Same same;
        for (const auto* rank : ranks) {
            same.push_back((*rank)[rank->size() - from_end]);
        }
        match(same, waits);
    }
}

}  // namespace

bool are_one_group(const std::vector<Trainer>& trainers) {
    return trainers.size() > 1 && std::all_of(trainers.begin(), trainers.end(),
                                              [&](const Trainer& trainer) { return trainer.world == trainers.size(); });
}

std::vector<std::vector<RankWait>> waits_for_ranks(const Recording& recording, const std::vector<Trainer>& trainers) {
    std::vector<StepBackwards> readers;
    std::size_t steps = trainers.front().steps.size();
    for (const Trainer& trainer : trainers) {
        readers.emplace_back(recording, trainer);
        steps = std::min(steps, trainer.steps.size());
    }
    std::vector<std::vector<RankWait>> waits(trainers.size());
    std::vector<const std::vector<Range>*> backwards(trainers.size());
    for (std::size_t step = 0; step < steps; ++step) {
        for (std::size_t rank = 0; rank < trainers.size(); ++rank) {
            backwards[rank] = &readers[rank].until(trainers[rank].steps[step]);
        }
        match_step(backwards, waits);
    }
    return waits;
}

void SyncCut::cut(Segment segment, const std::function<void(const Segment&)>& emit) {
    while (next_ < waits_.size() && waits_[next_].end <= segment.begin) {
        ++next_;
    }
    const bool waited = next_ < waits_.size() && segment.entry == Entry::compute_backward &&
                        segment.span->start == waits_[next_].begin && segment.begin < waits_[next_].end;
    if (waited) {
        const Nanoseconds end = std::min(segment.end, waits_[next_].end);
        emit({segment.begin, end, Entry::sync, segment.span});
        segment.begin = end;
    }
    if (segment.begin < segment.end) {
        emit(segment);
    }
}

}  // namespace headrace::audit
