// Runs a small helper command (git, a Python interpreter) and takes its output. Not for the audited command.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "headrace/result.h"
#include "headrace/run.h"

namespace headrace::sys {

struct CommandOutput {
    int exit_code = -1;  // -1 when a signal ended it or the time limit did
    bool timed_out = false;
    std::string text;  // its standard output, at most 1 MiB
};

struct CommandOptions {
    std::vector<std::pair<std::string, std::string>> environment;  // set over our own
    std::vector<std::string> unset_prefixes;                       // variables to leave out
    Nanoseconds time_limit = 2'000'000'000;
};

// Standard input and standard error are /dev/null. A command that runs too long is killed with all of its process
// group. Errors: not_found, not_executable, io_error.
Result<CommandOutput> run_command(const std::vector<std::string>& command, const CommandOptions& options);

}  // namespace headrace::sys
