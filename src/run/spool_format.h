// The spool: the file that one thread of an audited program appends its records to. docs/formats/spool.md is the
// document of this format; this header is the same thing for the compiler. It is shared by src/capture, which writes
// it from inside the program, and by src/run, which reads it; it includes nothing of headrace and no C++ library.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::spool {

inline constexpr std::uint64_t magic = 0x314c4f4f50535248;  // "HRSPOOL1" in little-endian byte order
inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t header_bytes = 4096;
inline constexpr std::size_t record_bytes = 32;
inline constexpr std::size_t open_depth = 16;

// What a record says. A number, once given, keeps its meaning. The fields a and b of each kind are listed in
// docs/formats/spool.md; intervals have a duration, moments have none.
enum class Kind : std::uint8_t {
    none = 0,         // the end of what was written
    text = 1,         // a = bytes of UTF-8 that follow in whole records, b = TextKind; about the record before it
    interpreter = 2,  // moment: the shim began; a = nanoseconds that the shim took
    import = 3,       // interval: an outermost import
    wait = 4,         // interval: __next__ of a loader iterator; a = iterator, b = (batch index + 1, 0 without workers)
                      // | tokens << 32, or wait_ended when no batch came
    iter = 5,         // interval: __iter__ of a DataLoader; a = loader, b = iterator
    loader = 6,       // moment: a = loader, b = batch size (0: none); text loader_config follows
    worker = 7,       // moment: in the training process; a = iterator, b = worker number << 32 | pid
    receive = 8,      // interval: a batch came out of the data queue; a = iterator, b = batch index + 1
    fetch = 9,        // interval: the fetcher, collate included; a = thread CPU ns, b = samples
    fetch_samples = 10,  // of the fetch before: duration = wall ns of all samples; a = CPU ns, b = run-queue ns
    fetch_io = 11,       // of the fetch before: a = bytes requested, b = bytes from storage
    collate = 12,        // interval inside the fetch before: a = CPU ns, b = run-queue ns
    sample = 13,         // interval: one sample out of each batch; a = CPU ns, b = its number in the batch
    put = 14,            // moment: the worker handed a batch to its queue; a = no_batch or 0, b = batch index + 1
    send = 15,           // interval: the feeder thread wrote a batch into the pipe; a = bytes, b = CPU ns of the thread
                         // so far, 0: not known
    cpu = 16,            // of the fetch before: a = user CPU ns, b = system CPU ns (moves in ticks: sums are right)
    forward = 17,        // interval: the outermost module call; a = module
    backward = 18,       // interval: autograd
    optimizer = 19,      // interval: step of an optimizer; a = optimizer
    checkpoint = 20,     // interval
    logging = 21,        // interval
    train_mode = 22,     // moment: outermost Module.train(mode); a = module, b = mode
    device_wait = 23,    // interval: the host waited for an accelerator
    transfer = 24,       // interval: host to device copy
    pin = 25,            // interval: pinning of a batch
    sync = 26,           // interval: an explicit collective or barrier
    teardown = 27,       // moment: the interpreter began to shut down
    stopped = 28,        // moment: recording ended by --max-steps
    memory = 29,         // moment: a = peak device bytes
    resume = 30,         // moment: a persistent worker began another epoch
    worker_begin = 31,   // moment: in a worker; a = worker number, b = number of workers
    handover = 32,       // interval: a queue.Queue or a Future gave an item; a = which one, b = from_future
    phase = 33,          // interval: a part that the program marked itself; text phase_name follows
    step = 34,           // moment: the program marked the end of a step itself
    group = 35,          // moment: the process joined the other ranks; a = rank, b = their number
    brief_fetch = 36,    // interval: a fetch that kept its core; a = ns of its collation, b = samples
    thread_cpu = 37,     // moment, before and after a wait: a = CPU ns of the thread so far, b = run-queue ns so far
    process_cpu = 38,    // of the thread_cpu before: a = CPU ns of all threads of the process so far
    content = 39,        // moment: a sample was hashed; a = its index | units of 64 bytes << 32, b = hash, 0: not known
    failed = 40,  // of the wait before, which an exception ended; a = iterator, b = batch index + 1: if that batch
                  // had not come before, it is the one that could not be made
};

