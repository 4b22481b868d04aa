// The schema of run.db. docs/formats/run.md is the document.
#pragma once

#include <cstdint>
#include <string_view>

#include "headrace/run.h"

namespace headrace::run {

inline constexpr int application_id = 0x4852554E;  // "HRUN"

inline constexpr const char* schema_sql = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE meta_list(key TEXT, position INTEGER, value TEXT, PRIMARY KEY(key, position)) WITHOUT ROWID;
CREATE TABLE kind(number INTEGER PRIMARY KEY, name TEXT, meaning TEXT);
CREATE TABLE text_kind(number INTEGER PRIMARY KEY, name TEXT, meaning TEXT);
CREATE TABLE process(id INTEGER PRIMARY KEY, pid INTEGER, parent_pid INTEGER, start_ns INTEGER, end_ns INTEGER,
    command TEXT, cpu_ns INTEGER);
CREATE TABLE thread(id INTEGER PRIMARY KEY, pid INTEGER, tid INTEGER, parent_pid INTEGER, main_thread INTEGER,
    opened_ns INTEGER, process_start_ns INTEGER, rank INTEGER, local_rank INTEGER, full INTEGER, dropped INTEGER,
    hooks INTEGER, self_ns INTEGER, disabled INTEGER, call_cost_ns INTEGER, spans INTEGER, recorded INTEGER,
    full_error INTEGER);
CREATE TABLE span(id INTEGER PRIMARY KEY, thread_id INTEGER, seq INTEGER, kind INTEGER, start_ns INTEGER,
    duration_ns INTEGER, a INTEGER, b INTEGER, open INTEGER, text TEXT);
CREATE TABLE outside(id INTEGER PRIMARY KEY, when_ns INTEGER, cpu_ns INTEGER, read_bytes INTEGER,
    written_bytes INTEGER, requested_read_bytes INTEGER, requested_written_bytes INTEGER, resident_bytes INTEGER,
    processes INTEGER);
CREATE TABLE hot_line(id INTEGER PRIMARY KEY, context INTEGER, file TEXT, line INTEGER, function TEXT, count INTEGER);
CREATE TABLE figure(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE ledger(rank INTEGER, pid INTEGER, entry TEXT, seconds REAL, share REAL);
CREATE TABLE input_wait(rank INTEGER, pid INTEGER, stage TEXT, seconds REAL, share REAL);
CREATE VIEW interval AS
    SELECT span.thread_id, span.seq, thread.pid, thread.tid, thread.rank, ifnull(kind.name, span.kind) AS kind,
        (span.start_ns - (SELECT value FROM meta WHERE key = 'started_ns')) / 1e9 AS start_seconds,
        span.duration_ns / 1e9 AS seconds, span.a, span.b, span.open, span.text
    FROM span JOIN thread ON thread.id = span.thread_id LEFT JOIN kind ON kind.number = span.kind;
)sql";

// The word for an outcome in the database.
constexpr std::string_view word(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::running:
            return "running";
        case Outcome::finished:
            return "finished";
        case Outcome::failed:
            return "failed";
        case Outcome::killed:
            return "killed";
        case Outcome::interrupted:
            return "interrupted";
    }
    return "running";
}

constexpr std::string_view word(Purpose purpose) noexcept { return purpose == Purpose::compare ? "compare" : "audit"; }

// Calls visit(key, field) for every key of the table meta: one list for the writer and the reader.
template <class Info, class Visit>
void visit_meta(Info& info, Visit&& visit) {
    visit("id", info.id);
    visit("name", info.name);
    visit("directory", info.directory);
    visit("started", info.started);
    visit("headrace_version", info.headrace_version);
    visit("parent_pid", info.parent_pid);
    visit("child_pid", info.child_pid);
    visit("started_ns", info.started_ns);
    visit("ended_ns", info.ended_ns);
    visit("exit_code", info.exit_code);
    visit("signal", info.signal);
    visit("outcome", info.outcome);
    visit("max_steps", info.max_steps);
    visit("host_peak_bytes", info.host_peak_bytes);
    visit("monitor_cpu_ns", info.monitor_cpu);
    visit("looks", info.looks);
    visit("host", info.machine.host);
    visit("system", info.machine.system);
    visit("cpu", info.machine.cpu);
    visit("cores_usable", info.machine.cores_usable);
    visit("cores", info.machine.cores);
    visit("memory_bytes", info.machine.memory_bytes);
    visit("git_commit", info.code.git_commit);
    visit("dirty", info.code.dirty);
}

// The keys that runs of earlier headraces do not have.
template <class Info, class Visit>
void visit_added_meta(Info& info, Visit&& visit) {
    visit("boot_id", info.kernel.boot_id);
    visit("pid_namespace", info.kernel.pid_namespace);
    visit("unlisted_processes", info.unlisted_processes);
    visit("shared_write_seconds_per_byte", info.machine.shared_memory.write);
    visit("shared_read_seconds_per_byte", info.machine.shared_memory.read);
    visit("code_digest", info.code.digest);
    visit("experiment", info.experiment);
    visit("user", info.user);
    visit("purpose", info.purpose);
}

// The same for the lists of the table meta_list.
template <class Info, class Visit>
void visit_meta_list(Info& info, Visit&& visit) {
    visit("command", info.command);
    visit("accelerator", info.machine.accelerators);
    visit("limit", info.limits);
}

}  // namespace headrace::run
