// Fewer cores than the machine has: what the loop would lose with them.
#pragma once

#include <optional>
#include <span>

#include "compute/prices.h"
#include "headrace/finding.h"
#include "replay/points.h"

namespace headrace::compute {

// The loop of a run that the replay reproduces. `recorded` has at least one step and must outlive this.
struct CoresUse {
    const replay::Loop& recorded;
    std::uint64_t set_threads = 1;  // intra-op, that the program has
    // Numbers of them that were measured; fewer cores than the program has threads need one of them.
    std::span<const replay::ThreadPoint> threads = {};
    std::optional<double> busy = {};  // cores, on the average of the whole run
    double run_seconds = 0;
    double memory_bytes = 0;                // that the run had at its peak; 0: not known, and no machine is named
    const Prices* prices = nullptr;         // null: none are known
    const MachinePrice* machine = nullptr;  // of them, that the run was on
};

// The finding compute.cores: half of the cores, or fewer, are enough for 97 % of the speed. It promises no speed, and
// says what a machine with fewer cores would save where the table of prices has one.
std::optional<Finding> advise_cores(const CoresUse& use);

}  // namespace headrace::compute
