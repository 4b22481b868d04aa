// The list of runs, as a table and as JSON (docs/formats/runs.schema.json). Pure.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "headrace/report.h"
#include "run/store.h"

namespace headrace::cli {

// A line for each run and the next command, of the newest run that can be read, for which `dir` is the --dir that was
// given; lines of runs are cut to `terminal` columns when that is not 0, whole otherwise.
std::string runs_as_text(const std::vector<run::Listed>& runs, const TextStyle& style, int terminal,
                         const std::filesystem::path& home, const std::optional<std::string>& dir);

// The command that shows `runs` from the same place as `--dir` named: "headrace report --dir 'my runs' ID". It can be
// pasted.
std::string report_command(const std::optional<std::string>& dir, const std::vector<std::string>& runs);

// Puts into an audit the commands that try its findings, and as the next one that of the first which promises a gain
// and was not tried; otherwise `show`, which shows the run again. `run` names it, from where `dir` says.
void add_commands(Audit& audit, const std::optional<std::string>& dir, const std::string& run, const std::string& show);

// An array with an object for each run, with a final newline.
std::string runs_as_json(const std::vector<run::Listed>& runs);

}  // namespace headrace::cli
