// Tries findings of a run: its program without and with the fix, in turns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "headrace/ledger.h"
#include "headrace/result.h"
#include "headrace/trial.h"

namespace headrace::trial {

// What will be run: known before anything is.
struct TrialPlan {
    std::vector<std::string> command;
    std::filesystem::path directory;
    std::vector<Finding> findings;  // that are tried as one
    Fix fix;                        // of all of them together
    std::optional<LoaderSite> loader;
    std::uint64_t pairs = 5;
    std::uint64_t steps = 0;  // that are measured in each run
    // Steps before them that do not count: the first one, and two fillings of the queues; with a cache of samples the
    // first pass over the loader before that.
    std::uint64_t warm_up = 0;
    double samples = 1;       // of a step with the fix, for one of a step without
    double step_seconds = 0;  // as the run had them
    double startup_seconds = 0;
    double seconds = 0;  // that all of it will take, as far as is known
};

struct TrialWishes {
    std::vector<std::string> ids;  // of findings
    std::optional<std::uint64_t> pairs;
    std::optional<std::uint64_t> steps;
    double seconds = 8;  // of steps in each run, where their number is not given: 60 to 2000 steps
};

// Of a fix that need not be one of the run's findings; `ids` does not matter. Errors: not_enough_data.
Result<TrialPlan> plan_fix(const Audit& audit, const Fix& fix, const std::optional<LoaderSite>& loader,
                           const TrialWishes& wishes);

// Errors, each a sentence: not_found (no such finding), unsupported (one that cannot be injected, or findings that
// exclude each other), not_enough_data (the run has no steady steps).
Result<TrialPlan> plan_trial(const Audit& audit, const TrialWishes& wishes);

struct TrialOptions {
    std::filesystem::path home;  // the .headrace folder
    std::string run;             // id
    bool sandbox = true;
    bool network = false;
    std::function<bool()> stopped;                                             // asked ten times a second
    std::function<void(std::size_t number, const TrialPair& pair)> pair_done;  // numbered from 1
    std::function<void(const std::string& sentence)> note;                     // what the user should know, once
};

// A trial without its pairs, and what they say once it has two or more.
Trial begin_trial(const TrialPlan& plan, const TrialOptions& options);
void end_trial(const TrialPlan& plan, Trial& trial);

// Errors: those of run_arm; not_enough_data where the program failed or had too few steps, or the fix did not reach it.
Result<Trial> run_trial(const TrialPlan& plan, const TrialOptions& options);

}  // namespace headrace::trial
