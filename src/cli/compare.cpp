// headrace compare: two groups of runs of the same work, recorded ones or made now by turns.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "audit/compare.h"
#include "audit/record.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/feed.h"
#include "cli/number.h"
#include "cli/output.h"
#include "cli/runs.h"
#include "headrace/report.h"
#include "sys/side_process.h"
#include "trial/turns.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr double usual_regression = 0.02;

struct Options {
    std::vector<std::string> runs;
    std::optional<std::vector<std::string>> with_runs;
    std::vector<std::string> commands;
    std::optional<std::string> count;
    std::optional<std::string> warm_up;
    std::optional<std::string> max_regression;
    std::optional<std::string> dir;
    std::optional<std::string> json;
    bool quiet = false;
};

tl::unexpected<Error> refuse(std::string sentence) { return fail(ErrorCode::invalid_argument, std::move(sentence)); }

// What is wanted, with all that the user gave understood.
struct Wanted {
    fs::path home;
    double max_regression = usual_regression;
    bool by_turns = false;
    trial::Commands commands;
    std::size_t runs = 5;
    std::size_t warm_up = 1;
};

// "5%", "5 %" or "0.05", as a part of the speed.
Result<double> regression_of(const std::optional<std::string>& text) {
    if (!text) return usual_regression;
    std::string number = *text;
    const bool percent = number.ends_with('%');
    if (percent) number.pop_back();
    while (number.ends_with(' ')) number.pop_back();
    const std::optional<double> value = number_in<double>(number);
    const double part = value.value_or(-1) / (percent ? 100 : 1);
    if (!value || !(part >= 0 && part < 1)) {
        return refuse("--max-regression is '" + *text + "': give a percentage from 0% to 100%, for example 5%");
    }
    return part;
}

constexpr std::uint64_t most_runs = 1000;

Result<void> check_groups(const Options& options) {
    if (!options.commands.empty()) {
        if (!options.runs.empty() || options.with_runs) {
            return refuse("compare takes either runs or commands: leave the runs or --command out");
        }
        if (options.commands.size() == 2) return {};
        return refuse(
            fmt::format("--command was given {}: give two commands, each with one of its own",
                        options.commands.size() == 1 ? "once" : fmt::format("{} times", options.commands.size())));
    }
    if (options.count || options.warm_up) {
        return refuse("--runs and --warmup are of commands that are run now: name two with --command");
    }
    if (options.runs.empty() || !options.with_runs || options.with_runs->empty()) {
        return refuse(
            "there is nothing to compare: give runs before and behind --with, or two commands, each with --command");
    }
    for (const std::vector<std::string>& group : {options.runs, *options.with_runs}) {
        if (std::ranges::find(group, "") != group.end()) return refuse("RUN is empty: give an id, a name or a path");
    }
    return {};
}

Result<trial::Commands> commands_of(const Options& options) {
    trial::Commands commands;
    for (std::size_t i = 0; i < options.commands.size(); ++i) {
        const Result<std::vector<std::string>> words = base::split_command(options.commands[i]);
        if (!words) return refuse("--command " + words.error().message);
        if (const Result<void> there = check_program(*words); !there) return refuse(there.error().message);
        commands[i] = *words;
    }
    return commands;
}

Result<Wanted> wanted_of(const Options& options) {
    if (const Result<void> good = check_groups(options); !good) return tl::unexpected<Error>(good.error());
    if (options.dir && options.dir->empty()) return refuse("--dir is empty: name a folder");
    const Result<double> regression = regression_of(options.max_regression);
    if (!regression) return tl::unexpected<Error>(regression.error());
    const auto runs = whole_number(options.count, "--runs", 2, most_runs);
    if (!runs) return tl::unexpected<Error>(runs.error());
    const auto warm_up = whole_number(options.warm_up, "--warmup", 0, most_runs);
    if (!warm_up) return tl::unexpected<Error>(warm_up.error());
    const Result<trial::Commands> commands = commands_of(options);
    if (!commands) return tl::unexpected<Error>(commands.error());
    if (options.json) {
        if (const Result<void> good = can_write(*options.json); !good) return tl::unexpected<Error>(good.error());
    }
    Wanted wanted;
    wanted.home = run::home(options.dir.value_or(""));
    wanted.max_regression = *regression;
    wanted.by_turns = !options.commands.empty();
    wanted.commands = *commands;
    wanted.runs = runs->value_or(wanted.runs);
    wanted.warm_up = warm_up->value_or(wanted.warm_up);
    return wanted;
}

