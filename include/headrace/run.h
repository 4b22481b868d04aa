// A run: what one `headrace audit` recorded, in plain structs. docs/formats/run.md documents the folder and run.db.
//
// Units: every time is an integer of nanoseconds on the host's CLOCK_MONOTONIC, every size is in bytes.
// Thread-safety: values. Ownership: every struct owns what it holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "headrace/result.h"

namespace headrace {

using Nanoseconds = std::int64_t;

// One interval or moment that a thread of the program recorded. Kinds are those of docs/formats/spool.md.
struct Span {
    std::uint8_t kind = 0;
    Nanoseconds start = 0;
    Nanoseconds duration = 0;  // 0 for a moment
    std::uint64_t a = 0;       // meaning by kind: docs/formats/spool.md
    std::uint64_t b = 0;
    bool open = false;  // had not ended when the thread ended: duration runs to the end of the process
    std::string text;   // of a text record (kind 1, b = its TextKind); empty for every other kind
};

// Everything that one thread recorded, in the order in which it ended (the order of the spool).
struct ThreadRecord {
    std::uint32_t pid = 0;
    std::uint32_t tid = 0;
    std::uint32_t parent_pid = 0;
    bool main_thread = false;
    Nanoseconds opened = 0;
    Nanoseconds process_start = 0;
    std::optional<int> rank;        // RANK of its environment
    std::optional<int> local_rank;  // LOCAL_RANK of its environment
    bool full = false;              // recording ended early because its file could not grow
    std::uint32_t full_error = 0;   // errno of that, 0 where unknown
    std::uint64_t dropped = 0;
    std::uint64_t hooks = 0;
    Nanoseconds self = 0;  // the recorder's own time, measured
    std::uint64_t disabled = 0;
    Nanoseconds call_cost = 0;  // calibrated cost of one hook call, 0 when not calibrated
    std::vector<Span> spans;
};

// A process of the program as the parent saw it from outside.
struct ProcessRecord {
    std::uint32_t pid = 0;
    std::uint32_t parent_pid = 0;
    Nanoseconds start = 0;
    std::optional<Nanoseconds> end;  // absent when nobody saw it end
    std::string command;             // its arguments, joined by spaces
    std::int64_t cpu_ns = 0;         // user and system, at the last look
};

// What all processes of the program had used up to a moment, as the parent saw it from outside. Never less than at the
// point before, but for resident_bytes and processes, which are the most since then.
struct OutsidePoint {
    Nanoseconds when = 0;
    std::int64_t cpu_ns = 0;         // user and system, of ended processes too: docs/formats/run.md says how exact
    std::int64_t read_bytes = 0;     // from storage; what the page cache had is not in it
    std::int64_t written_bytes = 0;  // to storage, counted when the program writes, not when the disk does
    std::int64_t requested_read_bytes = 0;     // by read and its like from anything: files, pipes, terminals
    std::int64_t requested_written_bytes = 0;  // the same for write
    std::int64_t resident_bytes = 0;           // sum of the resident sizes: shared pages count once for each process
    std::uint32_t processes = 0;               // that live
};

// One place in Python code and how often a thread was seen there.
struct HotLine {
    std::uint8_t context = 0;  // the span kind that was open (fetch, collate, forward, ...), 0: none, the loop itself
    std::string file;
    std::uint32_t line = 0;
    std::string function;
    std::uint64_t count = 0;  // looks that found a thread here, the rarer ones counted as often as they are rarer
};

// CPU seconds for a byte of memory that two processes share, when it is touched for the first time; 0 where unknown.
struct SharedMemoryCost {
    double write = 0;  // by the process that makes it
    double read = 0;   // by the one that gets it
};

struct Machine {
    std::string host;
    std::string system;             // kernel name and release
    std::string cpu;                // model name
    double cores_usable = 0;        // least of affinity and cgroup quota
    int cores = 0;                  // online on the machine
    std::int64_t memory_bytes = 0;  // least of physical memory and cgroup limit
    std::vector<std::string> accelerators;
    SharedMemoryCost shared_memory;
};

// Which boot of which kernel it is, and which processes its process ids name.
struct Kernel {
    std::string boot_id;              // empty where unknown
    std::uint64_t pid_namespace = 0;  // 0 where unknown
};

struct CodeState {
    std::optional<std::string> git_commit;
    std::optional<bool> dirty;
    // Of the commit and of what differs from it, or of the Python files where there is no git: equal for equal code on
    // every machine. Absent where it could not be told in time.
    std::optional<std::string> digest = {};
};

// What a run was made for: to be audited, or by headrace itself, which repeats a run to compare it with another.
enum class Purpose { audit, compare };

enum class Outcome { running, finished, failed, killed, interrupted };

// What is known of a run besides its spans.
struct RunInfo {
    std::string id;
    std::string name;                  // empty when none was given
    std::vector<std::string> command;  // as started
    std::string directory;             // working directory of the command
    std::string started;               // ISO 8601, UTC, for example 2026-11-24T00:03:19Z
    std::string headrace_version;
    std::uint32_t parent_pid = 0;  // the recording headrace process
    std::uint32_t child_pid = 0;   // the command; 0 until it was started
    Nanoseconds started_ns = 0;    // just before the command was started
    std::optional<Nanoseconds> ended_ns;
    std::optional<int> exit_code;  // absent when it ended by a signal, or is running, or nobody saw it
    std::optional<int> signal;
    Outcome outcome = Outcome::running;
    std::optional<std::uint64_t> max_steps;
    std::int64_t host_peak_bytes = 0;      // peak of the proportional set sizes of all processes, 0: not measured
    Nanoseconds monitor_cpu = 0;           // CPU time of the recording headrace process
    std::uint64_t looks = 0;               // looks at Python stacks
    std::uint64_t unlisted_processes = 0;  // that have ended and are in no ProcessRecord: there were too many
    Machine machine;
    Kernel kernel;  // unknown in runs of earlier headraces
    CodeState code;
    std::optional<std::string> experiment = {};  // equal for runs that try the same; docs/formats/history.md
    std::string user = {};                       // who ran it; empty in runs of earlier headraces
    Purpose purpose = Purpose::audit;
    std::vector<std::string> limits;  // what could not be seen, found while recording
};

// A whole run in memory.
struct Run {
    RunInfo info;
    std::vector<ThreadRecord> threads;
    std::vector<ProcessRecord> processes;
    std::vector<OutsidePoint> outside;  // by time; from the start to the end, at most 4,000 points
    std::vector<HotLine> hot_lines;
};

}  // namespace headrace
