// Trials as documents: headrace.trial/1 (docs/formats/trial.schema.json), kept in the folder of the run that they
// belong to, as trials/ID.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "headrace/result.h"
#include "headrace/trial.h"
#include "run/store.h"

namespace headrace::run {

// The document, with a final newline.
std::string trial_json(const Trial& trial);

// Errors: damaged (no such document, a missing key, an impossible value), newer_version.
Result<Trial> parse_trial(std::string_view json);

// Puts it into the folder of its run, whole or not at all.
Result<void> keep_trial(const Folder& folder, const Trial& trial);

// Those of a run, by their start; a damaged one is left out.
std::vector<Trial> trials_of(const Folder& folder);

}  // namespace headrace::run
