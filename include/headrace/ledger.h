// What an audit says of a run: the ledger and everything beside it. docs/formats/report.schema.json is the same thing
// as JSON; src/report renders it. Times are in seconds, sizes in bytes, shares from 0 to 1.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/finding.h"
#include "headrace/probe.h"
#include "headrace/run.h"
#include "headrace/use.h"

namespace headrace {

// The entries of a ledger in their fixed order: exclusive parts of the wall time of one rank's training thread.
enum class Entry : std::uint8_t {
    startup_launch,
    startup_imports,
    startup_setup,
    startup_workers,
    startup_first_step,
    input_wait,
    transfer,
    compute_forward,
    compute_backward,
    compute_optimizer,
    compute_device_wait,
    sync,
    host,
    evaluation,
    checkpoint,
    logging,
    teardown,
    unattributed,
};
inline constexpr std::size_t entry_count = 18;
std::string_view name(Entry entry) noexcept;  // for example "startup.launch"

// The causes of input.wait, in their fixed order.
enum class Stage : std::uint8_t { storage, read, decode, collate, transport, workers };
inline constexpr std::size_t stage_count = 6;
std::string_view name(Stage stage) noexcept;  // for example "storage"

struct Ledger {
    std::optional<int> rank;  // of torch.distributed or of the environment; empty where the process has none
    std::uint32_t pid = 0;
    std::string host;         // name of the machine
    std::string command;      // the arguments of the process, joined by spaces; empty where they were not seen
    double wall_seconds = 0;  // the process, or its recorded part with --max-steps
    std::array<double, entry_count> seconds{};       // by Entry; sums to wall_seconds
    std::array<double, stage_count> wait_seconds{};  // by Stage; sums to the entry input.wait
};

// Of a rank: from the start to the end of its first step.
double startup_seconds(const Ledger& ledger) noexcept;

struct Steady {  // the steps after the first
    std::uint64_t steps = 0;
    std::optional<double> step_seconds_median;
    std::optional<double> step_seconds_p95;
    std::optional<double> samples_per_second;
    std::optional<double> tokens_per_second;
    std::optional<std::uint64_t> batch_size;
    // Until the second pass over a training loader began, the first one included; absent where there was none.
    std::optional<std::uint64_t> pass_steps = {};
    // Of the middle one of up to 20 parts of the steady steps: what a neighbour of the machine did for a moment is not
    // in it. Absent for fewer than 50 steps.
    std::optional<double> typical_samples_per_second = {};
};

struct Loader {
    std::optional<std::uint64_t> batch_size;
    std::uint64_t workers = 0;
    std::optional<std::uint64_t> prefetch_factor;
    bool persistent = false;
    std::optional<std::string> method;  // fork, spawn, forkserver; none without workers
    bool training = false;
    std::optional<LoaderSite> made = {};
    bool pin_memory = false;
    std::string collate = {};  // name of its collate_fn with its module's; empty where it was not recorded
    std::optional<std::uint64_t> threads = {};  // intra-op, of the process that took its batches
};

struct PerSample {  // means; absent where no sample was recorded
    std::optional<double> wall_seconds;
    std::optional<double> cpu_seconds;
    std::optional<double> run_queue_seconds;
    std::optional<double> blocked_seconds;
    std::optional<double> bytes_requested;
    std::optional<double> bytes_from_storage;
};

struct HotLineShare {
    std::string file;
    std::uint32_t line = 0;
    std::string function;
    double share = 0;  // of the looks in its list
};

struct Overhead {
    double seconds = 0;  // on the training thread of rank 0
    double share = 0;    // of its wall time
    std::optional<double> per_step_seconds;
    std::uint64_t hooks_disabled = 0;
};

// What a stretch of the program looked like from outside. I/O is heavy from 10 MiB of storage a second on.
enum class Activity : std::uint8_t {
    computing,  // a quarter of a core or more, no heavy I/O
    reading,    // heavy I/O on less than 1.5 cores, three quarters of it reading
    writing,    // the same, writing
    idle,       // less than 0.05 core and 1 MiB/s
    mixed,      // anything else
};
std::string_view name(Activity activity) noexcept;  // for example "computing"

struct OutsidePhase {          // a stretch with a steady mixture of CPU, reading and writing
    double begin_seconds = 0;  // since the command was started
    double end_seconds = 0;
    double cpu_cores = 0;  // in use, on the average
    double read_bytes_per_second = 0;
    double written_bytes_per_second = 0;
    Activity what = Activity::mixed;
};

struct OutsideProcess {
    std::string command;
    std::uint32_t pid = 0;
    double seconds = 0;      // of its life
    double cpu_seconds = 0;  // its own, without its children's
};

struct MarkedPhase {  // of headrace.phase(name), with a name that is no entry of the ledger
    std::string name;
    double seconds = 0;  // nested ones of one name count once
    std::uint64_t count = 0;
};

// What all processes of the program did as seen from outside, whatever they are. Bytes are those of storage.
struct Outside {
    double cpu_seconds = 0;
    double cores_mean = 0;
    double idle_share = 0;  // of the wall time, with less than 0.05 core in use
    std::int64_t read_bytes = 0;
    std::int64_t written_bytes = 0;
    std::vector<OutsideProcess> processes;  // those with most CPU time, at most 10
    std::vector<OutsidePhase> phases;       // without a gap from the start to the end, at most 40
    std::vector<MarkedPhase> marked;        // in the order of their first begin
};

struct Audit {
    RunInfo run;
    double wall_seconds = 0;  // of the command
    std::optional<std::string> framework;
    std::uint64_t processes = 0;
    bool trained = false;  // a training step was seen; otherwise the ledger is that of the command's process
    bool stopped = false;  // by --max-steps: the ledgers end there
    // From the start of the command to the end of the last evaluation of any rank, where no training step of any ended
    // after it. Whether there was one is unseen where recording ended before the program did.
    std::optional<double> result_seconds;
    bool result_unseen = false;
    std::vector<Ledger> ranks;  // rank 0 first; at least one
    Steady steady;
    std::vector<Loader> loaders;
    PerSample per_sample;
    std::vector<HotLineShare> input_lines;  // inside fetch and collate
    std::vector<HotLineShare> loop_lines;   // on the training thread, outside input.wait
    std::optional<std::int64_t> host_peak_bytes;
    std::optional<std::int64_t> device_peak_bytes;
    std::optional<Outside> outside;  // absent when nothing was sampled
    Overhead overhead;
    std::optional<Probe> probe;     // absent where none was made
    std::optional<Slo> slo;         // absent where there is no such file
    std::optional<Cost> cost;       // absent where there is no such file, or the machine is not in it
    std::vector<Ceiling> ceilings;  // lowest first
    Prediction prediction;
    std::vector<Finding> findings;  // by the lower bound of the seconds saved, most first
    std::vector<std::string> limits;
    std::string next;  // the command to run next
};

}  // namespace headrace
