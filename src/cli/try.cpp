// headrace try: runs a program without and with a fix, in turns, and sets what that won beside what was predicted.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "audit/record.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/number.h"
#include "cli/output.h"
#include "cli/runs.h"
#include "headrace/report.h"
#include "run/history.h"
#include "run/trial_file.h"
#include "sys/side_process.h"
#include "trial/trial.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
    std::vector<std::string> runs;
    std::optional<std::string> fix;
    std::optional<std::string> pairs;
    std::optional<std::string> steps;
    std::optional<std::string> dir;
    std::optional<std::string> json;
    bool in_place = false;
    bool network = false;
    bool quiet = false;
};

int refuse(std::string_view sentence) { return tell(sentence, exit_bad_input); }

Result<std::vector<std::string>> ids_of(const std::string& list) {
    std::vector<std::string> ids;
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        std::string id = list.substr(begin, end - begin);
        if (id.empty() || std::find(ids.begin(), ids.end(), id) != ids.end()) {
            return fail(ErrorCode::invalid_argument, "--fix is '" + list +
                                                         "': give ids of findings, each once, with commas between "
                                                         "them");
        }
        ids.push_back(std::move(id));
        begin = end + 1;
    }
    return ids;
}

Result<trial::TrialWishes> wishes_of(const Options& options) {
    trial::TrialWishes wishes;
    const auto ids = ids_of(options.fix.value_or(""));
    const auto pairs = whole_number(options.pairs, "--pairs", 2, 1000);
    const auto steps = whole_number(options.steps, "--steps", 20, 10'000'000);
    if (!options.fix) {
        return fail(ErrorCode::invalid_argument,
                    "no fix was named: give the id of a finding, for example --fix input.workers");
    }
    if (!ids) return tl::unexpected<Error>(ids.error());
    if (!pairs) return tl::unexpected<Error>(pairs.error());
    if (!steps) return tl::unexpected<Error>(steps.error());
    wishes.ids = *ids;
    wishes.pairs = *pairs;
    wishes.steps = *steps;
    return wishes;
}

Result<void> check(const Options& options) {
    if (options.dir && options.dir->empty()) return fail(ErrorCode::invalid_argument, "--dir is empty: name a folder");
    if (options.runs.size() > 1) {
        return fail(ErrorCode::invalid_argument, "try takes one RUN: the fixes of several cannot be tried as one");
    }
    if (!options.runs.empty() && options.runs.front().empty()) {
        return fail(ErrorCode::invalid_argument, "RUN is empty: give an id, a name or a path, or leave it out");
    }
    return options.json ? can_write(*options.json) : Result<void>();
}

std::string announcement(const trial::TrialPlan& plan, const Options& options) {
    std::string place =
        options.in_place ? "in place: what it writes is written" : "in a sandbox: nothing that it writes stays";
    if (!options.in_place && !options.network) place += ", and it has no network";
    return fmt::format(
        "Trying {} on {}\n{} pairs of runs, without and with it, each of {} steps after {} of warm-up; {}.\n"
        "This takes about {}.\n",
        as_arguments(plan.fix), base::printable(base::shell_command(plan.command)), plan.pairs, plan.steps,
        plan.warm_up, place, base::format_seconds(plan.seconds));
}

std::string figure(double ratio) { return fmt::format("{:.2f}x", ratio); }

std::string interval_words(const Interval& interval) {
    return fmt::format("{} ({} to {})", figure(interval.predicted), figure(interval.low), figure(interval.high));
}

std::string result_text(const Trial& trial, const std::string& next) {
    std::string text = fmt::format("{}\n", fmt::join(trial.fixes, ","));
    text += trial.predicted          ? fmt::format("  predicted  {}\n", interval_words(*trial.predicted))
            : trial.fixes.size() > 1 ? "  predicted  nothing: several fixes as one\n"
                                     : "  predicted  nothing\n";
    text += fmt::format("  measured   {}", interval_words(trial.measured));
    if (trial.inside) text += *trial.inside ? ", inside the predicted interval" : ", outside the predicted interval";
    text += fmt::format(
        "\n  samples a second with the fix by those without, and the 90 % interval; {} pairs of {} "
        "steps, on {}\nNext  {}\n",
        trial.pairs.size(), trial.steps, base::printable(trial.host), next);
    return text;
}

int code_of(const Error& error) {
    switch (error.code) {
        case ErrorCode::interrupted:
            return 128 + sys::Interrupts::seen();
        case ErrorCode::not_enough_data:
            return exit_not_enough;
        case ErrorCode::not_found:
        case ErrorCode::unsupported:
        case ErrorCode::permission_denied:
        case ErrorCode::newer_version:
        case ErrorCode::damaged:
            return exit_bad_input;
        case ErrorCode::internal:
            return exit_bug;
        default:
            return exit_not_started;
    }
}

