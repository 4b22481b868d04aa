// headrace apply: runs a program with the fixes that headrace.toml holds, with no edit.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <set>

#include "audit/shim.h"
#include "base/text.h"
#include "cli/changes.h"
#include "cli/command.h"
#include "cli/output.h"
#include "run/fixes_file.h"
#include "sys/execute.h"
#include "sys/file.h"
#include "sys/machine.h"
#include "trial/ground.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* usual_file = "headrace.toml";

struct Options {
    std::optional<std::string> file;
    std::vector<std::string> allowed;
    bool quiet = false;
};

tl::unexpected<Error> refuse(std::string sentence) { return fail(ErrorCode::invalid_argument, std::move(sentence)); }

Result<ProvenFixes> read_fixes(const Options& options) {
    const std::string file = options.file.value_or(usual_file);
    if (file.empty()) return refuse("--with is empty: name a file that headrace improve wrote");
    const Result<std::string> text = sys::read_whole(file);
    if (!text && text.error().code == ErrorCode::not_found) {
        return refuse(fmt::format("there is no {}{}: headrace improve writes one, and --with names another",
                                  base::printable(file), options.file ? "" : " here"));
    }
    if (!text) return tl::unexpected<Error>(text.error());
    return run::parse_fixes(*text, file);
}

// One line: what is applied, and what is not and why.
std::string told(const trial::Chosen& chosen) {
    std::vector<std::string> applied, left_out;
    for (const ProvenFix& fix : chosen.applied) {
        applied.push_back(fmt::format("{} ({})", base::printable(fix.id), base::printable(as_arguments(fix.fix))));
    }
    for (const trial::LeftOut& fix : chosen.left_out) {
        left_out.push_back(fmt::format("{} is left out: {}", base::printable(fix.id), fix.why));
    }
    std::string line = applied.empty() ? "nothing is applied" : fmt::format("applied: {}", fmt::join(applied, ", "));
    if (!left_out.empty()) line += fmt::format("; {}", fmt::join(left_out, "; "));
    return line;
}

// Python's own options, up to the script: with one of these it reads no PYTHONPATH or does not begin with `site`.
std::string shuts_out(const std::vector<std::string>& program) {
    if (!fs::path(program.front()).filename().string().starts_with("python")) return "";
    for (std::size_t i = 1; i < program.size() && program[i].size() > 1 && program[i].front() == '-'; ++i) {
        const std::string& word = program[i];
        if (word[1] == '-' || word[1] == 'c' || word[1] == 'm') break;
        if (word.find_first_of("IES") != std::string::npos && word[1] != 'X' && word[1] != 'W') return word;
        if (word == "-X" || word == "-W") ++i;  // and its value
    }
    return "";
}

std::vector<std::pair<std::string, std::string>> environment_of(const std::string& injection, const fs::path& shim) {
    if (injection.empty()) return {};
    return {{"PYTHONPATH", audit::python_path(shim)}, {"HEADRACE_INJECT", injection}};
}

int run_apply(const Options& options, const std::vector<std::string>& program) {
    if (program.empty()) {
        return tell("no program was given to run: name it after --, for example headrace apply -- python train.py",
                    exit_bad_input);
    }
    const Result<std::set<Changes>> allowed = allowed_changes(options.allowed);
    if (!allowed) return tell(allowed.error().message, exit_bad_input);
    const Result<ProvenFixes> fixes = read_fixes(options);
    if (!fixes) return tell(fixes.error().message, exit_bad_input);
    if (const Result<void> there = check_program(program); !there) return not_started(there.error());
    const Result<fs::path> shim = audit::find_shim();
    if (!shim) return tell(shim.error().message, exit_not_started);
    trial::Chosen chosen = trial::choose(*fixes, sys::describe_machine(), *allowed, fs::path());
    if (const std::string option = shuts_out(program); !option.empty()) {
        chosen = {};
        if (!options.quiet) tell("nothing is applied: Python " + option + " lets nothing in", exit_done);
    } else if (!options.quiet) {
        tell(told(chosen), exit_done);
    }
    // It becomes the program, so that nothing stands between it and its terminal, its signals and its parent.
    const sys::Execution execution(program, environment_of(trial::injection_of(chosen), *shim));
    const int error = execution.execute();
    return not_started(execution.failure(error));
}

}  // namespace

void add_apply(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "apply",
        "run a program with the fixes that were proven for it\n"
        "Runs PROGRAM with the fixes of headrace.toml put into it, with no edit, and becomes that program. One line on "
        "standard error says what is applied. A fix whose ground has gone is left out: another machine, another loader "
        "or other arguments of it.");
    command->footer(
        "headrace apply -- python train.py --epochs 3\n"
        "headrace apply --with proven.toml --allow numerics -- torchrun train.py");
    command->set_help_flag("-h,--help", "show this help");
    command->add_option("--with", options->file, "the file that headrace improve wrote (headrace.toml)")
        ->type_name("FILE");
    add_allow(*command, options->allowed, "apply also what changes numerics, or semantics (the batch size)");
    command->add_flag("--quiet", options->quiet, "say nothing of what is applied");
    command->callback([options, &invocation] {
        invocation.action = [options, &invocation] { return run_apply(*options, invocation.program); };
    });
}

}  // namespace headrace::cli
