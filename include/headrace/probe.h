// What short runs of a program measured beside its audit (`headrace audit --probe`). Plain structs; the key `probe` of
// docs/formats/report.schema.json is the same thing as JSON. Times are in seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace headrace {

// A ratio and its 90 % interval.
struct Relative {
    double median = 1;
    double low = 1;
    double high = 1;
};

// The program's step on batches that were in memory, under one condition: the median of the means of its blocks, and
// the ends of its 90 % interval. A step is what it does with one batch.
struct ProbeCase {
    bool loader_running = false;  // meanwhile, its batches dropped
    std::uint64_t threads = 1;    // intra-op
    std::uint64_t batch_size = 0;
    std::string precision;  // float32: as the program is; bfloat16: under autocast
    double median = 0;
    double low = 0;
    double high = 0;
    std::uint64_t steps = 0;
    std::optional<double> cpu_seconds = {};  // of the training thread for such a step, the median of the blocks
    bool channels_last = false;  // the model's convolutions in that memory format, which it has not by itself
    // The most that the process had in memory meanwhile, and on its device; absent where it could not be measured.
    std::optional<std::int64_t> host_peak_bytes = {};
    std::optional<std::int64_t> device_peak_bytes = {};
    // Its step, of those that were taken just before and after it: of the program as it is, or beside the loader of the
    // same with the loader stopped. What the machine does from second to second cancels out. Absent of the program as
    // it is, and in probes of earlier versions.
    std::optional<Relative> of_others = {};
    std::optional<double> cpu_of_others = {};  // the same of the training thread's CPU time, the median
};

// How fast files are read, each from its open to its close.
struct ReadSpeed {
    double seconds_per_file = 0;  // the median, one after the other
    double files_per_second = 0;  // by several readers at once
    double bytes_per_second = 0;  // likewise
};

// The files that samples are read from.
struct SampleFiles {
    double files_per_sample = 0;
    double bytes_per_file = 0;  // the mean
    std::uint64_t files = 0;    // that were read to measure
    ReadSpeed cached;           // from memory
    // After their pages, and no others, were dropped from memory; absent where that cannot be done.
    std::optional<ReadSpeed> uncached;
};

// JPEG pictures that samples are made of. Seconds are CPU time of one thread.
struct Decoding {
    double width = 0;  // of the pictures as they are decoded, the mean
    double height = 0;
    std::uint64_t needed_width = 0;  // of the pictures in a batch
    std::uint64_t needed_height = 0;
    double whole_seconds = 0;   // to decode one as it is
    double scaled_seconds = 0;  // to the smallest scale of JPEG's own that has twice the width and height needed
};

// What each worker that is not forked is sent first: the dataset.
struct Pickled {
    std::uint64_t bytes = 0;
    double seconds = 0;  // to pickle it once
};

// What a program reads before its training begins, but for its code and packages.
struct StartupInputs {
    std::uint64_t files = 0;
    std::uint64_t folders = 0;  // that it lists
    std::uint64_t bytes = 0;
    std::string digest;  // of their names and contents
    double seconds = 0;  // that the audited run spent in startup.setup
};

struct Probe {
    std::uint64_t threads = 1;  // that the program has by itself
    std::uint64_t batch_size = 0;
    std::vector<ProbeCase> cases;  // in the order in which they were measured first
    // The model in eval mode, one sample: the median and the 95th percentile; absent where it takes none.
    std::optional<double> single_sample_seconds;
    std::optional<double> single_sample_p95_seconds = {};
    std::optional<std::uint64_t> model_parameters = {};  // numbers in it
    std::optional<std::int64_t> model_bytes = {};        // of its parameters and buffers
    std::optional<SampleFiles> files;                    // absent where no file was seen being opened for a sample
    std::optional<Decoding> decoding;                    // absent where Pillow decodes no JPEG files
    std::optional<StartupInputs> startup = {};           // absent where it reads nothing
    // CPU seconds for a batch of a worker that a loader without workers was given, beside the steps; absent where that
    // was not measured.
    std::optional<double> worker_cpu_seconds = {};
    std::optional<Pickled> dataset = {};  // absent where workers are forked, or there are none
};

// The case of the program as it is, its loader stopped, or null.
const ProbeCase* own_case(const Probe& probe);

// The case that differs from it in these alone, or null.
const ProbeCase* case_of_batch(const Probe& probe, std::uint64_t batch_size);
const ProbeCase* case_of_precision(const Probe& probe, const std::string& precision);
const ProbeCase* case_of_channels_last(const Probe& probe);

// What a step takes under another condition, of what it takes as the program is.
struct StepChange {
    double factor = 1;
    double error = 0;  // standard deviation of its logarithm, by the spread of what was measured
};

// None where one of them was not measured.
std::optional<StepChange> change_of(const Probe& probe, const ProbeCase* changed);

// The case with so many threads in the program's own batch size, precision and memory format, or null.
const ProbeCase* case_of_threads(const Probe& probe, bool loader_running, std::uint64_t threads);

}  // namespace headrace
