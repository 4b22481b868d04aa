// The right number of loader workers, as a prediction: what each joint point of workers and prefetch factor would make
// of the loop that was recorded.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "headrace/finding.h"
#include "replay/points.h"

namespace headrace::input {

using replay::model_error;
using replay::ThreadPoint;
using replay::with_threads;

// The loop of a run and its loader. `recorded` has at least one step and must outlive this.
struct LoaderUse {
    const replay::Loop& recorded;
    replay::Transport transport = {};  // of its batches
    double loop_seconds = 0;           // that the run spent in steps with their waits
    double wait_share = 0;             // of them, for input
    bool persistent = false;
    std::uint64_t passes = 1;  // over the loader
    bool made_anew = false;    // the loader, for each pass: its workers cannot stay
    // Other numbers of intra-op threads whose steps were measured; empty where none was.
    std::span<const ThreadPoint> threads = {};
    bool contention_measured = false;  // what busy cores lose to each other is that of this program
    bool divides_itself = false;       // the dataset is a stream, of which each worker takes its part
};

// The same loop with another number of workers.
replay::Loop with_workers(const LoaderUse& use, unsigned workers, unsigned prefetch_factor);

// The joint point that is predicted to be fastest, as the finding input.workers, or compute.threads where it changes
// the threads alone; none where no point wins 5 %. Its evidence says what each part of it brings, where it has several.
std::optional<Finding> advise_workers(const LoaderUse& use);

}  // namespace headrace::input
