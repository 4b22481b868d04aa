#include "audit/record.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <set>
#include <system_error>

#include "audit/advice.h"
#include "audit/analyze.h"
#include "audit/figures.h"
#include "audit/kept.h"
#include "audit/learn.h"
#include "audit/recording.h"
#include "audit/shim.h"
#include "audit/watch.h"
#include "run/ending.h"
#include "run/experiment.h"
#include "run/hold.h"
#include "run/probe_file.h"
#include "run/spans.h"
#include "run/spool_format.h"
#include "run/spool_reader.h"
#include "run/trial_file.h"
#include "sys/file.h"
#include "sys/kill_tree.h"
#include "sys/machine.h"
#include "sys/proc.h"
#include "sys/process.h"
#include "sys/shared_memory.h"
#include "sys/signal_relay.h"

#ifndef HEADRACE_VERSION
#error "the build gives HEADRACE_VERSION from the file VERSION"
#endif

namespace headrace::audit {
namespace {

namespace fs = std::filesystem;

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

// What the run tries, as long as what it says of files that the program writes is still to come.
struct Start {
    RunInfo info;
    run::Experiment experiment;
};

Start begin_info(const RecordOptions& options) {
    RunInfo info;
    info.name = options.name;
    info.command = options.command;
    std::error_code error;
    info.directory = fs::current_path(error).string();
    info.headrace_version = HEADRACE_VERSION;
    info.parent_pid = static_cast<std::uint32_t>(getpid());
    info.max_steps = options.max_steps;
    info.machine = sys::describe_machine();
    info.kernel = sys::this_kernel();
    info.purpose = options.purpose;
    info.user = sys::user_name();
    info.code = sys::describe_code(info.directory, run::code_folder(info.command, info.directory));
    run::Experiment experiment(info.command, info.directory);
    info.experiment = experiment.key(info.code);
    info.started = utc_now();  // last: git may take a while
    return {std::move(info), std::move(experiment)};
}

// Makes the spool folder with its control page, which every process of the program maps.
Result<void> make_spool(const run::Folder& folder, const RecordOptions& options) {
    std::error_code error;
    fs::create_directory(folder.spool(), error);
    if (error) {
        return fail_errno(error.value(), "cannot make " + folder.spool().string());
    }
    spool::Control control{};
    control.magic = spool::control_magic;
    control.version = spool::version;
    control.recording = 1;
    control.max_steps = options.max_steps.value_or(0);
    std::string page(spool::header_bytes, '\0');
    std::memcpy(page.data(), &control, sizeof control);
    return sys::write_whole(folder.spool() / "control", page);
}

std::vector<std::pair<std::string, std::string>> environment_for(const RecordOptions& options, const fs::path& shim,
                                                                 const fs::path& spool) {
    std::error_code error;
    const fs::path whole = fs::absolute(spool, error);  // the program may start its Pythons in another folder
    std::vector<std::pair<std::string, std::string>> environment = options.environment;
    // What somebody has set is no fix of ours: it would change the program.
    const bool ours = std::any_of(environment.begin(), environment.end(),
                                  [](const auto& variable) { return variable.first == "HEADRACE_INJECT"; });
    if (!ours && std::getenv("HEADRACE_INJECT") != nullptr) environment.emplace_back("HEADRACE_INJECT", "");
    environment.emplace_back("PYTHONPATH", python_path(shim));
    environment.emplace_back("HEADRACE_SPOOL", (error ? spool : whole).string());
    return environment;
}

std::uint64_t steps_so_far(const run::Folder& folder) {
    const auto page = sys::read_whole(folder.spool() / "control");
    spool::Control control{};
    if (page && page->size() >= sizeof control) {
        std::memcpy(&control, page->data(), sizeof control);
    }
    return control.steps;
}

// The live status line of --progress, on standard error and only on a terminal.
class Progress {
public:
    Progress(bool wanted, const run::Folder& folder) : folder_(folder), on_(wanted && isatty(STDERR_FILENO) == 1) {}
    ~Progress() {
        if (shown_) {
            std::fputs("\r\x1b[K", stderr);
        }
    }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void show(Nanoseconds now) {
        if (!on_ || now < next_) {
            return;
        }
        const std::uint64_t steps = steps_so_far(folder_);
        std::fprintf(stderr, "\r\x1b[Kheadrace: %llu steps", static_cast<unsigned long long>(steps));
        if (last_ != 0) {
            const double rate = static_cast<double>(steps - steps_) / (static_cast<double>(now - last_) * 1e-9);
            std::fprintf(stderr, ", %.1f a second", rate);
        }
        shown_ = true;
        steps_ = steps;
        last_ = now;
        next_ = now + 1000000000;
    }

private:
    const run::Folder& folder_;
    bool on_;
    bool shown_ = false;
    std::uint64_t steps_ = 0;
    Nanoseconds last_ = 0;
    Nanoseconds next_ = 0;
};

sys::Exit watch_to_the_end(const RecordOptions& options, const run::Folder& folder, sys::Child& child, Watch& watch,
                           Progress& progress) {
    bool ended = false;
    while (true) {
        if (const std::optional<sys::Exit> exit = child.wait(watch.pause())) {
            return *exit;
        }
        watch.look();
        progress.show(sys::monotonic_now());
        if (!ended && options.end && options.end(steps_so_far(folder))) {
            ended = true;
            sys::kill_below(static_cast<std::uint32_t>(getpid()));
        }
    }
}

void take_exit(RunInfo& info, const sys::Exit& exit) {
    info.ended_ns = exit.when;
    info.exit_code = exit.code;
    info.signal = exit.signal;
    info.host_peak_bytes = exit.peak_bytes;
    info.outcome = run::outcome_of(exit.code, exit.signal);
    if (info.outcome == Outcome::finished)
        info.machine.shared_memory = sys::shared_memory_cost();  // disturbs nobody now
}

// The threads go into the run, their spans stay where they are.
run::Spool take_spool(Run& run, const run::Folder& folder) {
    Result<run::Spool> spool = run::open_spool(folder.spool());
    if (!spool) {
        run.info.limits.push_back("The recording could not be read: " + spool.error().message + ".");
        return {};
    }
    run.threads = spool->threads;
    run.info.limits.insert(run.info.limits.end(), spool->problems.begin(), spool->problems.end());
    return std::move(*spool);
}

fs::path stored_spool(const run::Folder& folder) { return folder.path / "spool.stored"; }

// The other name says that it may go: where we are stopped in the middle, the next look takes away the rest.
void remove_spool(const run::Folder& folder) {
    std::error_code error;
    fs::rename(folder.spool(), stored_spool(folder), error);
    if (error) fs::remove_all(folder.spool(), error);  // some file systems rename no folder with open files
    fs::remove_all(stored_spool(folder), error);
}

// Writes the run for good; the spool goes only when all that is kept of it is in run.db.
Result<void> store(const run::Folder& folder, const Recording& recording, const Analysis& analysis, bool whole) {
    KeptSpans kept(recording, analysis);
    const auto keep = [&kept](std::size_t thread, const Span& span) { return kept.keep(thread, span); };
    Result<void> written =
        run::write(folder, recording.run, derive(analysis.audit), recording.source, kept.all() ? run::Keep() : keep);
    if (!written) {
        return written;
    }
    if (whole) remove_spool(folder);
    return {};
}

bool is_full(const Error& error) { return error.code == ErrorCode::no_space; }

// What failed is our own folder, not the command: no caller must take it for a command that was not found.
Error about_our_folder(Error error) {
    if (error.code == ErrorCode::not_found || error.code == ErrorCode::not_executable) {
        error.code = ErrorCode::io_error;
    }
    return error;
}

// Where no thread could reserve its first chunk: an unseen Python would be blamed otherwise.
void note_full_disk(Run& run, const run::Folder& folder) {
    constexpr std::uint64_t one_spool = 64 * 1024;
    if (run.threads.empty() && !sys::has_room(folder.path, one_spool)) {
        run.info.limits.push_back("Nothing was recorded: the file system of the run's folder was full.");
    }
}

// The program runs although nothing can be kept of it.
Result<Recorded> run_unrecorded(const RecordOptions& options, RunInfo info, const Error& why) {
    Result<sys::Child> child = sys::Child::start(options.command, {});
    if (!child) {
        return tl::unexpected<Error>(child.error());
    }
    info.child_pid = child->pid();
    info.started_ns = child->started();
    std::optional<sys::Exit> exit;
    while (!exit) {
        exit = child->wait(1000000000);
    }
    Run run;
    run.info = std::move(info);
    take_exit(run.info, *exit);
    run.info.limits.push_back("Nothing was recorded: " + why.message + ".");
    Recorded recorded{{}, headrace::analyze(run), {}, why};
    recorded.audit.next.clear();  // there is no run to show again
    return recorded;
}

// A run that a reader can make sense of from here on, whatever happens to us.
struct Begun {
    run::Folder folder;
    sys::Descriptor hold;
};

// A signal that ends us comes before the folder is made or after its run can be read.
Result<Begun> begin_run(const RecordOptions& options, RunInfo& info) {
    const sys::SignalsBlocked blocked;
    Result<run::Folder> folder = run::create(options.home, info.started);
    if (!folder) {
        return tl::unexpected<Error>(folder.error());
    }
    info.id = folder->path.filename().string();
    const auto give_up = [&](const Error& why) {
        std::error_code error;
        fs::remove_all(folder->path, error);
        return tl::unexpected<Error>(why);
    };
    if (Result<void> made = make_spool(*folder, options); !made) {
        return give_up(made.error());
    }
    sys::Descriptor hold = run::hold_recording(*folder);
    info.started_ns = sys::monotonic_now();
    if (Result<void> written = run::write_info(*folder, info); !written) {
        return give_up(written.error());
    }
    return Begun{*folder, std::move(hold)};
}

// Where the run was recorded, for a sentence.
std::string place_of(const RunInfo& info) {
    return info.machine.host == sys::host_name() ? "this machine, in another container" : info.machine.host;
}

bool shut_down(const Recording& recording) {
    const std::span<const std::size_t> threads = recording.threads_in(recording.run.info.child_pid);
    return std::any_of(threads.begin(), threads.end(),
                       [&](std::size_t thread) { return recording.threads[thread].teardown.has_value(); });
}

// Of the newest runs before this one with the same command in the same place.
std::vector<Probe> earlier_probes(const fs::path& home, const RunInfo& info) {
    constexpr std::size_t most_runs = 10;
    std::vector<Probe> probes;
    for (const run::Listed& listed : run::list(home).value_or(std::vector<run::Listed>())) {
        const bool same = listed.info.command == info.command && listed.info.directory == info.directory;
        if (!same || listed.info.id == info.id || probes.size() == most_runs) continue;
        if (const std::optional<Probe> probe = run::read_probe(listed.folder)) probes.push_back(*probe);
    }
    return probes;
}

// What a probe of the program adds; why there is none becomes a limit.
void add_probe(const RecordOptions& options, const run::Folder& folder, const Recording& recording,
               Analysis& analysis) {
    if (analysis.audit.run.outcome != Outcome::finished) {
        analysis.audit.limits.emplace_back("The program was not probed: it did not finish.");
        return;
    }
    const Result<Probe> probe = options.probe(analysis.audit);
    if (!probe) {
        analysis.audit.limits.push_back("The program was not probed: " + probe.error().message + ".");
        return;
    }
    analysis = analyze(recording, &*probe);
    add_repeated(earlier_probes(options.home, analysis.audit.run), analysis.audit);
    learn(analysis.audit, options.home);
    if (const Result<void> kept = run::keep_probe(folder, *probe); !kept) {
        analysis.audit.limits.push_back("The probe could not be kept: " + kept.error().message + ".");
    }
}

// The .headrace folder of a run: home/runs/ID.
fs::path home_of(const run::Folder& folder) { return folder.path.parent_path().parent_path(); }

// Those that recorded and go on: their time, too, is that up to now.
void add_living(Run& run, Nanoseconds now) {
    std::set<std::uint32_t> known;
    for (const ThreadRecord& thread : run.threads) {
        if (!known.insert(thread.pid).second || !sys::process_alive(thread.pid, thread.opened)) continue;
        ProcessRecord process;
        process.pid = thread.pid;
        process.parent_pid = thread.parent_pid;
        process.start = thread.process_start;
        process.end = now;
        process.cpu_ns = std::max<std::int64_t>(0, sys::cpu_time_of(thread.pid));
        run.processes.push_back(std::move(process));
    }
}

Audit audit_so_far(const run::Folder& folder, Run& run, bool here) {
    const run::Spool spool = take_spool(run, folder);
    if (here) {
        run.info.ended_ns = sys::monotonic_now();
        run.info.limits.push_back("The program is still running: this is its time up to now.");
        add_living(run, *run.info.ended_ns);
    }
    const Recording recording(run, spool);
    if (!here) {
        run.info.ended_ns = last_record(recording);
        run.info.limits.push_back("The program may still be running on " + place_of(run.info) +
                                  ", which cannot be seen from here: this is its time up to its last record.");
    }
    return analyze(recording).audit;
}

// How a run ended whose recording headrace was killed, or could not store it.
void conclude(const run::Folder& folder, Run& run, const Recording& recording) {
    if (run::conclude(folder, run.info)) {
        note_full_disk(run, folder);
        run.info.limits.push_back(
            "The run was not stored when the program had ended: what was seen of it from outside is lost.");
        return;
    }
    run.info.limits.push_back(
        run.info.child_pid == 0 && run.threads.empty()
            ? "headrace itself was stopped before it had started the program."
            : "headrace itself was killed while it recorded: how the program ended was not seen.");
    run.info.ended_ns = last_record(recording);
    if (shut_down(recording)) {
        run.info.outcome = Outcome::finished;  // its recorder did not note it in the header yet
    }
}

// The same run from its spool, which it then no longer needs. Not where processes could go on that are not seen from
// here, nor where another time or a later headrace may read more of the spool.
Audit complete(const run::Folder& folder, Run& run, bool here) {
    const run::Spool spool = take_spool(run, folder);
    const Recording recording(run, spool);
    conclude(folder, run, recording);
    Analysis analysis = analyze(recording);
    learn(analysis.audit, home_of(folder));
    const auto add_limit = [&](std::string sentence) { analysis.audit.limits.push_back(std::move(sentence)); };
    if (!here) {
        add_limit(
            "What may still be running of it cannot be seen from here, so the run was not completed on disk: "
            "headrace report does that on " +
            place_of(run.info) + ".");
    } else if (!spool.whole) {
        add_limit("The run was not completed on disk: not all of its spool could be read.");
    } else if (Result<void> written = store(folder, recording, analysis, true); !written) {
        add_limit("The run could not be completed on disk: " + written.error().message + ".");
    }
    return std::move(analysis.audit);
}

Result<Audit> load_finished(const run::Folder& folder, const Run& run) {
    std::error_code error;
    fs::remove_all(stored_spool(folder), error);
    const Result<std::optional<run::Figures>> figures = run::read_figures(folder);
    if (!figures) {
        return tl::unexpected<Error>(figures.error());
    }
    const std::optional<Probe> probe = run::read_probe(folder);
    if (*figures) {
        Result<Audit> restored = restore(run, **figures);
        if (restored) restored->probe = probe;
        return restored;
    }
    const run::SpansInMemory spans(run);
    Audit audit = analyze(Recording(run, spans), probe ? &*probe : nullptr).audit;
    learn(audit, home_of(folder));
    return audit;
}

Result<Audit> load_run(const run::Folder& folder) {
    Result<Run> stored = run::read(folder);
    if (!stored) {
        return tl::unexpected<Error>(stored.error());
    }
    if (stored->info.outcome == Outcome::running) {
        const run::Life life = run::life_of(folder, stored->info);
        const bool completing = life.here && !life.going_on;
        const sys::Descriptor hold = completing ? run::hold_completion(folder) : sys::Descriptor();
        std::optional<Audit> audit;
        if (life.going_on) {
            audit = audit_so_far(folder, *stored, life.here);
        }
        // Meanwhile its headrace may have stored it, or another one have completed it, and taken the spool away.
        Result<Run> now = run::read(folder);
        if (!now || now->info.outcome == Outcome::running) {
            return audit ? std::move(*audit) : complete(folder, *stored, life.here);
        }
        stored = std::move(now);
    }
    return load_finished(folder, *stored);
}

}  // namespace

Result<Recorded> record(const RecordOptions& options) {
    const Result<fs::path> shim = find_shim();
    if (!shim) {
        return tl::unexpected<Error>(shim.error());
    }
    const Start start = begin_info(options);
    RunInfo info = start.info;
    const Result<Begun> begun = begin_run(options, info);
    if (!begun) {
        return is_full(begun.error()) ? run_unrecorded(options, info, begun.error())
                                      : Result<Recorded>(tl::unexpected<Error>(about_our_folder(begun.error())));
    }
    const run::Folder& folder = begun->folder;
    sys::raise_descriptor_limit();  // the watch keeps some for each process
    Result<sys::Child> child = sys::Child::start(options.command, environment_for(options, *shim, folder.spool()));
    if (!child) {
        std::error_code error;
        fs::remove_all(folder.path, error);
        return tl::unexpected<Error>(child.error());
    }
    info.child_pid = child->pid();
    info.started_ns = child->started();
    // A reader needs the pid if we are killed; when it cannot be written the run still ends well.
    const Result<void> known = run::write_info(folder, info);
    Run run;
    Watch watch(folder.spool(), child->pid(), child->started());
    child->before_reaping([&watch] { watch.look_at_end(); });
    {
        Progress progress(options.progress, folder);
        run.info = info;
        take_exit(run.info, watch_to_the_end(options, folder, *child, watch, progress));
    }
    run.info.experiment = start.experiment.key(info.code);  // without the files that it wrote
    run::note_end(folder, run.info);
    watch.finish(run);
    { const sys::Child ended = std::move(*child); }  // signals are ours again
    const run::Spool spool = take_spool(run, folder);
    note_full_disk(run, folder);
    const Recording recording(run, spool);
    Analysis analysis = analyze(recording);
    learn(analysis.audit, options.home);
    if (options.probe) {
        (void)store(folder, recording, analysis, false);  // before it: the run is complete whatever happens to us
        add_probe(options, folder, recording, analysis);
    }
    const Result<void> stored = store(folder, recording, analysis, spool.whole);
    Recorded recorded{folder, std::move(analysis.audit), {}, std::nullopt};
    for (const Nanoseconds step : analysis.step_times) {
        recorded.step_seconds.push_back(static_cast<double>(step) * 1e-9);
    }
    if (!stored) {
        recorded.not_stored = stored.error();
        std::error_code error;
        if (!fs::exists(folder.path, error)) {
            recorded.audit.next.clear();  // there is no run to show again
        }
    } else if (!known) {
        recorded.audit.limits.push_back("The run's first entry could not be written: " + known.error().message + ".");
    }
    return recorded;
}

Result<Audit> load(const run::Folder& folder) {
    Result<Audit> audit = load_run(folder);
    if (audit) add_trials(*audit, run::trials_of(folder));
    return audit;
}

}  // namespace headrace::audit
