// What the commands share: exit codes, and how a command joins the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "headrace/result.h"

namespace headrace::cli {

// docs/cli.md lists them.
inline constexpr int exit_done = 0;
inline constexpr int exit_falls_short = 1;
inline constexpr int exit_bad_input = 2;
inline constexpr int exit_not_enough = 3;
inline constexpr int exit_bug = 70;
inline constexpr int exit_not_started = 125;
inline constexpr int exit_not_executable = 126;
inline constexpr int exit_not_found = 127;

// By what a shell in this working directory starts this headrace again: "headrace" where it finds it by that name,
// otherwise what it was started by.
void set_own_name(const std::string& started_by);
const std::string& own_name() noexcept;

// What the user asked for.
struct Invocation {
    std::vector<std::string> program;  // audit: the command to run, with its arguments
    std::vector<std::string> runs;     // report, try: which to show or to try a fix of
    std::function<int()> action;       // set by the command that was named; gives the exit code
};

// Each adds its command to `app`. `invocation` outlives the parsing and the action.
void add_audit(CLI::App& app, Invocation& invocation);
void add_report(CLI::App& app, Invocation& invocation);
void add_try(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);

// Reads the arguments (without the name of the program) and sets the action. When there is nothing to do, because
// help was asked for or the arguments make no sense, that is said and the exit code is given.
std::optional<int> parse(CLI::App& app, std::vector<std::string> arguments, Invocation& invocation);

}  // namespace headrace::cli
