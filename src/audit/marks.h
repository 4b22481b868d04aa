// What the program said of itself with headrace.step and headrace.phase.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "audit/training.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// The entry that a phase of this name belongs to; none for any other name or kind.
std::optional<Entry> entry_of_phase(const Span& span);

// Collects what was marked on the trainer's thread; sees its spans by their begin.
class Marks {
public:
    explicit Marks(const Trainer& trainer) : trainer_(trainer) {}

    void see(const Span& span);

    // Adds marked evaluations to those that were found, marked steps where no training was seen, and the phases that
    // belong to no entry.
    void finish(Trainer& trainer);

private:
    struct Sum {
        MarkedPhase phase;
        Nanoseconds until = 0;  // of its last outermost one
    };

    void add_phase(const Span& span);

    const Trainer& trainer_;
    std::vector<Nanoseconds> steps_;
    std::vector<Range> evaluations_;
    std::vector<Sum> sums_;
    std::unordered_map<std::string, std::size_t> place_;  // in sums_, by name
};

}  // namespace headrace::audit
