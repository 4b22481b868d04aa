// headrace improve: audits a program in a sandbox, finds by trials what it runs fastest with, and writes what was
// proven.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "audit/diff.h"
#include "audit/shim.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/changes.h"
#include "cli/command.h"
#include "cli/feed.h"
#include "cli/number.h"
#include "cli/output.h"
#include "run/fixes_file.h"
#include "run/history.h"
#include "run/trial_file.h"
#include "sys/side_process.h"
#include "trial/improve.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr double usual_budget = 600, least_budget = 30, most_budget = 7.0 * 24 * 3600;
constexpr const char* fixes_file = "headrace.toml";
constexpr const char* diff_file = "headrace.diff";

struct Options {
    std::optional<std::string> budget;
    std::vector<std::string> allowed;
    std::optional<std::string> dir;
    std::optional<std::string> json;
    bool in_place = false;
    bool network = false;
    bool quiet = false;
};

tl::unexpected<Error> refuse(std::string sentence) { return fail(ErrorCode::invalid_argument, std::move(sentence)); }

// "90s", "10m", "1.5h", or seconds.
Result<double> budget_of(const std::optional<std::string>& text) {
    if (!text) return usual_budget;
    std::string number = *text;
    double unit = 1;
    if (!number.empty()) {
        const char last = number.back();
        unit = last == 'h' ? 3600 : last == 'm' ? 60 : 1;
        if (last == 'h' || last == 'm' || last == 's') number.pop_back();
    }
    const double seconds = number_in<double>(number).value_or(-1) * unit;
    if (seconds >= least_budget && seconds <= most_budget) return seconds;
    return refuse("--budget is '" + *text + "': give a time from 30s to 168h, for example 10m");
}

struct Wanted {
    double budget = usual_budget;
    std::set<Changes> allowed;
    fs::path home;
};

Result<Wanted> wanted_of(const Options& options, const std::vector<std::string>& program) {
    if (program.empty()) {
        return refuse(
            "no program was given to improve: name it after --, for example headrace improve -- python train.py");
    }
    if (options.dir && options.dir->empty()) return refuse("--dir is empty: name a folder");
    const Result<double> budget = budget_of(options.budget);
    if (!budget) return tl::unexpected<Error>(budget.error());
    const Result<std::set<Changes>> allowed = allowed_changes(options.allowed);
    if (!allowed) return tl::unexpected<Error>(allowed.error());
    if (options.json) {
        if (const Result<void> good = can_write(*options.json); !good) return tl::unexpected<Error>(good.error());
    }
    return Wanted{*budget, *allowed, run::home(options.dir.value_or(""))};
}

int fail_with(const Error& error, bool in_place) {
    switch (error.code) {
        case ErrorCode::interrupted:
            return tell("interrupted: nothing was written", 128 + sys::Interrupts::seen());
        case ErrorCode::not_enough_data:
            return tell("nothing proven: " + error.message, exit_not_enough);
        case ErrorCode::not_found:
        case ErrorCode::not_executable:
            return not_started(error);
        case ErrorCode::permission_denied:
            return tell(error.message + (in_place ? "" : "; with --in-place it runs without a sandbox"),
                        exit_bad_input);
        case ErrorCode::internal:
            return tell(error.message, exit_bug);
        default:
            return tell(error.message, exit_bad_input);
    }
}

std::string announcement(const Wanted& wanted, const Options& options, const std::vector<std::string>& program) {
    std::string place = options.in_place ? "in place: what it writes is written" : "in a sandbox: nothing of it stays";
    if (!options.in_place && !options.network) place += ", and it has no network";
    return fmt::format("Improving {}\nfor at most {}, {}.\n", base::printable(base::shell_command(program)),
                       base::format_seconds(wanted.budget), place);
}

// The budget's parts: seeing what the program does, and measuring what it would do.
constexpr double audit_part = 0.2, longest_audit = 120;
constexpr double probe_part = 0.1, longest_probe = 30, least_for_probe = 120;

Result<Audit> audit_program(const Wanted& wanted, const Options& options, const std::vector<std::string>& program) {
    std::error_code error;
    trial::AuditPlan plan;
    plan.command = program;
    plan.directory = fs::current_path(error);
    plan.home = wanted.home;
    plan.seconds = std::min(audit_part * wanted.budget, longest_audit);
    if (wanted.budget >= least_for_probe) plan.probe_seconds = std::min(probe_part * wanted.budget, longest_probe);
    plan.sandbox = !options.in_place;
    plan.network = options.network;
    plan.stopped = [] { return sys::Interrupts::seen() != 0; };
    if (!options.quiet) plan.note = [](const std::string& sentence) { tell(sentence, exit_done); };
    return trial::audit_in_sandbox(plan);
}

