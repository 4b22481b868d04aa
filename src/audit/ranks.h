// Waiting for other ranks that hides inside backward: no call of Python shows it where DDP reduces gradients.
#pragma once

#include <functional>
#include <vector>

#include "audit/timeline.h"
#include "audit/training.h"

namespace headrace::audit {

// Whether these are all ranks of one group, so that what each waited for is known. One rank alone is none.
bool are_one_group(const std::vector<Trainer>& trainers);

// A wait of one rank: from the begin of its backward to the time at which the last rank began its own.
struct RankWait {
    Nanoseconds begin;
    Nanoseconds end;
};

// What each rank waited, at the backward of every step, for the last rank to begin its own: in order, for each trainer.
// Only for ranks that are one group: their clock is one.
std::vector<std::vector<RankWait>> waits_for_ranks(const Recording& recording, const std::vector<Trainer>& trainers);

// Gives what a rank waited to sync: cuts the segments of its backwards at the end of each wait. They come in order, and
// go on to `emit` as they came or in two parts.
class SyncCut {
public:
    explicit SyncCut(const std::vector<RankWait>& waits) : waits_(waits) {}

    void cut(Segment segment, const std::function<void(const Segment&)>& emit);

private:
    const std::vector<RankWait>& waits_;
    std::size_t next_ = 0;
};

}  // namespace headrace::audit
