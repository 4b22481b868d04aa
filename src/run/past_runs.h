// The runs of history.db: what each of them was, as a row that needs no look into its folder. docs/formats/history.md
// is its document. Times are in seconds, sizes in bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "headrace/finding.h"
#include "headrace/result.h"
#include "headrace/run.h"
#include "headrace/trial.h"

namespace headrace::run {

// A finding that promises a gain.
struct PastFinding {
    std::string id;
    std::string arguments;  // what it sets: as_arguments
    bool can_be_tried = false;
    Gain gain;
};

// A run that has ended.
struct PastRun {
    std::string id;
    std::string name;     // empty when none was given
    std::string started;  // ISO 8601, UTC
    double wall_seconds = 0;
    Outcome outcome = Outcome::finished;
    Purpose purpose = Purpose::audit;
    std::string user;  // empty where unknown
    Machine machine;   // host, cpu, cores_usable, memory_bytes and accelerators; the rest is not kept
    std::string directory;
    std::vector<std::string> command;
    std::string program;                    // program_of its command
    std::optional<std::string> experiment;  // absent where unknown
    bool trained = false;
    std::optional<bool> validated;         // absent where recording had ended before
    std::optional<double> result_seconds;  // from its start to the end of its last evaluation
    std::map<std::string, double> ledger;  // of rank 0: seconds by entry; they sum to wall_seconds
    std::uint64_t steps = 0;               // after the first
    std::optional<std::uint64_t> batch_size;
    std::optional<double> samples_per_second;
    std::vector<PastFinding> findings;  // the one that saves most first
};

// How long a run that has just ended waits for others that write to the history.
inline constexpr std::chrono::seconds history_patience{2};

// Puts a run that has just ended into the history of `home`, which is made where it is missing. Takes a time that does
// not grow with the history, and waits no longer than history_patience: what could not be added is in the
// run's folder all the same, from which `headrace gap` takes it. Errors: no_space, permission_denied, io_error,
// newer_version.
Result<void> add_past_run(const std::filesystem::path& home, const PastRun& run);

// Puts several into it, waiting for others as long as it takes. Errors as above.
Result<void> add_past_runs(const std::filesystem::path& home, std::span<const PastRun> runs);

// All runs, by their start and id. None where there is no history; a row that says the impossible is left out. Errors:
// damaged, newer_version, permission_denied, io_error.
Result<std::vector<PastRun>> past_runs(const std::filesystem::path& home);

// All trials, by their start and id: as past_runs.
Result<std::vector<Trial>> past_trials(const std::filesystem::path& home);

// A run as one of several that should have taken the same time.
struct EqualRun {
    std::string id;
    std::string started;  // ISO 8601, UTC
    double wall_seconds = 0;
    std::optional<double> samples_per_second;  // steady; absent where unknown
    std::uint64_t steps = 0;                   // after the first
};

// Runs of one experiment on equal machines.
struct EqualRuns {
    std::string experiment;
    std::vector<EqualRun> runs;  // by their start and id; at least two
};

// Of the same kind: model of processor, usable cores and accelerators, and as much memory to 2 %, which is what kernels
// and firmware leave different. The name does not count: virtual machines of a build service have new ones every day.
bool equal_machines(const Machine& x, const Machine& y);

// The groups of finished runs, whatever their purpose, that tried the same experiment on a machine equal to `machine`.
// What differs within a group is the machine's own variance, and that of programs that draw what they do. By
// experiment; none where there is no history that can be read.
std::vector<EqualRuns> equal_runs(const std::filesystem::path& home, const Machine& machine);

}  // namespace headrace::run
