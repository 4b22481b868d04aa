#include "audit/batches.h"

#include <algorithm>
#include <cstdint>
#include <set>

namespace headrace::audit {
namespace {

double overlap(Nanoseconds begin, Nanoseconds end, Nanoseconds from, Nanoseconds to) {
    return static_cast<double>(std::max<Nanoseconds>(0, std::min(end, to) - std::max(begin, from)));
}

double& at(std::array<double, stage_count>& stages, Stage stage) { return stages[static_cast<std::size_t>(stage)]; }

// Of so many threads that want to run, the share that has no core at a time.
double without_core(double threads, double cores) { return std::max(0.0, 1 - cores / threads); }

// How many threads of other programs wanted to run, for a fetch to wait for a core for `queue` of its time: the
// training thread wanted one only in `busy` of it, the other workers all the time.
double foreign_threads(double queue, double waiting, double busy, double workers, double cores) {
    double least = 0;
    double most = 1000;
    for (int i = 0; i < 30; ++i) {
        const double middle = (least + most) / 2;
        const double explained =
            waiting * without_core(workers + middle, cores) + busy * without_core(workers + 1 + middle, cores);
        (explained < queue ? least : most) = middle;
    }
    return least;
}

// How much of a fetch's run-queue time fell into the part of it that was waited for. Workers compete with each other
// and with other programs all the time, and with the training thread only while that one does not wait.
double queue_while_waiting(const Fetch& fetch, double whole, double wall, double workers, double cores) {
    constexpr double least = 0.05;  // the kernel's own threads
    const double queue = std::min(fetch.run_queue, whole);
    const double foreign = foreign_threads(queue, wall, whole - wall, workers, cores);
    const double waiting = wall * std::max(least, without_core(workers + foreign, cores));
    const double other = (whole - wall) * std::max(least, without_core(workers + 1 + foreign, cores));
    return std::min(queue * waiting / (waiting + other), wall);
}

// Splits `wall` nanoseconds of a wait for the fetch proper by what the fetch as a whole did.
void divide_fetch(const Fetch& fetch, double wall, double system, double workers, double cores,
                  std::array<double, stage_count>& stages) {
    const auto whole = static_cast<double>(fetch.collate_begin - fetch.begin);
    wall = std::min(wall, whole);
    if (whole <= 0 || wall <= 0) {
        return;
    }
    const double queue = queue_while_waiting(fetch, whole, wall, workers, cores) / wall;
    const double running = whole - std::min(fetch.run_queue, whole);
    const double cpu = running > 0 ? std::min(fetch.cpu / running, 1.0) * (1 - queue) : 0;
    at(stages, Stage::workers) += wall * queue;
    at(stages, Stage::read) += wall * cpu * system;
    at(stages, Stage::decode) += wall * cpu * (1 - system);
    at(stages, Stage::storage) += wall * (1 - queue - cpu);
}

void divide_collate(const Fetch& fetch, double wall, std::array<double, stage_count>& stages) {
    const auto whole = static_cast<double>(fetch.collate_end - fetch.collate_begin);
    if (whole <= 0 || wall <= 0) {
        return;
    }
    const double queue = std::min(fetch.collate_queue / whole, 1.0);
    at(stages, Stage::workers) += wall * queue;
    at(stages, Stage::collate) += wall * (1 - queue);
}

// Divides the part of a wait for a loader from `begin` to `end`.
void divide_wait(const BatchWait& wait, Nanoseconds begin, Nanoseconds end, const Machinery& machinery,
                 std::array<double, stage_count>& stages) {
    const bool has_workers = !wait.pass->workers.empty();
    if (!wait.fetch) {  // no batch came (the end of an epoch), or its worker's record is lost
        at(stages, has_workers ? Stage::workers : Stage::transport) += static_cast<double>(end - begin);
        return;
    }
    const Fetch& fetch = *wait.fetch;
    at(stages, has_workers ? Stage::workers : Stage::transport) += overlap(begin, end, begin, fetch.begin);
    const double workers = has_workers ? static_cast<double>(wait.pass->workers.size()) : 1;
    const double system = fetch.unfinished ? 0 : machinery.system_share;
    divide_fetch(fetch, overlap(begin, end, fetch.begin, fetch.collate_begin), system, workers, machinery.cores,
                 stages);
    divide_collate(fetch, overlap(begin, end, fetch.collate_begin, fetch.collate_end), stages);
    at(stages, Stage::transport) += overlap(begin, end, fetch.collate_end, end);
}

// What the workers that feed the steps fetched; what all did where they have none.
Fetch fetched_for_training(const Recording& recording, const Trainer& trainer) {
    std::set<std::uint32_t> pids;
    for (const Pass& pass : trainer.passes) {
        if (pass.training) pids.insert(pass.workers.begin(), pass.workers.end());
    }
    for (const Trainer& background : trainer.background) {
        for (const Pass& pass : background.passes) pids.insert(pass.workers.begin(), pass.workers.end());
    }
    Fetch sum;
    for (const std::uint32_t pid : pids) {
        for (const std::size_t thread : recording.threads_in(pid)) sum += recording.threads[thread].fetched;
    }
    return sum.user + sum.system > 0 ? sum : recording.fetched;
}

Machinery machinery_of(const Recording& recording, const Trainer& trainer) {
    const Fetch fetched = fetched_for_training(recording, trainer);
    const double user = fetched.user, system = fetched.system;
    return {std::max(1.0, recording.run.info.machine.cores_usable), user + system > 0 ? system / (user + system) : 0};
}

}  // namespace

WaitDivision::WaitDivision(const Recording& recording, const Trainer& trainer)
    : machinery_(machinery_of(recording, trainer)),
      waits_(recording, trainer, trainer.steps.empty() ? 0 : trainer.steps.front(), false) {
    for (const Trainer& background : trainer.background) {
        background_.emplace_back(recording, background, trainer.steps.empty() ? 0 : trainer.steps.front(), true);
    }
}

// What the thread that loads ahead was waiting for meanwhile; its own work on a batch is transport.
void WaitDivision::divide_handover(const Segment& segment, std::array<double, stage_count>& stages) {
    auto left = static_cast<double>(segment.end - segment.begin);
    for (BatchWaits& background : background_) {
        background.overlapping(segment.begin, segment.end, [&](const BatchWait& wait) {
            const Nanoseconds begin = std::max(wait.span.start, segment.begin);
            const Nanoseconds end = std::min(end_of(wait.span), segment.end);
            const auto common = static_cast<double>(end - begin);
            if (common > left) {  // two threads that load at the same time do not make the wait longer
                return;
            }
            if (kind(wait.span) == Kind::wait) {
                divide_wait(wait, begin, end, machinery_, stages);
            } else {
                at(stages, Stage::transport) += common;
            }
            left -= common;
        });
    }
    at(stages, Stage::transport) += left;
}

void WaitDivision::divide(const Segment& segment, std::array<double, stage_count>& stages) {
    const auto whole = static_cast<double>(segment.end - segment.begin);
    const Kind what = segment.span != nullptr ? kind(*segment.span) : Kind::none;
    if (what == Kind::handover) {
        divide_handover(segment, stages);
    } else if (what != Kind::wait) {
        // A later epoch's workers being started; nothing divides what the program marked as input.
        at(stages, what == Kind::phase ? Stage::transport : Stage::workers) += whole;
    } else if (const BatchWait* wait = waits_.at(segment.span->start)) {
        divide_wait(*wait, segment.begin, segment.end, machinery_, stages);
    } else {
        at(stages, Stage::transport) += whole;
    }
}

Throughput WaitDivision::count() {
    if (background_.empty()) {
        return waits_.count();
    }
    Throughput sum;
    for (BatchWaits& background : background_) {
        sum += background.count();
    }
    return sum;
}

}  // namespace headrace::audit
