// history.db: what trials have taught. docs/formats/history.md is its document; past_runs.h has the runs in it.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "headrace/result.h"
#include "headrace/trial.h"

namespace headrace::run {

// Puts a trial into the history of `home`, which is made where it is missing. Several processes may do so at once. A
// damaged history is set aside under another name and made anew from the run folders. Errors: no_space,
// permission_denied, io_error, newer_version; the trial in the run's folder is not touched.
Result<void> add_to_history(const std::filesystem::path& home, const Trial& trial);

// How much wider (above 1) or narrower the intervals of a kind of fix should be, by how far trials came from what was
// predicted. A kind without trials is not in it.
using IntervalScales = std::map<std::string, double>;

// From the trials that started before `started`, so that a run's intervals stay what they were. Empty where there is no
// history, or none that can be read.
IntervalScales interval_scales(const std::filesystem::path& home, const std::string& started);

// The kind of a finding's id: input.workers of input.workers.2.
std::string kind_of(const std::string& id);

// An interval as much wider or narrower on both sides of its value, on a logarithmic scale.
Interval scaled(const Interval& interval, double scale);

}  // namespace headrace::run
