// Full evaluations where a sample of the rows would decide.
#pragma once

#include <optional>
#include <span>

#include "headrace/finding.h"

namespace headrace::evaluate {

struct EvaluationUse {
    std::span<const double> seconds;  // of each evaluation, in their order
    double rows = 0;                  // of one
    double run_seconds = 0;           // of the whole run
};

// The finding evaluate.sample: 1,000 rows in every evaluation but the last, which stays whole. None with fewer than
// 2,000 rows, fewer than two evaluations, or where evaluations are less than 10 % of the run.
//
// The seconds saved are in proportion to the rows, less a fixed part of an evaluation (workers, mode switches) that is
// not known: up to a fifth of it.
std::optional<Finding> advise_sample(const EvaluationUse& use);

}  // namespace headrace::evaluate
