// The waits for a batch of one thread, each with the fetch that made the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "audit/fetches.h"
#include "audit/training.h"

namespace headrace::audit {

// What the workers of a thread's loaders fetched. Their records are read in step with the waits, because a batch was
// handed over before the wait for it ended: in memory is what was fetched and not yet waited for.
class WorkerFetches {
public:
    WorkerFetches(const Recording& recording, const std::vector<Pass>& passes);

    // The fetch that made batch `number` (index + 1) of a pass, which the wait got; none when it was not recorded. To
    // be asked once for each batch, in the order of the waits.
    std::optional<Fetch> take(const Pass& pass, std::uint64_t number, const Span& wait);

    // The fetch that a wait without a batch waited for: a worker of the pass was at it, and the training was not given
    // its batch before the wait ended (the program was killed, the worker died, the loader's timeout came). Of several
    // the one that took most of the wait. Its number of samples is 0.
    std::optional<Fetch> unfinished(const Pass& pass, const Span& wait);

private:
    struct Batch {
        unsigned generation;
        std::uint64_t number;
        Fetch fetch;
    };
    // How far the records of one thread of a worker have been read.
    struct Worker {
        explicit Worker(NamedSpans source) : spans(std::move(source)) {}
        void read_until(Nanoseconds time);
        void see(const Span& span);
        std::optional<Fetch> take(unsigned generation, std::uint64_t number);
        // What was begun and not handed over. `until`: the end of what has no end.
        std::optional<Fetch> unfinished(Nanoseconds until) const;

        NamedSpans spans;
        Span next;
        bool has_next = false;
        bool at_end = false;
        Fetches fetches;
        unsigned generation = 0;
        std::deque<Batch> batches;
        bool handed_over = true;                // what was fetched last
        std::optional<Nanoseconds> open_fetch;  // begin, where the worker ended in it or is in it
        std::optional<Nanoseconds> open_collate;
        Nanoseconds first_begin = 0;  // of its fetches; 0: none yet
        double cpu = 0;               // of all of them
    };

    std::vector<Worker>& threads_of(std::uint32_t pid, Nanoseconds now);
    double cpu_beyond(std::uint32_t pid, const Worker& worker) const;

    const Recording& recording_;
    std::unordered_map<std::uint32_t, Nanoseconds> needed_until_;  // by pid: the last wait of a pass with this worker
    std::unordered_map<std::uint32_t, std::vector<Worker>> workers_;
    std::size_t sweep_at_ = 64;  // so many workers: forget those that are not needed any more
};

// What a thread and its process had used up to a moment, in nanoseconds.
struct Usage {
    double cpu = 0;
    double run_queue = 0;
    double process_cpu = 0;
};

// When a batch of a worker was taken out of the data queue: begin and end of the call.
struct Received {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
};

struct BatchWait {
    Span span;
    const Pass* pass = nullptr;
    // Of the worker where the pass has workers, otherwise inside the wait itself; none when it was not recorded.
    std::optional<Fetch> fetch;
    std::uint64_t samples = 0;  // 0: unknown
    // In this wait or in an earlier one; none without workers, and where that was not recorded. With
    // pinned memory it came from the thread that pins.
    std::optional<Received> received;
    // Just before it began and just after it ended; none where they were not looked at.
    std::optional<Usage> before;
    std::optional<Usage> after;
};

struct BatchSum {
    double samples = 0;
    double tokens = 0;
    std::size_t batches = 0;
    std::size_t unknown = 0;  // batches whose size nobody recorded

    void operator+=(const BatchSum& other);
};

struct Throughput {
    BatchSum all;
    BatchSum later;              // asked for after the first step
    Fetch fetched;               // what was recorded of how they were made, summed
    std::size_t unrecorded = 0;  // batches of workers of which nobody recorded how they were made

    void operator+=(const Throughput& other);
};

// The waits of a thread in order.
class BatchWaits {
public:
    // Batches of training passes are counted, or of all; those asked for after `first_step` also apart.
    BatchWaits(const Recording& recording, const Trainer& trainer, Nanoseconds first_step, bool count_all);

    // The wait that begins at this time, which is not before that of the call before; null where there is none.
    const BatchWait* at(Nanoseconds begin);

    // Calls visit(wait) for those that overlap [begin, end); neither is before that of the call before.
    template <class Visit>
    void overlapping(Nanoseconds begin, Nanoseconds end, Visit visit) {
        while (!waits_.empty() && end_of(waits_.front().span) <= begin) {
            waits_.pop_front();
        }
        while ((waits_.empty() || waits_.back().span.start < end) && read()) {
            if (end_of(waits_.back().span) <= begin) {
                waits_.pop_back();
            }
        }
        for (const BatchWait& wait : waits_) {
            if (wait.span.start < end) {
                visit(wait);
            }
        }
    }

    // The batches of the whole thread; the waits that were not asked for are passed over.
    Throughput count();

private:
    bool read();
    void take_inside(const Span& wait, std::optional<Fetch>& own);
    double cpu_of_open(const Fetch& fetch) const;
    std::optional<Fetch> take_made(const Span& wait, std::size_t pass, std::optional<std::uint64_t> failed);
    std::optional<std::uint64_t> read_failed();
    std::optional<Received> take_received(const Span& wait);
    bool take_usage(const Span& span);
    void add(const BatchWait& wait);

    const Recording& recording_;
    const Trainer& trainer_;
    TrainerSpans spans_;
    PassNumbers numbers_;
    WorkerFetches workers_;
    Nanoseconds first_step_;
    bool count_all_;
    Throughput sum_;
    std::optional<Usage> usage_;  // since the last wait
    Nanoseconds looked_ = 0;      // when the process was looked at last; 0: not yet
    double cpu_then_ = 0;         // of the process, in nanoseconds
    // By iterator and number, what was not waited for yet.
    std::unordered_map<std::uint64_t, std::unordered_map<std::uint64_t, Received>> received_;
    std::vector<std::uint64_t> numbers_of_;  // by pass: of its last batch
    std::deque<BatchWait> waits_;            // read and not passed over
};

}  // namespace headrace::audit
