// Finds what trained in a run: the threads, their loaders' passes, their steps and their evaluations.
// Method and definitions: docs/ledger.md.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "headrace/run.h"
#include "run/spool_format.h"

namespace headrace::audit {

using spool::Kind;

struct Range {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
};

inline Kind kind(const Span& span) { return static_cast<Kind>(span.kind); }
inline Nanoseconds end_of(const Span& span) { return span.start + span.duration; }

// One iteration over a loader, from __iter__ to the last __next__.
struct Pass {
    std::uint64_t loader = 0;
    std::uint64_t iterator = 0;
    Nanoseconds iter_begin = 0;  // of __iter__, or of the first __next__ where that was not seen
    Nanoseconds iter_end = 0;
    unsigned generation = 0;             // how often this iterator was begun before (persistent workers)
    std::vector<std::uint32_t> workers;  // their pids, by number
    std::vector<const Span*> waits;      // __next__, in order
    bool training = false;
};

// What one process that trains (or, when none does, the command's own process) did on the thread that counts.
struct Trainer {
    const ThreadRecord* thread = nullptr;  // null: nothing of it was recorded
    std::uint32_t pid = 0;
    std::optional<int> rank;
    std::uint64_t world = 0;  // number of ranks that it joined; 0: none
    Range window;             // the process's life, or its recorded part
    Nanoseconds shim = 0;     // when the interpreter was up
    std::optional<Nanoseconds> teardown;
    bool torch = false;  // torch was imported
    bool trained = false;
    std::vector<const Span*> spans;  // of the thread, and of the main thread before it began; by start, outer first
    std::vector<Pass> passes;
    std::vector<const Span*> waits;  // for a batch, of all passes, in order; none overlaps another
    std::vector<Nanoseconds> steps;  // end of each training step
    std::vector<Range> evaluations;
    std::optional<Nanoseconds> loader_begin;  // the training loader's first __iter__
    std::optional<Nanoseconds> first_batch;
    std::vector<Trainer> background;  // threads of the process that load batches ahead and hand them over by a queue
};

// Whether this interval is a wait for a batch: from a loader, or from a thread that loads ahead.
inline bool is_wait(const Span& span) { return kind(span) == Kind::wait || kind(span) == Kind::handover; }

// A run whose open spans were closed at the end of their process.
// Every rank that trained, rank 0 first; when none did, one Trainer for the command's own process with trained = false.
std::vector<Trainer> find_trainers(const Run& run);

// Where the life of a process ends, as far as the run knows.
Nanoseconds end_of_process(const Run& run, std::uint32_t pid);

}  // namespace headrace::audit
