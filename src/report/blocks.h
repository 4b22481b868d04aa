// The blocks of the screen, from the top to the bottom: each gives its lines, none when it has nothing to say.
#pragma once

#include <cstddef>

#include "headrace/ledger.h"
#include "report/screen.h"

namespace headrace::report {

// The ledger that is shown: that of rank 0. An audit without any gives an empty one.
const Ledger& shown_ledger(const Audit& audit) noexcept;

// Which program, on which machine.
Lines title_lines(const Audit& audit, const Frame& frame);

// What the run was spent on, in one line, and how the program ended when it did not simply finish.
Lines headline_lines(const Audit& audit, const Frame& frame);

// One bar for each entry of 0.1 % or more, in the ledger's order; the small ones in one line, `others`; unattributed
// always. When there would be more than `most` lines, the smallest entries go to `others` too.
Lines ledger_lines(const Audit& audit, const Frame& frame, std::size_t most);

// What the wait for input was spent on, drawn to the scale of ledger_lines with the same `most`. Empty when there was
// no wait to speak of.
Lines wait_lines(const Audit& audit, const Frame& frame, std::size_t most);

// What all processes did as seen from outside: at most `most` phases and a third as many processes. Empty where
// training was seen, which says more.
Lines outside_lines(const Audit& audit, const Frame& frame, std::size_t most);

// At most `most` lines of the user's own code, those of the larger part of the time first.
Lines hot_lines(const Audit& audit, const Frame& frame, std::size_t most);

// Steps, loader, samples, memory, overhead, ranks: a line or two each.
Lines fact_lines(const Audit& audit, const Frame& frame);

// What fixes would win, and which part of the work limits the rest, in at most `most` lines. Empty where no training
// was seen.
Lines advice_lines(const Audit& audit, const Frame& frame, std::size_t most);

// What could not be seen, in at most `most` lines.
Lines limit_lines(const Audit& audit, const Frame& frame, std::size_t most);

// The command to run next.
Lines next_lines(const Audit& audit, const Frame& frame);

}  // namespace headrace::report
