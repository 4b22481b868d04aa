// Other points of a recorded loop: numbers of workers and of threads, prefetch factors; which is fastest, and how far
// the model can be trusted about it. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "replay/predict.h"

namespace headrace::replay {

// A number of intra-op threads: what a step takes of the CPU with them, of what it takes as recorded, nothing else
// busy; and what is left of its speed where it is crowded (Configuration::gang).
struct ThreadPoint {
    unsigned threads = 1;
    double step = 1;
    double gang = 1;
    double spread = 0;  // standard deviation of the logarithm of `step`, by what its measurement varied
};

struct Point {
    unsigned workers = 0;
    unsigned prefetch_factor = 2;
    const ThreadPoint* threads = nullptr;  // null: as they are
};

// What a batch costs more that a worker makes, in seconds of CPU but for `transit`: a guess where the
// run did not show it, from its size and from what shared memory costs on the machine. By itself it is that of a batch
// of no size.
struct Transport {
    double write = 0;          // of the worker, to collate into shared memory
    double send = 0.6e-3;      // of the worker
    double transit = 1e-3;     // no core's
    double receive = 1e-3;     // of the training thread
    double handover = 0.6e-3;  // no core's; whatever its worker does
    double read = 0;           // of the step, whose batch lies in that memory
    double worker_cpu = 0;     // of the worker for all of a batch, where that was measured; 0: it was not

    // `bytes` of a batch, and the seconds for each that is written and read.
    static Transport of(double bytes, double write, double read) noexcept;
};

// What the words of a fix add where more workers share a stream.
inline constexpr std::string_view part_for_each_worker =
    "; its IterableDataset has to have a part for each of them, such as a shard";

// Whether both mean the same arguments of a loader: without workers there is no prefetch factor.
bool same_loader(const Point& x, const Point& y) noexcept;

// The point that the loop was recorded at.
Point point_of(const Loop& recorded) noexcept;

// The same loop with another number of workers. Where it had none, or is to have none, its batches come to cost what
// `transport` says more, or less.
Loop with_workers(const Loop& recorded, const Transport& transport, unsigned workers, unsigned prefetch_factor);

// The same loop with other threads.
Loop with_threads(Loop loop, const ThreadPoint& threads);

// The same loop at a point.
Loop at(const Loop& recorded, const Transport& transport, const Point& point);

// The smallest point among those that are as fast as the fastest, but for 2 %: 0 to twice the cores workers (at most
// 16), prefetch factors of 2 and 4, each of `threads` and as they are.
Point best_point(const Loop& recorded, const Transport& transport, std::span<const ThreadPoint> threads);

// What one part of a change brings by itself: samples a second with it alone, of those as recorded.
struct Part {
    std::string_view name;
    double ratio = 1;
};

// Those of a point that differ from the loop as it was recorded: workers, prefetch, threads.
std::vector<Part> parts_of(const Loop& recorded, const Transport& transport, const Point& point);

// "Workers alone 1.31x, threads alone 1.05x, together 1.52x." Empty where it is one part.
std::string in_words(const std::vector<Part>& parts, double together);

// The middle of a long loop: enough to compare points by.
Loop middle_of(const Loop& loop);

// The standard deviation of the logarithm of a predicted ratio between the two, by what the model gets wrong.
// `measured`: what busy cores lose to each other was.
double model_error(const Loop& recorded, const Loop& changed, bool measured = false);

// The same by a spread of what was measured of the steps, between the ends of which the two loops lie: as much of it as
// the replay lets through, which is nothing where the loop waits for its loader.
double spread_of(const Loop& slower, const Loop& faster);

// That of the measurement of a point's threads; 0 where they stay.
double threads_error(const Loop& recorded, const Transport& transport, const Point& point);

}  // namespace headrace::replay
