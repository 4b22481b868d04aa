// Paints the wall time of one trainer with the entries of the ledger: every instant gets exactly one.
#pragma once

#include <functional>

#include "audit/training.h"
#include "headrace/ledger.h"

namespace headrace::audit {

struct Segment {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
    Entry entry = Entry::unattributed;
    const Span* span = nullptr;  // the innermost interval, or null; valid during the call that gets the segment
};

// Calls emit(segment) for segments that cover trainer.window from begin to end, in order, without a gap or an overlap.
void paint(const Recording& recording, const Trainer& trainer, const std::function<void(const Segment&)>& emit);

}  // namespace headrace::audit
