// What the program said of itself with headrace.step and headrace.phase.
#pragma once

#include <optional>
#include <vector>

#include "audit/training.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// Gives each phase its name, which the spool has as a text behind it.
void name_phases(Run& run);

// The entry that a phase of this name belongs to; none for any other name or kind.
std::optional<Entry> entry_of_phase(const Span& span);

// Adds marked evaluations to those that were found, and marked steps where no training was seen.
void take_marks(Trainer& trainer);

// The phases of the trainer's thread that belong to no entry, by name, in the order of their first begin.
std::vector<MarkedPhase> marked_phases(const Trainer& trainer);

}  // namespace headrace::audit
