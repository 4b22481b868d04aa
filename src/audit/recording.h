// A recorded run as the audit reads it: the threads' spans are streamed, never held all at once, and read as often as
// there are questions. What can be asked of each span alone is answered by one pass over all of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "audit/fetches.h"
#include "headrace/run.h"
#include "run/spans.h"
#include "run/spool_format.h"

namespace headrace::audit {

using spool::Kind;

inline Kind kind(const Span& span) { return static_cast<Kind>(span.kind); }
inline Nanoseconds end_of(const Span& span) { return span.start + span.duration; }

// How many spans of a thread are put in order at a time. The figures do not depend on it.
inline constexpr std::size_t default_window = 2048;

// The spans of one thread in the order of the spool. Phases and loaders have the text that stands behind them: the
// name, the configuration.
class NamedSpans {
public:
    explicit NamedSpans(std::unique_ptr<run::SpanReader> reader) : reader_(std::move(reader)) {}

    bool next(Span& span);

private:
    std::unique_ptr<run::SpanReader> reader_;
    Span ahead_;
    bool has_ahead_ = false;
};

// Tells the spans that begin more than a window before those around them in the spool, because so much ended inside
// them. They are few, and are put aside for whoever wants a thread's spans by their begin. Sees them in the spool's
// order.
class CoveringRule {
public:
    explicit CoveringRule(std::size_t window) : window_(window) {}

    bool covers(const Span& span);

    // No span that comes later begins before this, but for covering ones. Moves on with each whole window.
    Nanoseconds nothing_before() const { return in_window_ == window_ ? last_ : before_last_; }

private:
    std::size_t window_;
    std::size_t in_window_ = 0;
    Nanoseconds latest_ = 0;       // begin, of all spans
    Nanoseconds last_ = 0;         // the same at the end of the last whole window
    Nanoseconds before_last_ = 0;  // and of the one before
};

struct ThreadFacts {
    std::uint64_t spans = 0;
    std::uint64_t forwards = 0;
    std::uint64_t backwards = 0;
    std::uint64_t optimizers = 0;
    unsigned life = 0;           // how often its process had replaced its Python by another one (exec) before
    bool worker = false;         // of a loader
    bool takes_batches = false;  // a loader gave it one
    bool puts_batches = false;   // it handed one to the queue of a loader
    bool hashes = false;         // it hashed samples
    std::uint64_t sends = 0;     // batches that it wrote into the pipe of a loader
    std::uint64_t send_cpu = 0;  // nanoseconds of CPU of the thread up to the last of them; 0: not known
    bool torch = false;          // was imported
    Nanoseconds last_end = 0;
    Fetch fetched;                                                 // sums over its fetches
    std::optional<Nanoseconds> interpreter;                        // when the shim began
    std::optional<Nanoseconds> teardown;                           // when the interpreter began to shut down
    std::optional<std::pair<std::uint64_t, std::uint64_t>> group;  // rank and number of ranks
    std::vector<Span> covering;                                    // see CoveringRule
};

struct Recording {
    // Reads every span once. `recorded` and `source` must outlive it; `recorded.info` may change meanwhile.
    Recording(const Run& recorded, const run::SpanSource& source, std::size_t spans_in_order = default_window);

    NamedSpans open(std::size_t thread) const { return NamedSpans(source.open(thread)); }

    // Whether the program used an accelerator: a machine may have one that it did not touch.
    bool uses_device() const;

    // The last process with this pid; null where there was none.
    const ProcessRecord* process_of(std::uint32_t pid) const;

    // Of all processes with this pid, as indices of `threads`.
    std::span<const std::size_t> threads_in(std::uint32_t pid) const;

    const Run& run;
    const run::SpanSource& source;
    std::size_t window;

    std::vector<ThreadFacts> threads;        // in the order of run.threads
    std::array<std::uint64_t, 256> kinds{};  // spans of each kind
    std::optional<Nanoseconds> stopped;      // recording ended by --max-steps
    std::optional<std::int64_t> device_peak;
    std::optional<std::string> framework;
    std::set<std::string> limits;
    Fetch fetched;  // sums over all fetches

private:
    std::unordered_map<std::uint32_t, std::vector<std::size_t>> threads_of_;  // by pid

    void read(std::size_t thread);
    void find_lives();
    void note(const Span& span, ThreadFacts& facts);
    void note_text(const Span& span, ThreadFacts& facts);
};

// Where the life of a process ends, as far as the run knows.
Nanoseconds end_of_process(const Recording& recording, std::uint32_t pid);

// The last that any thread recorded, not before the command's start.
Nanoseconds last_record(const Recording& recording);

}  // namespace headrace::audit
