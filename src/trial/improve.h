// Finds the settings that a program runs fastest with, by trials of its own: `headrace improve`.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "headrace/fixes.h"
#include "headrace/ledger.h"
#include "headrace/result.h"
#include "headrace/trial.h"
#include "trial/trial.h"

namespace headrace::trial {

struct AuditPlan {
    std::vector<std::string> command;
    std::filesystem::path directory;
    std::filesystem::path home;  // the .headrace folder, where the run is kept
    double seconds = 0;          // after which the program is ended: all of it need not be seen
    double probe_seconds = 0;    // of a probe after it; 0: none
    bool sandbox = true;
    bool network = false;
    std::function<bool()> stopped;                          // asked ten times a second
    std::function<void(const std::string& sentence)> note;  // why there is no probe
};

// Runs a program in a sandbox, recorded as an audit, and probes it. Errors: those of run_arm; not_enough_data where it
// failed.
Result<Audit> audit_in_sandbox(const AuditPlan& plan);

struct ImproveOptions {
    TrialOptions trial;
    double seconds = 600;       // that all runs together may take
    std::set<Changes> allowed;  // of what changes results: numerics, semantics
    std::function<void(const std::string& line)> progress;
};

struct Improved {
    std::vector<Trial> trials;         // of all that was measured twice or more, against the program as it is
    ProvenFixes fixes;                 // that a trial proved, in their order; none where nothing did
    std::optional<Interval> together;  // samples a second with all of them by those without
    Fix fix;                           // all of them
    std::size_t measured = 0;          // settings beside the program as it is, once or more
    bool in_time = true;               // false: the time was over before everything near the best was measured
};

// Errors: interrupted; not_enough_data (the run has no loader or steps, or the time did not allow three runs of
// anything); those of run_arm.
Result<Improved> improve(const Audit& audit, const ImproveOptions& options);

}  // namespace headrace::trial