trial::ImproveOptions improve_options(const Wanted& wanted, const Options& options, const Audit& audit, double spent) {
    trial::ImproveOptions improve;
    improve.trial.home = wanted.home;
    improve.trial.run = audit.run.id;
    improve.trial.sandbox = !options.in_place;
    improve.trial.network = options.network;
    improve.trial.stopped = [] { return sys::Interrupts::seen() != 0; };
    improve.seconds = wanted.budget - spent;
    improve.allowed = wanted.allowed;
    if (options.quiet) return improve;
    improve.trial.note = [](const std::string& sentence) { tell(sentence, exit_done); };
    improve.progress = [](const std::string& line) { (void)print(STDERR_FILENO, "  " + line + "\n"); };
    return improve;
}

// All that was measured is kept as trials of the run; of the history only what was predicted too is of use.
void keep_trials(const trial::Improved& improved, const run::Folder& folder, const fs::path& home) {
    for (const Trial& trial : improved.trials) {
        for (const Result<void>& kept : {run::keep_trial(folder, trial), run::add_to_history(home, trial)}) {
            if (!kept) tell(kept.error().message, exit_done);
        }
    }
}

std::string apply_command(const std::vector<std::string>& program) {
    return fmt::format("{} apply -- {}", own_name(), base::shell_command(program));
}

std::string result_text(const trial::Improved& improved, double seconds) {
    std::string text;
    for (const ProvenFix& fix : improved.fixes.fixes) {
        text += fmt::format("{}: {}\n  measured   {}\n", base::printable(fix.id),
                            base::printable(as_arguments(fix.fix)), ratio_words(fix.proof.measured));
        if (fix.proof.predicted) text += fmt::format("  predicted  {}\n", ratio_words(*fix.proof.predicted));
    }
    if (improved.fixes.fixes.empty()) text += "Nothing that was measured is surely faster than the program as it is.\n";
    if (improved.fixes.fixes.size() > 1 && improved.together) {
        text += fmt::format("together     {}\n", ratio_words(*improved.together));
    }
    const std::string settings =
        improved.measured == 1 ? "1 other setting" : fmt::format("{} other settings", improved.measured);
    text += fmt::format(
        "samples a second by those of the program as it is, and the 90 % interval; {} measured in {}{}\n", settings,
        base::format_seconds(seconds), improved.in_time ? "" : ", which was too short for all that lies near");
    return text;
}

