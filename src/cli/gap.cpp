// headrace gap: how many hypotheses a week are validated, and why not more.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <memory>
#include <set>

#include "audit/gap.h"
#include "audit/past.h"
#include "base/shell.h"
#include "base/text.h"
#include "base/utc.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/period.h"
#include "cli/runs.h"
#include "headrace/report.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
    std::optional<std::string> since;
    std::optional<std::string> until;
    std::optional<std::string> user;
    std::optional<std::string> dir;
    std::optional<std::string> json;
    bool quiet = false;
};

int refuse(std::string_view sentence) { return tell(sentence, exit_bad_input); }

// All that is known of the runs of a home.
struct History {
    std::vector<run::PastRun> runs;
    std::vector<Trial> trials;
    std::uint64_t running = 0;
    std::uint64_t unreadable = 0;
};

// The line that says how many run folders are still to be read, on a terminal.
class TakeInProgress {
public:
    explicit TakeInProgress(bool wanted) : on_(wanted && terminal_columns(STDERR_FILENO) > 0) {}
    ~TakeInProgress() {
        if (shown_) (void)print(STDERR_FILENO, "\r\x1b[K");
    }
    TakeInProgress(const TakeInProgress&) = delete;
    TakeInProgress& operator=(const TakeInProgress&) = delete;

    void show(std::size_t done, std::size_t all) {
        const auto now = std::chrono::steady_clock::now();
        if (!on_ || now < next_) return;
        const double seconds = std::chrono::duration<double>(now - begin_).count();
        const double rate = static_cast<double>(done) / seconds;
        (void)print(STDERR_FILENO, fmt::format("\r\x1b[Kheadrace: run {} of {}, {:.0f} a second, {} left", done, all,
                                               rate, base::format_seconds(static_cast<double>(all - done) / rate)));
        shown_ = true;
        next_ = now + std::chrono::seconds(1);
    }

private:
    bool on_;
    bool shown_ = false;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point next_ = begin_ + std::chrono::seconds(1);
};

// What is damaged is made anew, so that the run folders give back what they hold.
Result<std::vector<run::PastRun>> known_runs(const fs::path& home) {
    Result<std::vector<run::PastRun>> runs = run::past_runs(home);
    if (runs || runs.error().code != ErrorCode::damaged) return runs;
    if (const Result<void> repaired = run::add_past_runs(home, {}); !repaired) {
        return tl::unexpected<Error>(repaired.error());
    }
    return run::past_runs(home);
}

// Takes in what the history does not know yet. What cannot be kept of it counts all the same.
Result<History> history_of(const fs::path& home, bool quiet) {
    Result<std::vector<run::PastRun>> runs = known_runs(home);
    if (!runs) return tl::unexpected<Error>(runs.error());
    History history;
    history.runs = std::move(*runs);
    std::set<std::string> known;
    for (const run::PastRun& run : history.runs) known.insert(run.id);
    Result<void> kept;
    TakeInProgress progress(!quiet);
    const audit::TakeInOptions options{
        .keep = [&](std::span<const run::PastRun> more) { kept = kept ? run::add_past_runs(home, more) : kept; },
        .progress = [&](std::size_t done, std::size_t all) { progress.show(done, all); }};
    audit::TakenIn taken = audit::take_in(home, known, options);
    if (!kept) tell(kept.error().message + "; the figures are whole all the same", exit_done);
    std::move(taken.runs.begin(), taken.runs.end(), std::back_inserter(history.runs));
    history.running = taken.running;
    history.unreadable = taken.unreadable;
    Result<std::vector<Trial>> trials = run::past_trials(home);
    if (!trials) return tl::unexpected<Error>(trials.error());
    history.trials = std::move(*trials);
    return history;
}

// The end of the last run, or now where that is later: clocks differ between machines.
std::int64_t last_moment(const std::vector<run::PastRun>& runs, std::int64_t now) {
    std::int64_t last = now;
    for (const run::PastRun& run : runs) {
        const auto started = base::seconds_of_utc(run.started);
        if (started) last = std::max(last, *started + static_cast<std::int64_t>(std::ceil(run.wall_seconds)));
    }
    return last;
}

Result<audit::GapOptions> period_of(const Options& options, const std::vector<run::PastRun>& runs, std::int64_t now) {
    audit::GapOptions period;
    period.user = options.user;
    period.until = last_moment(runs, now);
    if (options.until) {
        const Result<std::int64_t> until = moment_of(*options.until, "--until", now, PeriodEnd::end);
        if (!until) return tl::unexpected<Error>(until.error());
        period.until = *until;
    }
    if (!options.since) return period;
    const Result<std::int64_t> since = moment_of(*options.since, "--since", now, PeriodEnd::begin);
    if (!since) return tl::unexpected<Error>(since.error());
    period.since = *since;
    if (*since < period.until) return period;
    return fail(ErrorCode::invalid_argument,
                options.until
                    ? fmt::format("--since {} is not before --until {}: there is no time between them", *options.since,
                                  *options.until)
                    : fmt::format("--since {} is in the future: no run can have ended since", *options.since));
}