Result<std::vector<Audit>> load_all(const std::vector<run::Folder>& folders) {
    std::vector<Audit> audits;
    for (const run::Folder& folder : folders) {
        Result<Audit> audit = audit::load(folder);
        if (!audit) return tl::unexpected<Error>(audit.error());
        audits.push_back(std::move(*audit));
    }
    return audits;
}

using Groups = std::array<std::vector<run::Folder>, 2>;

Result<Groups> find_runs(const Options& options, const fs::path& home) {
    Groups groups;
    const std::array<const std::vector<std::string>*, 2> names{&options.runs, &*options.with_runs};
    std::vector<std::string> ids;
    for (std::size_t which = 0; which < groups.size(); ++which) {
        for (const std::string& name : *names[which]) {
            const Result<run::Folder> folder = run::find(home, name);
            if (!folder) return tl::unexpected<Error>(folder.error());
            if (std::ranges::find(ids, folder->id()) != ids.end()) {
                return refuse("run " + folder->id() + " was named twice: name each run once");
            }
            ids.push_back(folder->id());
            groups[which].push_back(*folder);
        }
    }
    return groups;
}

std::string announcement(const Wanted& wanted) {
    return fmt::format("a  {}\nb  {}\nEach is run {} times, by turns{}, where it stands and with all that it writes.\n",
                       base::printable(base::shell_command(wanted.commands[0])),
                       base::printable(base::shell_command(wanted.commands[1])), wanted.runs,
                       wanted.warm_up == 0 ? ""
                       : wanted.warm_up == 1
                           ? " and after a run of a that does not count"
                           : fmt::format(" and after {} runs of a that do not count", wanted.warm_up));
}

Result<Groups> make_runs(const Wanted& wanted, bool quiet) {
    const sys::Interrupts interrupts;
    trial::TurnsOptions turns;
    turns.commands = wanted.commands;
    turns.home = wanted.home;
    turns.runs = wanted.runs;
    turns.warm_up = wanted.warm_up;
    turns.stopped = [] { return sys::Interrupts::seen() != 0; };
    if (!quiet) {
        (void)print(STDERR_FILENO, announcement(wanted));
        turns.run_done = [&](std::size_t which, std::size_t number, double seconds) {
            (void)print(STDERR_FILENO, fmt::format("{} {} of {}: {}\n", which == 0 ? 'a' : 'b', number, wanted.runs,
                                                   base::format_seconds(seconds)));
        };
    }
    return trial::run_by_turns(turns);
}

int fail_with(const Error& error) {
    switch (error.code) {
        case ErrorCode::interrupted:
            return tell("interrupted: the runs that had ended are kept", 128 + sys::Interrupts::seen());
        case ErrorCode::not_enough_data:
            return tell("not compared: " + error.message, exit_not_enough);
        case ErrorCode::internal:
            return tell(error.message, exit_bug);
        default:
            return tell(error.message, exit_bad_input);
    }
}

// What comes next: the run that shows where the time went, or what would say more.
std::string next_command(const Comparison& comparison, const Options& options) {
    if (comparison.verdict != Verdict::unknown) {
        return report_command(options.dir, {comparison.after.runs.back().id});
    }
    const auto command = [](const ComparedSide& side) {
        return " --command " + base::shell_word(base::shell_command(side.command));
    };
    return own_name() + " compare" + command(comparison.before) + command(comparison.after);
}

