// The list of runs, as a table and as JSON (docs/formats/runs.schema.json). Pure.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "headrace/report.h"
#include "run/store.h"

namespace headrace::cli {

// A line for each run; cut to `terminal` columns when that is not 0, whole otherwise.
std::string runs_as_text(const std::vector<run::Listed>& runs, const TextStyle& style, int terminal,
                         const std::filesystem::path& home);

// An array with an object for each run, with a final newline.
std::string runs_as_json(const std::vector<run::Listed>& runs);

}  // namespace headrace::cli
