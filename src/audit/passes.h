// The passes of a thread: its iterations over loaders. Only numbers are kept of each.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "audit/recording.h"

namespace headrace::audit {

// What came of a pass: nothing, because it had nothing; nothing, because its first wait is stuck or failed; batches.
enum class Came { nothing, in_vain, batches };

// One iteration over a loader, from __iter__ to the last __next__.
struct Pass {
    std::uint64_t loader = 0;
    std::uint64_t iterator = 0;
    Nanoseconds iter_begin = 0;          // of __iter__, or of the first __next__ where that was not seen
    Nanoseconds first_batch = 0;         // end of the first __next__
    std::uint64_t serial = 0;            // of its loader among all that were made; 0 where that was not recorded
    unsigned generation = 0;             // how often this iterator was begun before (persistent workers)
    std::vector<std::uint32_t> workers;  // their pids, by number
    std::vector<Nanoseconds> waits;      // begin of each __next__; empty for a Future
    Came came = Came::nothing;
    bool training = false;
    bool takes_gradients = false;     // an evaluation with backwards: of forces, of adversarial examples
    std::optional<std::size_t> used;  // its loader, in PassFinder::loaders; none where no configuration was recorded
};

// A loader as it was when a pass over it began. An address may be that of several, one after the other; those that a
// program makes alike, one after the other, are one.
struct UsedLoader {
    std::uint64_t address = 0;  // of the first
    std::string config;         // JSON, as loader_config of docs/formats/spool.md
    bool training = false;
};

// The passes over known loaders that were asked for a batch, in the order in which they first were.
std::vector<const Pass*> by_first_request(const std::vector<Pass>& passes);

// Whether this interval is a wait for a batch: from a loader, or from a thread that loads ahead.
inline bool is_wait(const Span& span) { return kind(span) == Kind::wait || kind(span) == Kind::handover; }

// Tells which pass a span belongs to: they are numbered in the order of their begin. What comes out of a queue is one
// pass; a Future has one batch, and is a pass of its own. Sees the spans by their begin.
class PassNumbers {
public:
    // Of an __iter__, a worker's start and a wait; none for anything else, and for a worker of an unseen pass.
    std::optional<std::size_t> see(const Span& span);

private:
    std::optional<std::size_t> handed_over(const Span& span);

    std::size_t begun_ = 0;
    std::optional<std::size_t> last_;                        // that was begun or asked for a batch
    std::unordered_map<std::uint64_t, std::size_t> latest_;  // by iterator
    std::unordered_map<std::uint64_t, std::size_t> queues_;  // by address
};

// Finds the passes, and which of them feed the training: a backward follows one of their batches before another batch
// is asked for, or their batches come between those of such a pass. Where most backwards have no batch of a loader (the
// program trains on tensors), the backward after an evaluation follows that one's last batch: a pass most of whose
// batches had a forward and no backward is none that feeds it. Nor is a pass that began under eval() and whose
// backwards no optimizer step followed, where there are optimizers. Sees the spans of a thread by their begin.
class PassFinder {
public:
    void see(const Span& span);
    std::vector<Pass> finish();
    // In the order of their first use; after finish().
    const std::vector<UsedLoader>& loaders() const noexcept { return loaders_; }

private:
    static constexpr Nanoseconds none = -1;

    // How it stood at an eval().
    struct Before {
        std::size_t current;
        Nanoseconds batch;
        std::size_t passes;  // that had begun
    };

    void see_loader(const Span& span);
    void see_failed();
    void see_use(const Span& span);
    void see_backward(const Span& span);
    void see_optimizer();
    void see_mode(const Span& span);
    void count_batch();
    bool only_evaluates(std::size_t pass) const;
    bool takes_gradients(std::size_t pass) const;
    bool was_evaluated(const Before& eval) const;
    void join_loaders();

    PassNumbers numbers_;
    std::vector<Pass> passes_;
    std::vector<UsedLoader> loaders_;
    std::map<std::pair<std::uint64_t, std::string>, std::size_t> places_;  // in loaders_
    std::unordered_map<std::uint64_t, std::size_t> begun_;                 // by address of a loader: its last pass
    std::size_t current_ = 0;                                              // the pass that was asked for a batch last
    Nanoseconds batch_ = none;  // when that batch came, until a backward used it
    bool forward_ = false;      // since that batch
    // How the batches of a pass were used: by a backward; by a forward alone; by a backward that an optimizer followed.
    struct Uses {
        bool under_eval = false;  // it began between an eval() and a train()
        std::size_t backwards = 0;
        std::size_t forwards = 0;
        std::size_t steps = 0;
    };
    std::vector<Uses> uses_;             // by pass
    std::size_t fed_ = 0;                // backwards with a batch
    std::size_t unfed_ = 0;              // and without
    std::optional<Before> before_eval_;  // from the first eval() to train() or a backward
    std::optional<std::size_t> graded_;  // the pass whose batch a backward used last, until an optimizer steps
    bool over_ = false;                  // the last wait found its pass at its end
    bool under_eval_ = false;            // since the last eval() no train() was seen
    bool optimizers_ = false;            // there are some
};

}  // namespace headrace::audit
