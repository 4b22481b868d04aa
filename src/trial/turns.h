// Runs two commands by turns, each of them to its end and recorded as an audit, where the user stands and with all that
// they write: nothing of a sandbox.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "headrace/result.h"
#include "run/store.h"

namespace headrace::trial {

// The quotes and spaces of each command are those of the user's shell already.
using Commands = std::array<std::vector<std::string>, 2>;

struct TurnsOptions {
    Commands commands;
    std::filesystem::path home;     // the .headrace folder, where the runs are kept
    std::size_t runs = 5;           // of each command
    std::size_t warm_up = 1;        // runs of the first command before them, which do not count: they fill the caches
    std::function<bool()> stopped;  // asked ten times a second
    // After each run that counts: which command, the number of its run from 1, and how long it took.
    std::function<void(std::size_t which, std::size_t number, double seconds)> run_done;
};

// The runs of each command, in the order in which they were made: those of the same place are neighbours. Which of two
// neighbours comes first changes from pair to pair, so that a machine that becomes slower favours neither.
//
// Errors: interrupted; not_enough_data (a command failed: how, and its last words); those of audit::record. The runs
// that had ended by then are kept.
Result<std::array<std::vector<run::Folder>, 2>> run_by_turns(const TurnsOptions& options);

}  // namespace headrace::trial
