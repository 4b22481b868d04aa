#include "audit/past.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <system_error>
#include <utility>

#include "audit/figures.h"
#include "audit/record.h"
#include "run/ending.h"
#include "run/experiment.h"

namespace headrace::audit {
namespace {

namespace fs = std::filesystem;

bool is_finite(const Interval& interval) {
    return std::isfinite(interval.predicted) && std::isfinite(interval.low) && std::isfinite(interval.high);
}

std::vector<run::PastFinding> findings_of(const Audit& audit) {
    std::vector<run::PastFinding> findings;
    for (const Finding& finding : audit.findings) {
        if (!finding.gain || !is_finite(finding.gain->ratio) || !is_finite(finding.gain->seconds_per_run)) continue;
        findings.push_back({finding.id, as_arguments(finding.fix), can_be_tried(finding), *finding.gain});
    }
    return findings;
}

// Of rank 0; what the command took beyond it is unattributed.
std::map<std::string, double> ledger_of(const Audit& audit) {
    std::map<std::string, double> seconds;
    double known = 0;
    for (std::size_t i = 0; i < entry_count; ++i) {
        const double part = audit.ranks.empty() ? 0 : audit.ranks.front().seconds[i];
        seconds[std::string(name(static_cast<Entry>(i)))] = part;
        known += part;
    }
    seconds[std::string(name(Entry::unattributed))] += std::max(0.0, audit.wall_seconds - known);
    return seconds;
}

std::optional<bool> is_validated(const Audit& audit) {
    if (audit.run.outcome != Outcome::finished || !audit.trained) return false;
    if (audit.result_unseen) return std::nullopt;
    return audit.result_seconds.has_value();
}

// From the figures that were stored with it, or from its spans where these lack what the history wants to know.
Result<Audit> audit_of(const run::Folder& folder, const run::Stored& stored) {
    const bool complete = stored.figures.contains("result_unseen");
    if (stored.info.outcome == Outcome::running || (!complete && stored.all_spans)) return load(folder);
    headrace::Run known;
    known.info = stored.info;
    Result<Audit> audit = restore(known, stored.figures);
    if (audit && !complete) audit->result_unseen = true;
    return audit;
}

bool goes_on(const run::Folder& folder, const RunInfo& info) {
    return info.outcome == Outcome::running && run::life_of(folder, info).going_on;
}

void take(const run::Folder& folder, const std::set<std::string>& known, TakenIn& taken) {
    const Result<run::Stored> stored = run::read_stored(folder);
    if (!stored) {
        taken.unreadable += stored.error().code == ErrorCode::not_found ? 0 : 1;
        return;
    }
    if (known.contains(stored->info.id)) return;  // its folder was given another name
    if (goes_on(folder, stored->info)) {
        ++taken.running;
        return;
    }
    const Result<Audit> audit = audit_of(folder, *stored);
    if (!audit) {
        ++taken.unreadable;
    } else if (audit->run.outcome == Outcome::running) {
        ++taken.running;
    } else {
        taken.runs.push_back(past_run_of(*audit));
    }
}

}  // namespace

run::PastRun past_run_of(const Audit& audit) {
    const RunInfo& info = audit.run;
    run::PastRun past;
    past.id = info.id;
    past.name = info.name;
    past.started = info.started;
    past.wall_seconds = audit.wall_seconds;
    past.outcome = info.outcome;
    past.purpose = info.purpose;
    past.user = info.user;
    past.machine.host = info.machine.host;
    past.machine.cpu = info.machine.cpu;
    past.machine.cores_usable = info.machine.cores_usable;
    past.machine.memory_bytes = info.machine.memory_bytes;
    past.machine.accelerators = info.machine.accelerators;
    past.directory = info.directory;
    past.command = info.command;
    past.program = run::program_of(info.command, info.directory);
    past.experiment = info.experiment;
    past.trained = audit.trained;
    past.validated = is_validated(audit);
    past.result_seconds = audit.result_seconds;
    past.ledger = ledger_of(audit);
    past.steps = audit.steady.steps;
    past.batch_size = audit.steady.batch_size;
    past.samples_per_second = audit.steady.samples_per_second;
    past.findings = findings_of(audit);
    return past;
}

TakenIn take_in(const fs::path& home, const std::set<std::string>& known, const TakeInOptions& options) {
    constexpr std::size_t runs_at_a_time = 100;
    std::vector<fs::path> folders;
    std::error_code error;
    for (fs::directory_iterator entry(home / "runs", error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        std::error_code ignored;
        const std::string name = entry->path().filename().string();
        if (!known.contains(name) && entry->is_directory(ignored)) folders.push_back(entry->path());
    }
    std::sort(folders.begin(), folders.end());
    TakenIn taken;
    std::size_t kept = 0;
    const auto keep = [&] {
        if (options.keep && kept < taken.runs.size()) options.keep(std::span(taken.runs).subspan(kept));
        kept = taken.runs.size();
    };
    for (std::size_t i = 0; i < folders.size(); ++i) {
        take(run::Folder{folders[i]}, known, taken);
        if (taken.runs.size() - kept >= runs_at_a_time) keep();
        if (options.progress) options.progress(i + 1, folders.size());
    }
    keep();
    return taken;
}

}  // namespace headrace::audit
