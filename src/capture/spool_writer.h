// Appends records of one thread to its spool file, from inside the audited program.
//
// What the program must never notice: no descriptor stays open (its own numbers would shift), no page is written that
// was not reserved first (a store to an unreserved page of a full disk is SIGBUS), no lock is held across a fork, and
// every failure ends the recording of that thread and nothing else.
//
// Thread-safety: every function works on the calling thread's own spool.
#pragma once

#include <time.h>

#include <cstdint>

#include "run/spool_format.h"

namespace headrace::capture {

inline constexpr int stack_depth = static_cast<int>(spool::open_depth);

// How a thread has been scheduled.
struct Scheduled {
    std::uint64_t run_queue;  // nanoseconds that it was ready to run and had no core
    std::uint64_t slices;     // times that it got a core: with no more of them it kept its core
};

// The costs of the batch that this thread is fetching; see fetch.h and costs.h.
struct Batch {
    std::uint64_t start;    // of the fetch
    std::uint64_t cpu_0;    // thread CPU time at the begin of the fetch
    Scheduled scheduled_0;  // likewise
    std::uint64_t user_0;   // user and system CPU time, likewise
    std::uint64_t system_0;
    std::uint64_t requested_0;  // bytes asked for, likewise
    std::uint64_t storage_0;    // bytes from storage, likewise
    std::uint64_t fetch_queue;  // run-queue time before collate began
    std::uint64_t fetch_user;   // user and system CPU time, likewise
    std::uint64_t fetch_system;
    std::uint64_t samples;
    std::uint64_t sample_wall;
    std::uint64_t sample_cpu;
    std::uint64_t collate_cpu_0;    // thread CPU time at the begin of the collation; 0: not read
    std::uint64_t collate_queue_0;  // run-queue time, likewise
    Scheduled collated_at;          // at its end
    std::uint64_t collate_wall;
    std::uint64_t collate_cpu;
    std::uint64_t collate_queue;
    std::uint64_t last_cpu;  // thread CPU time at the end of the sample before
    std::uint64_t random;    // chooses the sample that is kept as a single
    std::uint64_t picked;    // its number in the batch
    std::uint64_t single_start;
    std::uint64_t single_wall;
    std::uint64_t single_cpu;
    bool collated;
    bool light;               // its samples are not timed one by one
    bool brief;               // nor is its scheduling asked at its begin
    bool quick;               // nor is its collation timed
    bool counted_by_collate;  // how many samples it has, its collation tells
};

// What is known of the batches of one fetcher; see fetch.h.
struct Pace {
    std::uint64_t fetcher;        // its address; 0: none
    std::uint64_t last_sample;    // mean wall time of the samples of the last batch that was timed
    std::uint64_t last_collate;   // wall time of the last collation
    std::uint64_t usual_fetch;    // wall time of a light batch that kept its core
    std::uint64_t usual_collate;  // of its collation
    unsigned light_fetches;       // since the last timed batch
    unsigned slow_fetches;        // of them, that took longer than brief ones do
    bool light_kept_core;         // all of them
    bool brief_run;               // the light batches of this run are brief, but for the first
    bool quick_run;               // and quick
    bool met_slow;                // among the brief batches there have been slow ones
};
inline constexpr unsigned most_paces = 4;  // loaders that a loop may ask by turns

// What hashing samples has cost; see content.h.
struct ContentCosts {
    std::uint64_t samples;      // that were timed
    std::uint64_t sample_wall;  // nanoseconds of them
    std::uint64_t spent;        // on hashing
    unsigned halved;            // how often half of them were left out
};

// A file of /proc that stays open, under a high number.
struct ProcFile {
    int descriptor;  // -1: not there; 0: not tried
    std::uint64_t device;
    std::uint64_t inode;
};

// One thread's spool. All zero means: not opened yet.
struct Thread {
    spool::Header* header;
    spool::Record* cursor;
    spool::Record* end;
    void* chunk;  // the mapping that holds cursor; the first chunk holds the header too and stays mapped
    std::uint64_t chunk_bytes;
    std::uint64_t file_bytes;  // reserved so far
    Thread* next_free;
    int depth;  // open intervals; may exceed stack_depth, what is deeper is not mirrored
    spool::Open stack[stack_depth];
    std::uint64_t optimizers[stack_depth];  // whose step is open at that depth, where one is
    std::uint64_t random;  // xorshift state for the reservoir: the program's own random numbers are never touched
    ProcFile schedstat;    // of this thread
    ProcFile io;
    std::uint64_t own_reads;       // bytes that reading those files added to the thread's own count
    std::uint64_t last_received;   // index + 1 of the batch that came last out of a data queue
    std::uint64_t last_requested;  // bytes_read at the end of the last fetch
    std::uint64_t last_storage;
    Pace paces[most_paces];
    Pace* pace;  // of the fetcher that fetches now or was the last one to
    unsigned next_pace;
    Scheduled last_scheduled;  // at the end of the last light batch that asked
    ContentCosts content;
    bool is_worker;
    bool has_fetched;
    bool has_batches;          // of a loader
    std::uint64_t next_usage;  // when what it uses is looked at again, around a wait
    unsigned usages;           // pairs of looks so far
    bool batch_since_step;
    std::uint64_t steps;         // counted so far
    std::uint64_t last_counted;  // the optimizer whose step was counted last
    std::uint64_t not_counted;   // that has stepped since, 0: none
    Batch batch;
    char path[1];  // allocated longer: the absolute path of the file
};

// Remembers where to write and maps the control page. Returns false when there is nothing to record into.
// `version_hex` is sys.hexversion.
bool start(const char* folder, std::uint32_t version_hex, int rank_plus_1, int local_rank_plus_1);

// Whether records are wanted at all in this process: cheap, asked by every hook.
bool recording() noexcept;

// The calling thread's spool, opened at first use; null when recording has ended or cannot begin.
Thread* thread() noexcept;
// The same without opening one.
Thread* thread_if_open() noexcept;

void append(Thread* thread, spool::Kind kind, std::uint64_t start, std::uint64_t duration, std::uint64_t a,
            std::uint64_t b) noexcept;
void append_text(Thread* thread, spool::TextKind kind, const char* text, std::uint64_t length) noexcept;

// Marks the begin of an interval, mirrored in the header so that a kill inside it is seen; gives the depth to return
// to.
int push(Thread* thread, spool::Kind kind, std::uint64_t start) noexcept;
void pop(Thread* thread, int depth) noexcept;
// Forgets the open steps of optimizers: they raised, and something has begun that is inside no step.
void forget_steps(Thread* thread) noexcept;
// Whether an interval of this kind is open on the thread.
bool inside(const Thread* thread, spool::Kind kind) noexcept;

// Counts a step for --max-steps and --progress as the ledger does: once for each batch, and where the optimizer that
// was counted last steps again. `optimizer` is its address; 0 where the program marks its steps. Of several ranks the
// one that is furthest counts. Ends the recording at the limit.
void count_step(Thread* thread, std::uint64_t optimizer) noexcept;

// Ends the recording of every process of the run.
void stop_all(Thread* thread) noexcept;

std::uint64_t nanoseconds(const timespec& t) noexcept;
std::uint64_t now() noexcept;          // CLOCK_MONOTONIC, nanoseconds
std::uint64_t thread_cpu() noexcept;   // CLOCK_THREAD_CPUTIME_ID, nanoseconds
std::uint64_t process_cpu() noexcept;  // CLOCK_PROCESS_CPUTIME_ID, nanoseconds

}  // namespace headrace::capture
