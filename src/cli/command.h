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

// Whether a shell in this working directory finds a program that can be started, by the first word of a command.
// Errors: not_found, not_executable, io_error, in the words of sys::Execution.
Result<void> check_program(const std::vector<std::string>& program);

// Tells why a program could not be started; its exit code, as env has it.
int not_started(const Error& error);

// By what a shell in this working directory starts headrace again: "headrace" where it finds one by that name,
// otherwise what this one was started by, which main sets.
void set_started_by(const std::string& name);
std::string own_name();

// What the user asked for.
struct Invocation {
    std::vector<std::string> program;  // audit, apply, improve: the command to run, with its arguments
    std::vector<std::string> runs;     // report, try: which to show or to try a fix of; compare: the one group
    std::optional<std::vector<std::string>> with_runs;  // compare: the other group; absent where --with was not given
    std::function<int()> action;                        // set by the command that was named; gives the exit code
};

// Each adds its command to `app`. `invocation` outlives the parsing and the action.
void add_audit(CLI::App& app, Invocation& invocation);
void add_report(CLI::App& app, Invocation& invocation);
void add_try(CLI::App& app, Invocation& invocation);
void add_improve(CLI::App& app, Invocation& invocation);
void add_apply(CLI::App& app, Invocation& invocation);
void add_compare(CLI::App& app, Invocation& invocation);
void add_gap(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);

// Reads the arguments (without the name of the program) and sets the action. When there is nothing to do, because
// help was asked for or the arguments make no sense, that is said and the exit code is given.
std::optional<int> parse(CLI::App& app, std::vector<std::string> arguments, Invocation& invocation);

}  // namespace headrace::cli