int show(const Comparison& comparison, const Options& options) {
    if (options.json) {
        if (const auto written = write_document(*options.json, render_json(comparison)); !written) {
            return tell(written.error().message, exit_bad_input);
        }
    }
    if (!options.quiet && options.json != "-") {
        const std::string text = render_text(comparison, style_of(STDOUT_FILENO)) +
                                 fmt::format("{:<11}{}\n", "Next", next_command(comparison, options));
        if (const auto printed = print(STDOUT_FILENO, text); !printed) {
            return tell(printed.error().message, exit_bad_input);
        }
    }
    if (comparison.regression) return exit_falls_short;
    return comparison.verdict == Verdict::unknown ? exit_not_enough : exit_done;
}

// What equal runs on this machine have differed by is asked of the history where runs were not made side by side.
audit::CompareOptions options_for(const Wanted& wanted, const Groups& groups, const std::vector<Audit>& before) {
    audit::CompareOptions options{.max_regression = wanted.max_regression, .by_turns = wanted.by_turns, .known = {}};
    if (wanted.by_turns) return options;
    std::set<std::string> compared;
    for (const std::vector<run::Folder>& group : groups) {
        for (const run::Folder& folder : group) compared.insert(folder.id());
    }
    options.known = audit::spread_of(run::equal_runs(wanted.home, before.front().run.machine), compared);
    return options;
}

int run_compare(const Options& options) {
    const Result<Wanted> wanted = wanted_of(options);
    if (!wanted) return fail_with(wanted.error());
    const Result<Groups> groups =
        wanted->by_turns ? make_runs(*wanted, options.quiet) : find_runs(options, wanted->home);
    if (!groups) return fail_with(groups.error());
    const Result<std::vector<Audit>> before = load_all(groups->front()), after = load_all(groups->back());
    if (!before) return fail_with(before.error());
    if (!after) return fail_with(after.error());
    if (wanted->by_turns) {
        for (std::size_t i = 0; i < before->size(); ++i) feed_history(groups->front()[i], (*before)[i]);
        for (std::size_t i = 0; i < after->size(); ++i) feed_history(groups->back()[i], (*after)[i]);
    }
    const Result<Comparison> comparison = audit::compare(*before, *after, options_for(*wanted, *groups, *before));
    return comparison ? show(*comparison, options) : fail_with(comparison.error());
}

}  // namespace

void add_compare(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "compare",
        "set runs side by side: is one group slower, surely, and where\n"
        "Compares recorded runs with others of the same work, or runs two commands by turns and compares these. "
        "Shows the ledger entry by entry and ends with 1 when the second is slower than allowed by more than chance "
        "would make, with 3 when nobody knows how much equal runs differ here.");
    command->footer(
        "headrace compare --command 'python old.py' --command 'python new.py'\n"
        "headrace compare --max-regression 5% monday --with tuesday wednesday");
    command->set_help_flag("-h,--help", "show this help");
    command->add_option("run", options->runs, "the runs to compare with: ids, --names or paths")->type_name("RUN...");
    // For the help alone: parse has taken it and what stands behind it.
    command->add_option("--with", "the runs that are compared with those before it")->type_name("RUN...");
    command
        ->add_option("--command", options->commands,
                     "run it by turns with the other one; given twice, a shell's quotes")
        ->type_name("CMD")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command->add_option("--runs", options->count, "run each command so many times (5)")->type_name("K");
    command->add_option("--warmup", options->warm_up, "runs of the first before them, which do not count (1)")
        ->type_name("N");
    command
        ->add_option("--max-regression", options->max_regression,
                     "how much slower the second may be before that counts (2%)")
        ->type_name("PART");
    command->add_option("--dir", options->dir, "where the runs are (HEADRACE_DIR, else .headrace here)")
        ->type_name("DIR");
    command->add_option("--json", options->json, "write the comparison as JSON to this file; - is standard output")
        ->type_name("FILE");
    command->add_flag("--quiet", options->quiet, "print nothing but errors");
    command->callback([options, &invocation] {
        options->runs = invocation.runs;
        options->with_runs = invocation.with_runs;
        invocation.action = [options] { return run_compare(*options); };
    });
}

}  // namespace headrace::cli
