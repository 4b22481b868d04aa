#include "audit/ways.h"

#include <algorithm>

#include "stats/quantile.h"

namespace headrace::audit {
namespace {

constexpr std::size_t enough_starts = 20000;
constexpr double sent_for_sure = 1e-3;  // seconds after the CPU time of sending

// Of a batch that was not recorded as it came out of the queue: the wait for it.
Received taking_of(const BatchWait& wait) {
    return wait.received.value_or(Received{wait.span.start, end_of(wait.span)});
}

}  // namespace

void BatchWays::begin_pass(const Pass& pass, const Loader& loader, bool device) {
    taken_.clear();
    last_.clear();
    pinned_ = loader.pin_memory && device;
    asked_ahead_ = pass.workers.size() * std::max<std::size_t>(1, loader.prefetch_factor.value_or(2));
}

// A worker begins a fetch when it is done with the one before and has been asked for it: when a batch was taken that
// many before. What is between is the way of the request, and the interpreter's lock that another thread has.
void BatchWays::take(const BatchWait& wait, std::uint32_t batch) {
    if (wait.pass->workers.empty()) return;
    const std::size_t number = taken_.size();
    taken_.push_back(end_of(wait.span));
    if (!wait.fetch) return;
    const Received taken = taking_of(wait);
    const auto after = [&](Nanoseconds at) { return static_cast<float>(at - wait.fetch->end) * 1e-9F; };
    ways_.push_back({batch, after(taken.begin), after(taken.end), wait.received.has_value() && !pinned_, false});
    std::vector<Recent>& last = last_[wait.fetch->worker];
    if (!last.empty() && starts_.size() < enough_starts) {
        const Nanoseconds asked = number < asked_ahead_ ? wait.pass->iter_begin : taken_[number - asked_ahead_];
        starts_.push_back(static_cast<double>(wait.fetch->begin - std::max(asked, last.back().made)));
    }
    std::erase_if(last, [&](const Recent& recent) { return recent.end < wait.fetch->begin; });
    for (const Recent& recent : last) {
        ways_[recent.way].busy = ways_[recent.way].busy || recent.begin < wait.fetch->end;
    }
    last.push_back({ways_.size() - 1, wait.fetch->end, taken.begin, taken.end});
}

void BatchWays::drop(std::uint32_t batch) {
    if (!ways_.empty() && ways_.back().batch == batch) ways_.pop_back();
    last_.clear();
}

// What is there when it is asked for is still waited for: its memory is handed over by a thread of the worker, which
// needs the interpreter's lock that the worker's next fetch holds. So does the thread that sends, and how long either
// takes differs from batch to batch. What was not there came later by its transit; of what was, that is at most the
// time that there was, and those of others stand for it, in their order.
void BatchWays::set(replay::Loop& loop, double receive, double send) const {
    const auto was_there = [&](const Way& way) { return way.asked > send + sent_for_sure; };
    const auto handed = [&](const Way& way) { return std::max(0.0, way.taken - way.asked - receive); };
    std::vector<double> handovers, idle, transits;
    for (const Way& way : ways_) {
        if (was_there(way) && way.received) (way.busy ? handovers : idle).push_back(handed(way));
        if (!was_there(way)) transits.push_back(std::max(0.0, way.taken - send - receive));
    }
    // Where no batch shows it, it is a part of the transit.
    const double alone = stats::median(idle).value_or(0);
    const double handover = std::max(alone, stats::median(handovers).value_or(0));
    for (double& transit : transits) transit = std::max(0.0, transit - handover);
    loop.configuration.handover = alone;
    loop.configuration.start = std::max(0.0, stats::median(starts_).value_or(0) * 1e-9);
    loop.message = send;
    for (replay::BatchCost& batch : loop.batches) {
        batch.cpu += send;
        batch.receive = receive;
        batch.handover = handover;
    }
    std::size_t late = 0, there = 0;
    for (const Way& way : ways_) {
        replay::BatchCost& batch = loop.batches[way.batch];
        if (!was_there(way)) {
            batch.transit = transits[late++];
            continue;
        }
        if (way.received && way.busy) batch.handover = handed(way);
        const double other = transits.empty() ? 0 : transits[there++ % transits.size()];
        batch.transit = std::min(way.asked - send, other);
    }
}

}  // namespace headrace::audit