std::string document_of(const trial::Improved& improved, const Audit& audit, double budget, double seconds) {
    using Json = nlohmann::ordered_json;
    const auto interval = [](const std::optional<Interval>& of) {
        return of ? Json{{"ratio", of->predicted}, {"low", of->low}, {"high", of->high}} : Json(nullptr);
    };
    Json proven = Json::array(), trials = Json::array();
    for (const ProvenFix& fix : improved.fixes.fixes) {
        proven.push_back({{"fix", fix.id},
                          {"arguments", as_arguments(fix.fix)},
                          {"changes", name(fix.changes)},
                          {"predicted", interval(fix.proof.predicted)},
                          {"measured", interval(fix.proof.measured)}});
    }
    for (const Trial& trial : improved.trials) trials.push_back(Json::parse(run::trial_json(trial)));
    const Json json = {{"schema", "headrace.improve/1"},
                       {"run", audit.run.id},
                       {"budget_seconds", budget},
                       {"seconds", seconds},
                       {"settings_measured", improved.measured},
                       {"in_time", improved.in_time},
                       {"proven", std::move(proven)},
                       {"together", interval(improved.together)},
                       {"trials", std::move(trials)}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// One that is there may have been edited: it stays beside the new one.
std::string set_old_aside() {
    std::error_code error;
    if (!fs::exists(fixes_file, error)) return "";
    const std::string old = std::string(fixes_file) + ".old";
    fs::rename(fixes_file, old, error);
    return error ? "" : fmt::format(" (the one before is {})", old);
}

// headrace.toml and headrace.diff, where anything was proven.
Result<std::string> write_fixes(const trial::Improved& improved, const Audit& audit,
                                const std::vector<std::string>& program) {
    if (improved.fixes.fixes.empty()) return std::string();
    const std::string toml = run::fixes_toml(improved.fixes, apply_command(program));
    const std::string aside = set_old_aside();
    if (Result<void> written = write_document(fixes_file, toml); !written) {
        return tl::unexpected<Error>(written.error());
    }
    const std::optional<LoaderSite> site = audit.loaders.front().made;
    const std::string diff = audit::diff_of(improved.fix, site, audit.run);
    if (diff.empty()) return fmt::format("Wrote {}{}\n", fixes_file, aside);
    if (Result<void> written = write_document(diff_file, diff); !written) {
        return tl::unexpected<Error>(written.error());
    }
    return fmt::format("Wrote {}{}, and {} for your code\n", fixes_file, aside, diff_file);
}

int show(const trial::Improved& improved, const Audit& audit, const Options& options, const Wanted& wanted,
         const std::vector<std::string>& program, double seconds) {
    const Result<std::string> wrote = write_fixes(improved, audit, program);
    if (!wrote) return tell(wrote.error().message, exit_bad_input);
    if (options.json) {
        const std::string json = document_of(improved, audit, wanted.budget, seconds);
        if (const auto written = write_document(*options.json, json); !written) {
            return tell(written.error().message, exit_bad_input);
        }
    }
    if (options.quiet || options.json == "-") return exit_done;
    const std::string next =
        improved.fixes.fixes.empty() ? own_name() + " report " + audit.run.id : apply_command(program);
    (void)print(STDOUT_FILENO, result_text(improved, seconds) + *wrote + "Next  " + base::printable(next) + "\n");
    return exit_done;
}

int run_improve(const Options& options, const std::vector<std::string>& program) {
    const auto begun = std::chrono::steady_clock::now();
    const auto spent = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); };
    const Result<Wanted> wanted = wanted_of(options, program);
    if (!wanted) return tell(wanted.error().message, exit_bad_input);
    if (const Result<void> there = check_program(program); !there) return not_started(there.error());
    if (const auto shim = audit::find_shim(); !shim) return tell(shim.error().message, exit_not_started);
    if (!options.quiet) (void)print(STDERR_FILENO, announcement(*wanted, options, program));
    const sys::Interrupts interrupts;
    const Result<Audit> audit = audit_program(*wanted, options, program);
    if (!audit) return fail_with(audit.error(), options.in_place);
    const Result<trial::Improved> improved = trial::improve(*audit, improve_options(*wanted, options, *audit, spent()));
    if (!improved) return fail_with(improved.error(), options.in_place);
    const run::Folder folder{wanted->home / "runs" / audit->run.id};
    feed_history(folder, *audit);
    keep_trials(*improved, folder, wanted->home);
    return show(*improved, *audit, options, *wanted, program, spent());
}

}  // namespace

void add_improve(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "improve",
        "find what a program runs fastest with, and prove it\n"
        "Audits PROGRAM in a sandbox, measures the settings that are predicted to win most and those beside them, by "
        "turns, and writes what was proven into headrace.toml, which headrace apply puts into the program, and as a "
        "diff of your code into headrace.diff. Nothing that the program writes meanwhile stays.");
    command->footer(
        "headrace improve -- python train.py\n"
        "headrace improve --budget 30m --allow numerics -- python train.py --epochs 3");
    command->set_help_flag("-h,--help", "show this help");
    command->add_option("--budget", options->budget, "how long all of it may take: 90s, 10m, 2h (10m)")
        ->type_name("TIME");
    add_allow(*command, options->allowed, "measure also what changes numerics, or semantics (the batch size)");
    command->add_flag("--in-place", options->in_place,
                      "no sandbox: what the program writes is written, as when you run it yourself");
    command->add_flag("--network", options->network, "let the program reach the network from the sandbox");
    command->add_option("--dir", options->dir, "keep the run in this folder (HEADRACE_DIR, else .headrace here)")
        ->type_name("DIR");
    command->add_option("--json", options->json, "write what was found as JSON to this file; - is standard output")
        ->type_name("FILE");
    command->add_flag("--quiet", options->quiet, "print nothing but errors");
    command->callback([options, &invocation] {
        invocation.action = [options, &invocation] { return run_improve(*options, invocation.program); };
    });
}

}  // namespace headrace::cli
