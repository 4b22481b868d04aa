// The loop of a trainer and its loader as costs: what src/replay needs to run it again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "audit/ranks.h"
#include "audit/training.h"
#include "headrace/result.h"
#include "replay/predict.h"

namespace headrace::audit {

// What the batches of a loop took of a worker's CPU, in seconds of all of them together.
struct FetchCosts {
    double samples = 0;
    double cpu = 0;  // of the fetches, less their collation
    double collate = 0;
};

// Of one batch, what its samples alone took: its collation and its way to the training thread are left out.
struct SampleCost {
    double cpu = 0;      // seconds, as those of replay::BatchCost
    double samples = 0;  // 0: unknown
};

struct RecordedLoop {
    replay::Loop loop;             // one step for each batch; as many passes as there were
    std::vector<double> measured;  // seconds of each step with its wait; what is no step is left out
    std::size_t pass = 0;          // one of those passes: its loader is that of all of them
    FetchCosts fetched;
    std::vector<SampleCost> samples;  // of each batch of the loop
    std::optional<double> send;       // CPU seconds of a worker to send a batch; absent where there is none
};

// What threads that are busy at once lose to each other. Where it was not measured: what it was on the machines that
// were tried.
struct Contention {
    // A busy core does so much of the work that it does alone when another one is busy beside it: 0.7 to 0.8 were seen.
    double added_by_a_core = 0.85;
    // What the threads of a gang do of their work, beside their part of the cores, when one of them has to wait for a
    // core and the others spin: 0.4 to 0.65.
    double gang = 0.5;
};

// The ranks that a trainer is one of, all of them recorded.
struct RankGroup {
    std::uint64_t ranks = 1;
    std::vector<RankWait> waits;  // of this trainer for the last of the others, in order
};

// What is known of a loop beside its recording.
struct LoopContext {
    RankGroup group = {};
    Contention contention = {};
    // Seconds of a step whose batch is there, with all that a device does for it; absent where it was not measured.
    std::optional<double> whole_step = {};
};

// Of the trainer of a whole run. Errors, each a sentence without its final stop for the reader of a report:
// unsupported where the replay has no model of how this program is fed; not_enough_data where too little was recorded.
Result<RecordedLoop> recorded_loop(const Recording& recording, const Trainer& trainer, const LoopContext& context = {});

}  // namespace headrace::audit
