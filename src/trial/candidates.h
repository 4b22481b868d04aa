// The settings that `headrace improve` measures: those of a run's findings, and those beside the best ones so far.
// Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "headrace/ledger.h"

namespace headrace::trial {

// A setting of the program, and what is said of it. One that sets nothing is the program as it is.
struct Candidate {
    Fix fix;
    std::string id;                  // of the finding, or of the kind that it would be one of
    std::optional<Finding> finding;  // that predicted it
    Changes changes = Changes::nothing;
};

// What a fix may change in the results of a program.
Changes changes_of(const Fix& fix) noexcept;

// Workers and threads that findings predict a gain of, the most promising first; what they change is allowed.
std::vector<Candidate> predicted_points(const Audit& audit, const std::set<Changes>& allowed);

// Other kinds of fixes that findings predict a gain of, which can be put on top: a cache of samples, autocast.
std::vector<Candidate> predicted_extras(const Audit& audit, const std::set<Changes>& allowed);

// One worker or so more and less than `point`, and the other numbers of threads: 0 workers to two more than the machine
// has cores, 1 thread to as many as cores.
std::vector<Candidate> neighbours(const Audit& audit, const Candidate& point);

bool same_setting(const Fix& x, const Fix& y) noexcept;

// `extra` on top of `point`; none where they contradict each other.
std::optional<Candidate> joined(const Candidate& point, const Candidate& extra);

}  // namespace headrace::trial
