#include "audit/timeline.h"

#include <algorithm>
#include <optional>

#include "audit/marks.h"

namespace headrace::audit {
namespace {

bool is_painted(const Span& span) {
    switch (kind(span)) {
        case Kind::import:
        case Kind::wait:
        case Kind::handover:
        case Kind::iter:
        case Kind::forward:
        case Kind::backward:
        case Kind::optimizer:
        case Kind::checkpoint:
        case Kind::logging:
        case Kind::device_wait:
        case Kind::transfer:
        case Kind::sync:
            return true;
        case Kind::phase: {  // evaluations are ranges: what is inside them belongs to them
            const std::optional<Entry> entry = entry_of_phase(span);
            return entry && *entry != Entry::evaluation;
        }
        default:
            return false;
    }
}

// The times at which the meaning of an instant changes, whatever is open.
struct Phases {
    Nanoseconds shim;
    Nanoseconds loader_begin;  // startup.workers from here
    Nanoseconds first_batch;   // startup.first_step from here
    Nanoseconds first_step;    // the loop from here
    Nanoseconds teardown;
    Nanoseconds lost;  // nothing was recorded from here
    bool known;        // a step or an evaluation was seen, or at least torch: what is before it is set-up
};

// What follows the last training activity is teardown where the interpreter shut down in order. Where it did not
// (os._exit, a kill), the loop was still going on as far as anybody knows.
Nanoseconds teardown_begin(const Trainer& trainer) {
    if (!trainer.teardown) {
        return never;
    }
    if (!trainer.trained) {
        return *trainer.teardown;
    }
    const Nanoseconds last = std::max(trainer.steps.back(), trainer.last_activity);
    return std::min(last, *trainer.teardown);
}

Phases phases_of(const Trainer& trainer) {
    Phases p{};
    p.shim = trainer.shim;
    p.loader_begin = trainer.loader_begin.value_or(never);
    p.first_batch = trainer.first_batch.value_or(never);
    p.first_step = trainer.trained ? trainer.steps.front() : p.first_batch;
    p.teardown = teardown_begin(trainer);
    p.lost = trainer.lost.value_or(never);
    p.known = trainer.trained || trainer.torch || trainer.loader_begin.has_value();
    return p;
}

Entry entry_in_loop(const Span* span) {
    if (span == nullptr) {
        return Entry::host;
    }
    switch (kind(*span)) {
        case Kind::wait:
        case Kind::handover:
        case Kind::iter:
            return Entry::input_wait;
        case Kind::forward:
            return Entry::compute_forward;
        case Kind::backward:
            return Entry::compute_backward;
        case Kind::optimizer:
            return Entry::compute_optimizer;
        case Kind::device_wait:
            return Entry::compute_device_wait;
        case Kind::transfer:
            return Entry::transfer;
        case Kind::sync:
            return Entry::sync;
        default:
            return Entry::host;
    }
}

Entry entry_at(const Phases& p, Nanoseconds t, const Span* span, bool evaluating) {
    if (t < p.shim) {
        return Entry::startup_launch;
    }
    if (t >= p.lost) {
        return Entry::unattributed;
    }
    if (!evaluating && t >= p.loader_begin && t < p.first_step) {
        return t < p.first_batch ? Entry::startup_workers : Entry::startup_first_step;
    }
    if (span != nullptr && kind(*span) == Kind::checkpoint) {
        return Entry::checkpoint;
    }
    if (span != nullptr && kind(*span) == Kind::logging) {
        return Entry::logging;
    }
    const std::optional<Entry> marked = span != nullptr ? entry_of_phase(*span) : std::nullopt;
    if (marked == Entry::checkpoint || marked == Entry::logging) {
        return *marked;
    }
    if (evaluating) {
        return Entry::evaluation;
    }
    if (marked) {
        return *marked;
    }
    const bool importing = span != nullptr && kind(*span) == Kind::import;
    if (t >= p.teardown) {
        return Entry::teardown;
    }
    if (t < p.loader_begin) {
        return importing ? Entry::startup_imports : p.known ? Entry::startup_setup : Entry::unattributed;
    }
    return entry_in_loop(span);
}

// Walks the intervals as a stack and calls `emit(begin, end, innermost)` for every stretch with the same innermost one.
template <class Emit>
void walk(const Recording& recording, const Trainer& trainer, Emit emit) {
    std::vector<Span> stack;
    Nanoseconds at = trainer.window.begin;
    const auto advance = [&](Nanoseconds to) {
        to = std::clamp(to, at, trainer.window.end);
        if (to > at) {
            emit(at, to, stack.empty() ? nullptr : &stack.back());
            at = to;
        }
    };
    const auto close_until = [&](Nanoseconds t) {
        while (!stack.empty() && end_of(stack.back()) <= t) {
            advance(end_of(stack.back()));
            stack.pop_back();
        }
    };
    each_span(recording, trainer, [&](const Span& span) {
        if (is_painted(span) && span.duration > 0) {
            close_until(span.start);
            advance(span.start);
            stack.push_back(span);
        }
    });
    close_until(never);
    advance(trainer.window.end);
}

}  // namespace

void paint(const Recording& recording, const Trainer& trainer, const std::function<void(const Segment&)>& emit) {
    const Phases phases = phases_of(trainer);
    std::vector<Nanoseconds> cuts{phases.shim,       phases.loader_begin, phases.first_batch,
                                  phases.first_step, phases.teardown,     phases.lost};
    for (const Range& evaluation : trainer.evaluations) {
        cuts.push_back(evaluation.begin);
        cuts.push_back(evaluation.end);
    }
    std::sort(cuts.begin(), cuts.end());
    auto cut = cuts.begin();
    auto evaluation = trainer.evaluations.begin();
    walk(recording, trainer, [&](Nanoseconds begin, Nanoseconds end, const Span* span) {
        while (begin < end) {
            while (cut != cuts.end() && *cut <= begin) {
                ++cut;
            }
            while (evaluation != trainer.evaluations.end() && evaluation->end <= begin) {
                ++evaluation;
            }
            const Nanoseconds until = cut != cuts.end() ? std::min(end, *cut) : end;
            const bool evaluating = evaluation != trainer.evaluations.end() && evaluation->begin <= begin;
            emit({begin, until, entry_at(phases, begin, span, evaluating), span});
            begin = until;
        }
    });
}

}  // namespace headrace::audit