Result<void> check_user(const Options& options, const std::vector<run::PastRun>& runs, const fs::path& home) {
    if (!options.user) return {};
    std::set<std::string> users;
    for (const run::PastRun& run : runs) users.insert(run.user.empty() ? "somebody unknown" : run.user);
    if (users.contains(*options.user)) return {};
    return fail(ErrorCode::invalid_argument,
                fmt::format("--user is '{}': the history of {} has no run of that user, but of {}", *options.user,
                            home.string(), fmt::join(users, ", ")));
}

Result<void> check(const Options& options, const fs::path& home) {
    std::error_code error;
    if (options.dir && options.dir->empty()) return fail(ErrorCode::invalid_argument, "--dir is empty: name a folder");
    if (options.user && options.user->empty()) return fail(ErrorCode::invalid_argument, "--user is empty: name a user");
    if (fs::exists(home, error) && !fs::is_directory(home, error)) {
        return fail(ErrorCode::invalid_argument, home.string() + " is not a folder, so there are no runs in it");
    }
    return options.json ? can_write(*options.json) : Result<void>();
}

std::string command_of(const Options& options, std::vector<std::string> words) {
    words.insert(words.begin(), own_name());
    if (options.dir) words.insert(words.begin() + 2, {"--dir", *options.dir});
    return base::shell_command(words);
}

// The open finding that saves most of those that can be tried; then a proven one, whose remedy the report shows.
std::string next_of(const Gap& gap, const Options& options, const fs::path& home) {
    for (const OpenFinding& open : gap.open) {
        if (!run::find(home, open.run)) continue;
        if (open.proven) return report_command(options.dir, {open.run});
        if (open.can_be_tried) return command_of(options, {"try", "--fix", open.finding, open.run});
    }
    return command_of(options, {"report", "--list"});
}

int show(const Gap& gap, const Options& options) {
    if (options.json) {
        if (const auto written = write_document(*options.json, render_json(gap)); !written) {
            return refuse(written.error().message);
        }
    }
    if (!options.quiet && options.json != "-") {
        const auto printed = print(STDOUT_FILENO, render_text(gap, style_of(STDOUT_FILENO)));
        if (!printed) return refuse(printed.error().message);
    }
    return exit_done;
}

int run_gap(const Options& options) {
    const fs::path home = run::home(options.dir.value_or(""));
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    if (const Result<void> good = check(options, home); !good) return refuse(good.error().message);
    // Before anything is read: it may take a while.
    if (const auto period = period_of(options, {}, now); !period) return refuse(period.error().message);
    const Result<History> history = history_of(home, options.quiet);
    if (!history) return refuse(history.error().message);
    if (history->runs.empty()) {
        return tell("there is no run that has ended in the history of " + home.string() +
                        " yet: every `headrace audit -- COMMAND` adds one",
                    exit_not_enough);
    }
    if (const auto good = check_user(options, history->runs, home); !good) return refuse(good.error().message);
    const Result<audit::GapOptions> period = period_of(options, history->runs, now);
    if (!period) return refuse(period.error().message);
    Gap gap = audit::account(history->runs, history->trials, *period);
    if (gap.runs == 0) {
        return tell(fmt::format("no run{} ended between {} and {}: the history of {} has {} of other times",
                                options.user ? " of " + *options.user : "", gap.begin, gap.end, home.string(),
                                history->runs.size()),
                    exit_not_enough);
    }
    gap.home = home.string();
    gap.running = history->running;
    gap.unreadable = history->unreadable;
    gap.next = next_of(gap, options, home);
    return show(gap, options);
}

}  // namespace

void add_gap(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "gap",
        "show how many results a week are validated, and why not more\n"
        "Shows the iteration gap of a team from the history that every audit feeds: experiments and validated results, "
        "results a week and whether they rise, how long a result takes, where the run-hours went, and what the open "
        "findings would give back. Nothing is run.");
    command->footer(
        "headrace gap\n"
        "headrace gap --since 6w --user ada\n"
        "headrace gap --since 2026-11-01 --until 2026-11-30 --json - | jq .results");
    command->set_help_flag("-h,--help", "show this help");
    command
        ->add_option("--since", options->since,
                     "count runs that ended since a date (2026-11-01), or not longer ago than 36h, 14d, 6w, 3mo (all)")
        ->type_name("WHEN");
    command->add_option("--until", options->until, "count runs that ended up to then, a whole day where it is a date")
        ->type_name("WHEN");
    command->add_option("--user", options->user, "count the runs of one user")->type_name("NAME");
    command->add_option("--dir", options->dir, "where the runs are (HEADRACE_DIR, else .headrace here)")
        ->type_name("DIR");
    command->add_option("--json", options->json, "write the account as JSON to this file; - is standard output")
        ->type_name("FILE");
    command->add_flag("--quiet", options->quiet, "print nothing but errors");
    command->callback([options, &invocation] { invocation.action = [options] { return run_gap(*options); }; });
}

}  // namespace headrace::cli
