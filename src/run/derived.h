// Ledgers as rows for the run database. Inline, so that run itself needs nothing of the modules above it that know the
// names of entries and stages.
#pragma once

#include <vector>

#include "headrace/ledger.h"
#include "run/store.h"

namespace headrace::run {

// The rows of the tables ledger and input_wait, in the fixed order of entries and stages.
inline Derived derive(const std::vector<Ledger>& ranks) {
    Derived derived;
    for (const Ledger& ledger : ranks) {
        const auto row = [&](std::string_view name, double seconds, double whole) {
            return DerivedRow{ledger.rank, ledger.pid, std::string(name), seconds, whole > 0 ? seconds / whole : 0};
        };
        for (std::size_t i = 0; i < entry_count; ++i)
            derived.ledger.push_back(row(name(static_cast<Entry>(i)), ledger.seconds[i], ledger.wall_seconds));
        const double wait = ledger.seconds[static_cast<std::size_t>(Entry::input_wait)];
        for (std::size_t i = 0; i < stage_count; ++i)
            derived.input_wait.push_back(row(name(static_cast<Stage>(i)), ledger.wait_seconds[i], wait));
    }
    return derived;
}

}  // namespace headrace::run