int fail_with(const Error& error, bool in_place = true) {
    if (error.code == ErrorCode::interrupted) {
        return tell("interrupted: the trial was ended and nothing of it was kept", code_of(error));
    }
    const bool not_measured = error.code == ErrorCode::not_enough_data;
    const bool no_sandbox = error.code == ErrorCode::permission_denied && !in_place;
    return tell((not_measured ? "not measured: " : "") + error.message +
                    (no_sandbox ? "; with --in-place it runs without one" : ""),
                code_of(error));
}

trial::TrialOptions trial_options(const Options& options, const fs::path& home, const std::string& run) {
    trial::TrialOptions wanted;
    wanted.home = home;
    wanted.run = run;
    wanted.sandbox = !options.in_place;
    wanted.network = options.network;
    wanted.stopped = [] { return sys::Interrupts::seen() != 0; };
    if (options.quiet) return wanted;
    wanted.note = [](const std::string& sentence) { tell(sentence, exit_done); };
    wanted.pair_done = [](std::size_t number, const TrialPair& pair) {
        (void)print(STDERR_FILENO, fmt::format("pair {}: {} a step without, {} with: {}\n", number,
                                               base::format_seconds(pair.without_step_seconds),
                                               base::format_seconds(pair.with_step_seconds),
                                               figure(pair.without_step_seconds / pair.with_step_seconds)));
    };
    return wanted;
}

// The home of the trial's files: of the run where it lies among runs, else that of this place.
fs::path home_of(const run::Folder& folder, const fs::path& home) {
    std::error_code error;
    const fs::path runs = fs::absolute(folder.path, error).lexically_normal().parent_path();
    return runs.filename() == "runs" ? runs.parent_path() : home;
}

int keep_and_show(const Trial& trial, const Options& options, const run::Folder& folder, const fs::path& home) {
    int code = exit_done;
    for (const Result<void>& kept : {run::keep_trial(folder, trial), run::add_to_history(home, trial)}) {
        if (!kept) code = tell(kept.error().message, exit_bad_input);
    }
    if (options.json) {
        if (const auto written = write_document(*options.json, run::trial_json(trial)); !written) {
            code = refuse(written.error().message);
        }
    }
    if (!options.quiet && options.json != "-") {
        const std::string run = options.runs.empty() ? folder.id() : options.runs.front();
        (void)print(STDOUT_FILENO, result_text(trial, report_command(options.dir, {run})));
    }
    return code;
}

int run_try(const Options& options) {
    if (const Result<void> good = check(options); !good) return refuse(good.error().message);
    const Result<trial::TrialWishes> wishes = wishes_of(options);
    if (!wishes) return refuse(wishes.error().message);
    const fs::path home = run::home(options.dir.value_or(""));
    const Result<run::Folder> folder = run::find(home, options.runs.empty() ? "" : options.runs.front());
    if (!folder) return refuse(folder.error().message);
    const Result<Audit> audit = audit::load(*folder);
    if (!audit) return fail_with(audit.error());
    const Result<trial::TrialPlan> plan = trial::plan_trial(*audit, *wishes);
    if (!plan)
        return plan.error().code == ErrorCode::not_enough_data ? fail_with(plan.error()) : refuse(plan.error().message);
    if (!options.quiet) (void)print(STDERR_FILENO, announcement(*plan, options));
    const sys::Interrupts interrupts;
    const fs::path place = home_of(*folder, home);
    const Result<Trial> trial = trial::run_trial(*plan, trial_options(options, place, audit->run.id));
    if (!trial) return fail_with(trial.error(), options.in_place);
    return keep_and_show(*trial, options, *folder, place);
}

}  // namespace

void add_try(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "try",
        "run a program without and with a fix, and measure what it wins\n"
        "Runs the program of RUN again, in turns without and with the fix of one of its findings, with no edit. It "
        "runs in a sandbox in which nothing that it writes stays and which has no network, each time for some "
        "hundred steps. Shows the measured ratio beside the predicted one.");
    command->footer(
        "headrace try --fix input.workers\n"
        "headrace try --fix input.workers --pairs 10 --steps 300 two-workers");
    command->set_help_flag("-h,--help", "show this help");
    command->add_option("run", options->runs, "an id, a --name or a path; the newest run when left out")
        ->type_name("RUN");
    command->add_option("--fix", options->fix, "the finding, as the report calls it; several are tried as one")
        ->type_name("ID[,ID...]");
    command->add_option("--pairs", options->pairs, "runs without and with it, so many of each (5)")->type_name("K");
    command->add_option("--steps", options->steps, "measure so many steps of each run (8 seconds of them)")
        ->type_name("N");
    command->add_flag("--in-place", options->in_place,
                      "no sandbox: what the program writes is written, as when you run it yourself");
    command->add_flag("--network", options->network, "let the program reach the network from the sandbox");
    command->add_option("--dir", options->dir, "where the runs are (HEADRACE_DIR, else .headrace here)")
        ->type_name("DIR");
    command->add_option("--json", options->json, "write the trial as JSON to this file; - is standard output")
        ->type_name("FILE");
    command->add_flag("--quiet", options->quiet, "print nothing but errors");
    command->callback([options, &invocation] {
        options->runs = invocation.runs;
        invocation.action = [options] { return run_try(*options); };
    });
}

}  // namespace headrace::cli
