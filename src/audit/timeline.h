// Paints the wall time of one trainer with the entries of the ledger: every instant gets exactly one.
#pragma once

#include <vector>

#include "audit/training.h"
#include "headrace/ledger.h"

namespace headrace::audit {

struct Segment {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
    Entry entry = Entry::unattributed;
    const Span* span = nullptr;  // the innermost interval, or null
};

// The segments cover trainer.window from begin to end without a gap or an overlap.
std::vector<Segment> paint(const Trainer& trainer);

}  // namespace headrace::audit
