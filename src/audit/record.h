// Runs a command unchanged, records it, and leaves the run in its folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/audit.h"
#include "headrace/result.h"
#include "headrace/run.h"
#include "run/store.h"

namespace headrace::audit {

struct RecordOptions {
    std::vector<std::string> command;  // argv, as given
    std::filesystem::path home;        // the .headrace folder (run::home)
    std::string name;                  // --name, validated by the caller
    std::optional<std::uint64_t> max_steps;
    bool progress = false;  // a live status line on standard error
    // Variables for the program beside our own.
    std::vector<std::pair<std::string, std::string>> environment;
    // Measures the program again when it has finished; may be empty. Why it did not becomes a limit of the audit.
    std::function<Result<Probe>(const Audit& audit)> probe;
    Purpose purpose = Purpose::audit;
    // Asked at every look, with the steps so far: true ends the program and all of its processes at once (SIGKILL).
    std::function<bool(std::uint64_t steps)> end;
};

struct Recorded {
    run::Folder folder;  // empty where nothing could be kept
    Audit audit;
    std::vector<double> step_seconds;  // of rank 0: of its steps after the first, as in Audit::steady
    // What could not be stored, when something could not (a full disk): the audit above is whole all the same.
    std::optional<Error> not_stored;
};

// Runs the command to its end. Errors happen only before the command was started, and then nothing was changed:
// not_found and not_executable (the command), permission_denied and others (our own folder).
// A full file system is no error: the program runs, unrecorded if need be, and `not_stored` says so.
Result<Recorded> record(const RecordOptions& options);

// Reads a run for showing it: a finished one from run.db; one that is going on from its spool; one whose recording
// headrace was killed from its spool too, and then run.db is completed once no process of it is left.
// report.json is the caller's to write: rendering lies above this module.
Result<Audit> load(const run::Folder& folder);

}  // namespace headrace::audit
