#include "audit/batches.h"

#include <algorithm>

namespace headrace::audit {
namespace {

double overlap(Nanoseconds begin, Nanoseconds end, Nanoseconds from, Nanoseconds to) {
    return static_cast<double>(std::max<Nanoseconds>(0, std::min(end, to) - std::max(begin, from)));
}

double& at(std::array<double, stage_count>& stages, Stage stage) { return stages[static_cast<std::size_t>(stage)]; }

// How much of a fetch's run-queue time fell into the part of it that was waited for. Workers compete with each other
// all the time, and with the training thread only while that one does not wait: of `threads` that want to run, `cores`
// do.
double queue_while_waiting(const Fetch& fetch, double whole, double wall, double workers, double cores) {
    constexpr double least = 0.05;  // other programs, and the kernel's own threads
    const auto short_of_cores = [&](double threads) { return std::max(least, 1 - cores / threads); };
    const double waiting = wall * short_of_cores(workers);
    const double other = (whole - wall) * short_of_cores(workers + 1);
    return std::min(std::min(fetch.run_queue, whole) * waiting / (waiting + other), wall);
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

const Pass* pass_with(const Trainer& trainer, const Span& wait) {
    for (auto pass = trainer.passes.rbegin(); pass != trainer.passes.rend(); ++pass) {
        if (pass->iterator == wait.a && pass->iter_begin <= wait.start) {
            return &*pass;
        }
    }
    return nullptr;
}

// The fetch that ran on the training thread inside this wait, where there are no workers.
const Span* own_fetch(const Trainer& trainer, const Span& wait) {
    auto inner = std::lower_bound(trainer.spans.begin(), trainer.spans.end(), wait.start,
                                  [](const Span* span, Nanoseconds t) { return span->start < t; });
    for (; inner != trainer.spans.end() && (*inner)->start < end_of(wait); ++inner) {
        if (kind(**inner) == Kind::fetch) {
            return *inner;
        }
    }
    return nullptr;
}

void set_own(Fetch& fetch, const Trainer& trainer, const Span& span) {
    fetch.begin = span.start;
    fetch.end = end_of(span);
    fetch.collate_begin = fetch.collate_end = fetch.end;
    fetch.cpu = static_cast<double>(span.a);
    auto inner = std::lower_bound(trainer.spans.begin(), trainer.spans.end(), span.start,
                                  [](const Span* s, Nanoseconds t) { return s->start < t; });
    for (; inner != trainer.spans.end() && (*inner)->start < fetch.end; ++inner) {
        if (kind(**inner) == Kind::collate) {
            fetch.collate_begin = (*inner)->start;
            fetch.collate_end = end_of(**inner);
            fetch.cpu -= static_cast<double>((*inner)->a);
            fetch.collate_queue = static_cast<double>((*inner)->b);
        } else if (kind(**inner) == Kind::fetch_samples) {
            fetch.run_queue = static_cast<double>((*inner)->b);
        }
    }
}

// What the thread that loads ahead was waiting for meanwhile; its own work on a batch is transport.
void divide_handover(const Trainer& trainer, const Batches& batches, const Segment& segment, double system,
                     std::array<double, stage_count>& stages) {
    auto left = static_cast<double>(segment.end - segment.begin);
    for (const Trainer& background : trainer.background) {
        auto wait = std::lower_bound(background.waits.begin(), background.waits.end(), segment.begin,
                                     [](const Span* span, Nanoseconds t) { return end_of(*span) <= t; });
        for (; wait != background.waits.end() && (*wait)->start < segment.end; ++wait) {
            const Nanoseconds begin = std::max((*wait)->start, segment.begin);
            const Nanoseconds end = std::min(end_of(**wait), segment.end);
            const auto common = static_cast<double>(end - begin);
            if (common <= left) {  // two threads that load at the same time do not make the wait longer
                divide_wait(background, batches, {begin, end, Entry::input_wait, *wait}, system, stages);
                left -= common;
            }
        }
    }
    at(stages, Stage::transport) += left;
}

}  // namespace

std::vector<Fetch> fetches_of(const ThreadRecord& thread) {
    std::vector<Fetch> fetches;
    Fetch next;
    bool collated = false;
    for (const Span& span : thread.spans) {
        switch (kind(span)) {
            case Kind::collate:
                next = Fetch{};
                collated = true;
                next.collate_begin = span.start;
                next.collate_end = end_of(span);
                next.cpu = -static_cast<double>(span.a);
                next.collate_queue = static_cast<double>(span.b);
                break;
            case Kind::fetch:
                if (!collated || next.collate_begin < span.start) {
                    next = Fetch{};
                    next.collate_begin = next.collate_end = end_of(span);
                }
                next.begin = span.start;
                next.end = end_of(span);
                next.cpu += static_cast<double>(span.a);
                next.samples = span.b;
                fetches.push_back(next);
                collated = false;
                break;
            case Kind::fetch_samples:
                if (!fetches.empty()) {
                    fetches.back().sample_wall = static_cast<double>(span.duration);
                    fetches.back().sample_cpu = static_cast<double>(span.a);
                    fetches.back().run_queue = static_cast<double>(span.b);
                }
                break;
            case Kind::fetch_io:
                if (!fetches.empty()) {
                    fetches.back().requested = static_cast<double>(span.a);
                    fetches.back().from_storage = static_cast<double>(span.b);
                }
                break;
            case Kind::cpu:
                if (!fetches.empty()) {
                    fetches.back().user = static_cast<double>(span.a);
                    fetches.back().system = static_cast<double>(span.b);
                }
                break;
            default:
                break;
        }
    }
    return fetches;
}

Batches::Batches(const Run& run) : cores_(std::max(1.0, run.info.machine.cores_usable)) {
    for (const ThreadRecord& thread : run.threads) {
        const std::vector<Fetch> fetches = fetches_of(thread);
        std::size_t done = 0;
        unsigned generation = 0;
        for (const Span& span : thread.spans) {
            if (kind(span) == Kind::fetch) {
                ++done;
            } else if (kind(span) == Kind::resume) {
                ++generation;
            } else if (kind(span) == Kind::put && done > 0) {
                by_batch_[{thread.pid, generation, span.b}] = fetches[done - 1];
            }
        }
    }
}

const Fetch* Batches::find(const Pass& pass, std::uint64_t number) const {
    for (const std::uint32_t worker : pass.workers) {
        const auto found = by_batch_.find({worker, pass.generation, number});
        if (found != by_batch_.end()) {
            return &found->second;
        }
    }
    return nullptr;
}

void divide_wait(const Trainer& trainer, const Batches& batches, const Segment& segment, double system,
                 std::array<double, stage_count>& stages) {
    const auto whole = static_cast<double>(segment.end - segment.begin);
    if (segment.span != nullptr && kind(*segment.span) == Kind::handover) {
        divide_handover(trainer, batches, segment, system, stages);
        return;
    }
    if (segment.span == nullptr || kind(*segment.span) != Kind::wait) {
        // A later epoch's workers being started; nothing divides what the program marked as input.
        at(stages, segment.span != nullptr && kind(*segment.span) == Kind::phase ? Stage::transport : Stage::workers) +=
            whole;
        return;
    }
    const Span& wait = *segment.span;
    const Pass* pass = pass_with(trainer, wait);
    Fetch own;
    const Fetch* fetch = nullptr;
    if (pass != nullptr && !pass->workers.empty()) {
        fetch = wait.b != spool::wait_ended ? batches.find(*pass, wait.b & 0xffffffffU) : nullptr;
        if (fetch == nullptr) {  // no batch came (the end of an epoch), or its worker's record is lost
            at(stages, Stage::workers) += whole;
            return;
        }
        at(stages, Stage::workers) += overlap(segment.begin, segment.end, segment.begin, fetch->begin);
    } else if (const Span* span = own_fetch(trainer, wait)) {
        set_own(own, trainer, *span);
        fetch = &own;
        at(stages, Stage::transport) += overlap(segment.begin, segment.end, segment.begin, fetch->begin);
    } else {
        at(stages, Stage::transport) += whole;
        return;
    }
    const double workers = pass == nullptr || pass->workers.empty() ? 1 : static_cast<double>(pass->workers.size());
    divide_fetch(*fetch, overlap(segment.begin, segment.end, fetch->begin, fetch->collate_begin), system, workers,
                 batches.cores(), stages);
    divide_collate(*fetch, overlap(segment.begin, segment.end, fetch->collate_begin, fetch->collate_end), stages);
    at(stages, Stage::transport) += overlap(segment.begin, segment.end, fetch->collate_end, segment.end);
}

double system_share(const Run& run) {
    double user = 0;
    double system = 0;
    for (const ThreadRecord& thread : run.threads) {
        for (const Fetch& fetch : fetches_of(thread)) {
            user += fetch.user;
            system += fetch.system;
        }
    }
    return user + system > 0 ? system / (user + system) : 0;
}

}  // namespace headrace::audit
