// headrace report: shows a recorded run again, or lists the runs.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "audit/combine.h"
#include "audit/record.h"
#include "cli/command.h"
#include "cli/feed.h"
#include "cli/output.h"
#include "cli/runs.h"
#include "headrace/report.h"

namespace headrace::cli {
namespace {

struct Options {
    std::vector<std::string> runs;
    std::optional<std::string> dir;
    std::optional<std::string> json;
    bool list = false;
    bool quiet = false;
};

int refuse(std::string_view sentence) { return tell(sentence, exit_bad_input); }

// The text goes to standard output, unless the document does.
int put_out(const Options& options, const std::string& json, const std::string& text) {
    if (options.json) {
        if (const auto written = write_document(*options.json, json); !written) return refuse(written.error().message);
    }
    if (!options.quiet && options.json != "-") {
        if (const auto printed = print(STDOUT_FILENO, text); !printed) return refuse(printed.error().message);
    }
    return exit_done;
}

// A run whose recording was killed has just been completed from its spool: its report.json is completed too.
void complete(const run::Folder& folder, const Audit& audit) {
    std::error_code error;
    const bool ended = audit.run.outcome != Outcome::running && !std::filesystem::exists(folder.spool(), error);
    if (!ended || std::filesystem::exists(folder.report(), error)) return;
    if (const auto written = write_document(folder.report().string(), render_json(audit)); !written) {
        tell(written.error().message, exit_done);
    }
    feed_history(folder, audit);
}

// How a later command finds the run again: by its id, or by its path where it does not lie among the runs of home.
void complete_commands(Audit& audit, const Options& options, const run::Folder& folder,
                       const std::filesystem::path& home) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(folder.path, error).lexically_normal();
    const bool known = std::filesystem::equivalent(absolute.parent_path(), home / "runs", error);
    const std::string run = known ? absolute.filename().string() : absolute.string();
    const std::optional<std::string> dir = known ? options.dir : std::nullopt;
    add_commands(audit, dir, run, report_command(dir, {run}));
}

Result<Audit> load_run(const std::string& run, const Options& options, const std::filesystem::path& home) {
    const Result<run::Folder> folder = run::find(home, run);
    if (!folder) return tl::unexpected<Error>(folder.error());
    Result<Audit> audit = audit::load(*folder);
    if (!audit) return audit;
    complete_commands(*audit, options, *folder, home);
    complete(*folder, *audit);
    return audit;
}

// One run, or the runs of several machines as one.
Result<Audit> load_runs(const Options& options, const std::filesystem::path& home) {
    const std::vector<std::string>& runs = options.runs;
    if (runs.size() < 2) return load_run(runs.empty() ? "" : runs.front(), options, home);
    std::vector<Audit> parts;
    for (const std::string& run : runs) {
        Result<Audit> part = load_run(run, options, home);
        if (!part) return part;
        parts.push_back(std::move(*part));
    }
    Result<Audit> whole = audit::combine(std::move(parts));
    if (whole) whole->next = report_command(options.dir, runs);
    return whole;
}

int show_runs(const Options& options, const std::filesystem::path& home) {
    const Result<Audit> audit = load_runs(options, home);
    if (!audit)
        return tell(audit.error().message, audit.error().code == ErrorCode::internal ? exit_bug : exit_bad_input);
    return put_out(options, render_json(*audit), render_text(*audit, style_of(STDOUT_FILENO)));
}

int list_runs(const Options& options, const std::filesystem::path& home) {
    const Result<std::vector<run::Listed>> runs = run::list(home);
    if (!runs) return refuse(runs.error().message);
    const int terminal = terminal_columns(STDOUT_FILENO);
    return put_out(options, runs_as_json(*runs),
                   runs_as_text(*runs, style_of(STDOUT_FILENO), terminal, home, options.dir));
}

int run_report(const Options& options) {
    if (options.list && !options.runs.empty())
        return refuse("--list shows all runs, so it takes no RUN: leave one of them out");
    if (options.dir && options.dir->empty()) return refuse("--dir is empty: name a folder");
    if (std::find(options.runs.begin(), options.runs.end(), "") != options.runs.end())
        return refuse("RUN is empty: give an id, a name or a path, or leave it out");
    if (options.json) {
        if (const auto good = can_write(*options.json); !good) return refuse(good.error().message);
    }
    const std::filesystem::path home = run::home(options.dir.value_or(""));
    return options.list ? list_runs(options, home) : show_runs(options, home);
}

}  // namespace

void add_report(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "report",
        "show a recorded run again, or list the runs\n"
        "Shows a recorded run on standard output: one that has ended, one that is still going on, or one whose "
        "recording was killed. Nothing is run.");
    command->footer(
        "headrace report                      the newest run\n"
        "headrace report two-workers --json - | jq .ledger\n"
        "headrace report runs/of-node-1 runs/of-node-2\n"
        "headrace report --list");
    command->set_help_flag("-h,--help", "show this help");
    command
        ->add_option("run", options->runs,
                     "an id, a --name or a path; the newest run when left out; several runs of one training, each "
                     "recorded on a machine of its own, are shown as one")
        ->type_name("RUN...");
    command->add_flag("--list", options->list, "list the runs, the newest first");
    command->add_option("--dir", options->dir, "where the runs are (HEADRACE_DIR, else .headrace here)")
        ->type_name("DIR");
    command
        ->add_option("--json", options->json, "write the report or the list as JSON to this file; - is standard output")
        ->type_name("FILE");
    command->add_flag("--quiet", options->quiet, "print nothing but errors");
    command->callback([options, &invocation] {
        options->runs = invocation.runs;
        invocation.action = [options] { return run_report(*options); };
    });
}

}  // namespace headrace::cli
