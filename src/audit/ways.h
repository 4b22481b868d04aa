// How the batches of a loop came from its workers to the training thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "audit/waits.h"
#include "headrace/ledger.h"
#include "replay/predict.h"

namespace headrace::audit {

class BatchWays {
public:
    // `device`: whether the program uses one, so that a loader that pins its memory does so.
    void begin_pass(const Pass& pass, const Loader& loader, bool device);

    // The wait that got a batch of this pass, in the order of the waits; `batch` is its place in the loop. Passes
    // without workers have no ways.
    void take(const BatchWait& wait, std::uint32_t batch);

    // Forgets that of the last batch, where it has one, and what is known of its pass.
    void drop(std::uint32_t batch);

    bool empty() const noexcept { return ways_.empty(); }

    // Sets what the ways cost each batch of the loop, and its start. `receive` and `send`: CPU seconds of a batch.
    void set(replay::Loop& loop, double receive, double send) const;

private:
    // Seconds from the end of a batch's fetch to the begin and to the end of taking it. One for each step of a long
    // run: in single precision.
    struct Way {
        std::uint32_t batch;
        float asked;
        float taken;
        bool received;  // by the training thread from the worker itself, and recorded
        bool busy;      // its worker was at another fetch while it was taken
    };

    // The same of the last ones of a worker, on the clock of the run.
    struct Recent {
        std::size_t way;
        Nanoseconds made;
        Nanoseconds begin;
        Nanoseconds end;
    };

    std::vector<Way> ways_;
    std::vector<double> starts_;  // nanoseconds until a worker began a fetch that it was asked for and could begin

    // Of this pass.
    std::size_t asked_ahead_ = 0;     // batches
    bool pinned_ = false;             // by a thread of the program, which takes them from workers
    std::vector<Nanoseconds> taken_;  // when each batch was
    std::unordered_map<std::uint32_t, std::vector<Recent>> last_;  // of each worker
};

}  // namespace headrace::audit
