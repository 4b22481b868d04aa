// Finds what trained in a run: the threads, their loaders' passes, their steps and their evaluations.
// Method and definitions: docs/ledger.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "audit/ordered.h"
#include "audit/passes.h"
#include "audit/recording.h"
#include "headrace/ledger.h"

namespace headrace::audit {

inline constexpr Nanoseconds never = std::numeric_limits<Nanoseconds>::max();

// What ran in a process between two execs.
struct Life {
    std::uint32_t pid = 0;
    unsigned number = 0;  // ThreadFacts::life of its threads

    friend bool operator<(const Life& x, const Life& y) noexcept {
        return x.pid != y.pid ? x.pid < y.pid : x.number < y.number;
    }
};

struct Range {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
};

// Puts ranges in order; those that overlap or touch become one.
void unite(std::vector<Range>& ranges);

// What one process that trains (or, when none does, the one that evaluates) did on the thread that counts. A few
// numbers for each step, and more for each pass; its spans are read again for every question (TrainerSpans).
struct Trainer {
    std::optional<std::size_t> thread;  // in Recording; none: nothing of it was recorded
    std::optional<std::size_t> main;    // the main thread, where that is another one
    Life life;
    bool replaced = false;  // another Python took its place in the process (exec)
    std::optional<int> rank;
    std::uint64_t world = 0;  // number of ranks that it joined; 0: none
    Range window;             // the process's life, or its recorded part
    Nanoseconds process_end = 0;
    Nanoseconds shim = 0;  // when the interpreter was up
    std::optional<Nanoseconds> teardown;
    bool torch = false;  // torch was imported
    bool trained = false;
    std::vector<Pass> passes;
    std::vector<UsedLoader> loaders;
    std::vector<Nanoseconds> steps;  // end of each training step
    std::vector<Range> evaluations;
    // The training loader's first __iter__; where nothing trained, the begin of the first evaluation, or that of a
    // loader that gave no batch.
    std::optional<Nanoseconds> loader_begin;
    std::optional<Nanoseconds> first_batch;
    std::optional<Nanoseconds> lost;  // nothing was recorded of it from here on, and the program went on
    Nanoseconds last_activity = 0;    // end of the last wait, checkpoint or evaluation
    Nanoseconds shim_cost = 0;        // time that the shim took
    bool handovers = true;            // what comes out of a queue can be a batch
    bool marked_input = false;        // the program marked a part as input
    std::vector<MarkedPhase> marked;  // phases that belong to no entry, in the order of their first begin
    std::vector<Trainer> background;  // threads of the process that load batches ahead and hand them over by a queue
};

// Every rank that trained, rank 0 first; when none did, one Trainer with trained = false: the command's own
// process, or the one with most forwards where that has none.
std::vector<Trainer> find_trainers(const Recording& recording);

// The spans of a trainer's thread, and of the main thread before it began, within its window, by begin.
class TrainerSpans {
public:
    TrainerSpans(const Recording& recording, const Trainer& trainer);

    const Span* peek();              // null at the end
    void pop() { current_->pop(); }  // follows a peek() that gave one

private:
    Nanoseconds end_;
    Nanoseconds opened_ = 0;
    bool handovers_;
    std::optional<OrderedSpans> own_;
    std::optional<OrderedSpans> main_;
    OrderedSpans* current_ = nullptr;  // that peek() looked at
};

// Calls visit(span) for each.
template <class Visit>
void each_span(const Recording& recording, const Trainer& trainer, Visit visit) {
    TrainerSpans spans(recording, trainer);
    for (const Span* span = spans.peek(); span != nullptr; spans.pop(), span = spans.peek()) {
        visit(*span);
    }
}

}  // namespace headrace::audit
