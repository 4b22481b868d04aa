// headrace audit: runs a program unchanged and shows where its time went.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>

#include "audit/record.h"
#include "audit/shim.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/feed.h"
#include "cli/number.h"
#include "cli/output.h"
#include "cli/runs.h"
#include "headrace/report.h"
#include "sys/side_process.h"
#include "trial/probing.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
    std::optional<std::string> dir;
    std::optional<std::string> name;
    std::optional<std::string> max_steps;
    std::optional<std::string> json;
    std::optional<std::string> probe;
    bool progress = false;
    bool quiet = false;
};

tl::unexpected<Error> refuse(std::string sentence) { return fail(ErrorCode::invalid_argument, std::move(sentence)); }

Result<void> check_name(const std::string& name) {
    if (name.find_first_not_of(' ') == std::string::npos) {
        return refuse("--name is empty: give a name or leave --name out");
    }
    if (name.front() == '-') {
        return refuse("--name " + name + " begins with '-', as an option does: give --name a name of its own");
    }
    if (!base::valid_utf8(name)) return refuse("--name " + name + " is not UTF-8: give one line of text");
    if (name.find('/') != std::string::npos) {
        return refuse("--name " + name + " holds a '/', which would make it a path: give a name without one");
    }
    // What printable text would have to escape is a line break or another control character.
    std::string plain = name;
    std::erase(plain, '\\');
    if (base::printable(plain) != plain) {
        return refuse("--name " + name + " holds a line break or a control character: give one line of text");
    }
    return {};
}

Result<std::optional<std::uint64_t>> steps_of(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    const std::optional<std::uint64_t> steps = number_in<std::uint64_t>(*text);
    if (!steps || *steps == 0) {
        return refuse("--max-steps is '" + *text + "': give a whole number of steps, from 1 to " +
                      std::to_string(std::numeric_limits<std::uint64_t>::max()));
    }
    return steps;
}

// The seconds of --probe[=SECONDS]; 0 where it was not given.
Result<double> probe_of(const std::optional<std::string>& text) {
    constexpr double usual = 30, least = 1, most = 3600;
    if (!text) return 0.0;
    if (text->empty()) return usual;
    const std::optional<double> seconds = number_in<double>(*text);
    if (!seconds || !(*seconds >= least && *seconds <= most)) {
        return refuse("--probe is '" + *text + "': give seconds from 1 to 3600, for example --probe=30");
    }
    return *seconds;
}

Result<void> check_json(const std::string& file) {
    if (file == "-") {
        return refuse(
            "--json - cannot be used with audit, because standard output is the program's: name a file, or "
            "run headrace report --json - afterwards");
    }
    return can_write(file);
}

Result<void> check_dir(const fs::path& home) {
    std::error_code error;
    if (!fs::exists(home, error) || fs::is_directory(home, error)) return {};
    return refuse(home.string() +
                  " is not a folder, so no run can be kept there: name another with --dir or HEADRACE_DIR");
}

Result<Probe> probe_program(const Audit& audit, const fs::path& home, double seconds, bool quiet) {
    const sys::Interrupts interrupts;
    if (!quiet) {
        (void)print(STDERR_FILENO, fmt::format("headrace: probing the program in a sandbox, {:.0f} s and its start-up; "
                                               "Ctrl-C leaves that out\n",
                                               seconds));
    }
    return trial::probe_program(
        audit, {.home = home, .seconds = seconds, .stopped = [] { return sys::Interrupts::seen() != 0; }});
}

