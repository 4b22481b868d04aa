// Audits as rows of the history, and the run folders that it does not know yet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "headrace/ledger.h"
#include "run/past_runs.h"

namespace headrace::audit {

// What the history keeps of a run that has ended.
run::PastRun past_run_of(const Audit& audit);

struct TakenIn {
    std::vector<run::PastRun> runs;
    std::uint64_t running = 0;     // go on, here or where it cannot be seen
    std::uint64_t unreadable = 0;  // whose run.db is damaged, or of a newer headrace
};

struct TakeInOptions {
    // Gets the runs, a hundred at a time, so that what was read is kept when the rest is not; may be empty.
    std::function<void(std::span<const run::PastRun> runs)> keep;
    // Is told how many folders have been looked at, of how many; may be empty.
    std::function<void(std::size_t done, std::size_t all)> progress;
};

// The runs of `home` whose ids are not in `known`. One whose recording was killed is completed, as by load. A folder
// that is no run is passed over.
TakenIn take_in(const std::filesystem::path& home, const std::set<std::string>& known, const TakeInOptions& options);

}  // namespace headrace::audit