enum class TextKind : std::uint32_t {
    program = 1,        // JSON: argv, executable, python version
    import_name = 2,    // the module of the import before
    loader_config = 3,  // JSON: batch_size, workers, prefetch_factor, persistent, method, ...
    framework = 4,      // for example "torch 2.13.0"
    disabled = 5,       // a hook that was switched off, and why
    limit = 6,          // a sentence for the report's limits
    thread = 7,         // decimal tid: from here on the file belongs to another thread of the process
    phase_name = 8,     // the name of the phase before
};

inline constexpr std::uint64_t from_future = 1;  // b of a handover; 0: a queue, or either in early spools

inline constexpr std::uint64_t no_batch = 1;  // a of a put: an iterable dataset has no more samples in this worker

inline constexpr std::uint64_t wait_ended = ~std::uint64_t{0};

struct Record {
    std::uint64_t start;          // CLOCK_MONOTONIC, nanoseconds
    std::uint64_t duration_kind;  // duration in nanoseconds << 8 | Kind; written last, with release order
    std::uint64_t a;
    std::uint64_t b;
};
static_assert(sizeof(Record) == record_bytes);

// An interval that has begun and not ended: what the thread is doing at this moment.
struct Open {
    std::uint64_t start;
    std::uint64_t kind;
};

// Where a CPython thread keeps what a reader outside needs. Zero where unknown.
struct PythonState {
    std::uint64_t thread_state;   // address of the PyThreadState
    std::uint64_t debug_offsets;  // address of _PyRuntime (its _Py_DebugOffsets from Python 3.13)
    std::uint32_t version_hex;    // PY_VERSION_HEX of the running interpreter
    std::uint32_t reserved;
};

struct Header {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t pid;
    std::uint32_t parent_pid;
    std::uint32_t tid;
    std::uint64_t opened;  // CLOCK_MONOTONIC, nanoseconds
    std::uint64_t
        process_start;          // when the process began, CLOCK_MONOTONIC (10 ms steps; exact after a fork seen by us)
    std::uint32_t main_thread;  // 1 when tid == pid
    std::uint32_t full;         // 1 when recording ended because the file could not grow
    std::uint64_t dropped;      // records that were not written
    std::uint64_t hooks;        // calls that passed through a hook
    std::uint64_t self_ns;      // time that the recorder measured of itself, scaled to all hooks
    std::uint64_t disabled;     // hooks that were switched off after an error
    std::uint64_t call_ns;      // calibrated cost of passing through one hook, 0 when not calibrated
    std::uint64_t depth;        // entries of open in use
    Open open[open_depth];
    PythonState python;
    std::uint32_t rank;        // RANK of the environment + 1; 0 when there is none
    std::uint32_t local_rank;  // the same for LOCAL_RANK
    std::uint32_t trains;      // 1 once a backward was seen on this thread
    std::uint32_t full_error;  // errno of Linux that ended the recording, 0 where unknown
    std::uint64_t teardown;    // when the interpreter began to shut down, 0: it has not
    std::uint64_t waits_on;    // iterator of the wait among the open intervals, where there is one; 0: not known
};
static_assert(sizeof(Header) <= header_bytes);

// One page that every process of a run shares: spool/control.
struct Control {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t recording;  // 0 ends the recording in every process
    std::uint64_t max_steps;  // 0: no limit
    std::uint64_t steps;      // optimizer steps seen so far by the process that trains
    std::uint64_t ended;      // when the command had ended, CLOCK_MONOTONIC, nanoseconds; 0: nobody saw it
    std::uint32_t exit_code;  // of the command
    std::uint32_t signal;     // that ended it; 0: none did, it has an exit code
    std::uint32_t held;       // 1: the recording headrace holds a lock on the file
    std::uint32_t reserved;
};
inline constexpr std::uint64_t control_magic = 0x314c4f52544e4f43;  // "CONTROL1"

constexpr Kind kind_of(std::uint64_t duration_kind) { return static_cast<Kind>(duration_kind & 0xff); }
constexpr std::uint64_t duration_of(std::uint64_t duration_kind) { return duration_kind >> 8; }

}  // namespace headrace::spool