Result<audit::RecordOptions> read_options(const Options& options, const std::vector<std::string>& program) {
    if (program.empty()) {
        return refuse("no program was given to audit: name it after --, for example headrace audit -- python train.py");
    }
    const Result<std::optional<std::uint64_t>> steps = steps_of(options.max_steps);
    if (!steps) return tl::unexpected<Error>(steps.error());
    audit::RecordOptions record;
    record.command = program;
    record.home = run::home(options.dir.value_or(""));
    record.name = options.name.value_or("");
    record.max_steps = *steps;
    record.progress = options.progress && !options.quiet;
    const Result<double> probe = probe_of(options.probe);
    if (!probe) return tl::unexpected<Error>(probe.error());
    if (*probe > 0) {
        record.probe = [home = record.home, seconds = *probe, quiet = options.quiet](const Audit& audit) {
            return probe_program(audit, home, seconds, quiet);
        };
    }
    Result<void> good = options.name ? check_name(*options.name) : Result<void>();
    if (good && options.dir && options.dir->empty()) good = refuse("--dir is empty: name a folder");
    if (good) good = check_dir(record.home);
    if (good && options.json) good = check_json(*options.json);
    if (!good) return tl::unexpected<Error>(good.error());
    return record;
}

// The program has ended: whatever fails from here on is told and does not change its exit code.
void show(const audit::Recorded& recorded, const Options& options) {
    const std::string json = render_json(recorded.audit);
    if (recorded.not_stored) {
        tell(recorded.not_stored->message, exit_done);
    } else if (const auto written = write_document(recorded.folder.report().string(), json); !written) {
        tell(written.error().message, exit_done);
    }
    if (options.json) {
        if (const auto written = write_document(*options.json, json); !written)
            tell(written.error().message, exit_done);
    }
    if (!options.quiet) (void)print(STDERR_FILENO, render_text(recorded.audit, style_of(STDERR_FILENO)));
}

int run_audit(const Options& options, const std::vector<std::string>& program) {
    const Result<audit::RecordOptions> record = read_options(options, program);
    if (!record) return tell(record.error().message, exit_bad_input);
    if (const Result<void> there = check_program(program); !there) return not_started(there.error());
    // Both an incomplete installation and a missing program are not_found: only the second is the user's 127.
    if (const auto shim = audit::find_shim(); !shim) return tell(shim.error().message, exit_not_started);
    Result<audit::Recorded> recorded = audit::record(*record);
    if (!recorded) {
        const bool command =
            recorded.error().code == ErrorCode::not_found || recorded.error().code == ErrorCode::not_executable;
        return command ? not_started(recorded.error()) : tell(recorded.error().message, exit_not_started);
    }
    Audit& audit = recorded->audit;
    if (!audit.next.empty()) {
        const std::string run = recorded->folder.id();
        add_commands(audit, options.dir, run, report_command(options.dir, {run}));
    }
    show(*recorded, options);
    if (!recorded->not_stored) feed_history(recorded->folder, audit);
    const RunInfo& run = recorded->audit.run;
    return run.signal ? 128 + *run.signal : run.exit_code.value_or(exit_bug);
}

}  // namespace

void add_audit(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "audit",
        "run a program unchanged and show where its time goes\n"
        "Runs PROGRAM as it is. When it has ended, shows on standard error where its time went: a ledger that adds up "
        "to the wall time, the causes of the wait for input, the hot lines of its code. Ends with the program's own "
        "exit code, 128+N for signal N; 125, 126 or 127 when it could not be started.");
    command->footer(
        "headrace audit -- python train.py --epochs 3\n"
        "headrace audit --name two-workers --max-steps 500 -- torchrun train.py");
    command->set_help_flag("-h,--help", "show this help");
    command->add_option("--dir", options->dir, "keep runs in this folder (HEADRACE_DIR, else .headrace here)")
        ->type_name("DIR");
    command->add_option("--name", options->name, "call the run so: one line without '/'")->type_name("NAME");
    command
        ->add_option("--max-steps", options->max_steps, "record so many steps, then let the program go on unrecorded")
        ->type_name("N");
    command->add_flag("--progress", options->progress, "show the steps and their rate while the program runs");
    command
        ->add_option("--probe", options->probe,
                     "then run it again in a sandbox and measure its steps with other threads and batches (30)")
        ->type_name("[=SECONDS]")
        ->expected(0, 1);
    command->add_option("--json", options->json, "write the report to this file as well")->type_name("FILE");
    command->add_flag("--quiet", options->quiet, "write nothing unless headrace itself fails");
    command->callback([options, &invocation] {
        invocation.action = [options, &invocation] { return run_audit(*options, invocation.program); };
    });
}

}  // namespace headrace::cli
