// A trial: a program run with a fix and without it, in turns, and what that won. Plain structs;
// docs/formats/trial.schema.json is the same thing as JSON. Times are in seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/finding.h"

namespace headrace {

// One run without the fix and one with it: the mean time of the same steps of both.
struct TrialPair {
    double without_step_seconds = 0;
    double with_step_seconds = 0;
};

struct Trial {
    std::string id;                  // its start and some digits, as a run's
    std::string run;                 // id of the audited run
    std::string started;             // ISO 8601, UTC
    std::vector<std::string> fixes;  // ids of the run's findings
    Fix fix;                         // what was changed, of all of them together
    // Of samples a second; the prediction is absent where several fixes were tried as one, which nothing predicted.
    std::optional<Interval> predicted;
    double interval_scale = 1;   // Finding::interval_scale of the prediction
    Interval measured;           // its `predicted` is the measured value, with the ends of the 90 % interval
    std::optional<bool> inside;  // the measured value lies in the predicted interval
    std::vector<TrialPair> pairs;
    std::uint64_t steps = 0;    // that were measured in each run
    std::uint64_t warm_up = 0;  // steps before them
    bool sandbox = true;
    std::string host;
    std::string cpu;  // model name
    double cores_usable = 0;
};

}  // namespace headrace
