// --allow: what a user lets fixes change in the results of a program.
#pragma once

#include <CLI/CLI.hpp>
#include <set>
#include <string>
#include <vector>

#include "headrace/finding.h"
#include "headrace/result.h"

namespace headrace::cli {

// Adds --allow, which may be given more than once, to a command.
void add_allow(CLI::App& command, std::vector<std::string>& words, const std::string& help);

// Errors: invalid_argument, of a word that is none.
Result<std::set<Changes>> allowed_changes(const std::vector<std::string>& words);

}  // namespace headrace::cli
