#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "cli/command.h"
#include "cli/output.h"

namespace headrace::cli {
namespace {

bool takes_value(const CLI::App& command, std::string_view option) {
    const CLI::Option* found = command.get_option_no_throw(std::string(option));
    return found != nullptr && found->get_items_expected_min() > 0;
}

// Where the options of `command` end: the program to run begins behind `--` or at the first word that is no option.
// CLI11 cannot tell an option of ours from one of the program's, so the two are parted before it reads ours.
std::size_t end_of_options(const CLI::App& command, const std::vector<std::string>& arguments) {
    std::size_t at = 1;
    while (at < arguments.size() && arguments[at].size() > 1 && arguments[at].front() == '-' && arguments[at] != "--") {
        at += takes_value(command, arguments[at]) ? 2 : 1;
    }
    return std::min(at, arguments.size());
}

bool runs_program(const std::string& command) {
    return command == "audit" || command == "apply" || command == "improve";
}

void take_program(const CLI::App& app, std::vector<std::string>& arguments, Invocation& invocation) {
    if (arguments.empty() || !runs_program(arguments.front())) return;
    const CLI::App& command = *app.get_subcommand(arguments.front());
    const auto end = arguments.begin() + static_cast<std::ptrdiff_t>(end_of_options(command, arguments));
    const bool marked = end != arguments.end() && *end == "--";
    invocation.program.assign(end + (marked ? 1 : 0), arguments.end());
    arguments.erase(end, arguments.end());
}

bool takes_runs(const std::string& command) { return command == "report" || command == "try" || command == "compare"; }

// CLI11 would take a name in brackets for a list of its own, and cannot part the runs behind --with from those before.
void take_runs(const CLI::App& app, std::vector<std::string>& arguments, Invocation& invocation) {
    if (arguments.empty() || !takes_runs(arguments.front())) return;
    const CLI::App& command = *app.get_subcommand(arguments.front());
    const bool has_with = arguments.front() == "compare";
    std::vector<std::string> options = {arguments.front()};
    bool behind_dashes = false;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (behind_dashes || argument.size() < 2 || argument.front() != '-') {
            (invocation.with_runs ? *invocation.with_runs : invocation.runs).push_back(argument);
        } else if (argument == "--") {
            behind_dashes = true;
        } else if (has_with && argument == "--with" && !invocation.with_runs) {
            invocation.with_runs.emplace();
        } else {
            options.push_back(argument);
            if (takes_value(command, argument) && i + 1 < arguments.size()) options.push_back(arguments[++i]);
        }
    }
    arguments = std::move(options);
}

// Whose arguments were wrong: the command that was named, or headrace itself.
const CLI::App& named(const CLI::App& app) {
    const std::vector<CLI::App*> commands = app.get_subcommands();
    return commands.empty() ? app : *commands.front();
}

std::string full_name(const CLI::App& app) {
    return app.get_parent() == nullptr ? app.get_name() : app.get_parent()->get_name() + " " + app.get_name();
}

std::string stray_argument(const CLI::App& app) {
    const std::vector<std::string> strays = app.remaining(true);
    const std::string stray = strays.empty() ? "an argument" : strays.front();
    if (stray.size() > 1 && stray.front() == '-') return full_name(named(app)) + " has no option " + stray;
    if (named(app).get_parent() == nullptr) return "there is no command " + stray;
    return full_name(named(app)) + " has no use for the argument " + stray;
}

std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error) {
    const bool strays = !app.remaining(true).empty();
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) return stray_argument(app);
    if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
        return strays ? stray_argument(app) : "no command was given";
    }
    std::string words = error.what();
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && words.starts_with("--")) {
        const std::string option = words.substr(0, words.find(':'));
        return option + (words.find("received") != std::string::npos ? " was given more than once" : " needs a value");
    }
    return words;
}

int explain(const CLI::App& app, const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
        return tell(what_is_wrong(app, error) + ": see " + full_name(named(app)) + " --help", exit_bad_input);
    }
    const bool version = dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr;
    const Result<void> printed = print(STDOUT_FILENO, version ? error.what() + std::string("\n") : named(app).help());
    return printed ? exit_done : tell(printed.error().message, exit_bad_input);
}

}  // namespace

std::optional<int> parse(CLI::App& app, std::vector<std::string> arguments, Invocation& invocation) {
    take_program(app, arguments, invocation);
    take_runs(app, arguments, invocation);
    try {
        std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
        app.require_subcommand(1);
        app.parse(std::move(arguments));
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        return explain(app, error);
    }
}

}  // namespace headrace::cli
