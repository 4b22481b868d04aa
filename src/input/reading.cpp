#include "input/reading.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::input {
namespace {

// Of small files.
constexpr double least_blocked = 0.25;  // of the wall time of a sample
constexpr double least_wait = 0.2e-3;   // seconds
constexpr double small_file = 1 << 20;  // bytes
constexpr double least_bytes = 512;     // of a sample, for it to come from a file at all
// Bytes a second of large reads, where that was not measured: what is supposed, and what it may be.
constexpr double plain_storage = 100e6, slow_storage = 30e6, fast_storage = 1e9;
constexpr double error_of_reading = 0.06;

// Of pictures.
constexpr double much_larger = 16;      // times the pixels that are needed: a crop of a quarter leaves room for scaling
constexpr double worth_scaling = 0.8;   // of the seconds of a whole decode, at the most
constexpr double least_decoding = 0.1;  // of the CPU time of a sample that it saves
constexpr double error_of_scaling = 0.08;  // a crop may need more pixels than are kept

}  // namespace

std::optional<Finding> advise_small_files(const LoopUse& use, const SampleCosts& costs, const SampleFiles* files) {
    const double per_sample = files != nullptr ? files->files_per_sample : 1;
    const double bytes = files != nullptr ? per_sample * files->bytes_per_file : costs.bytes;
    if (costs.blocked < std::max(least_wait, least_blocked * costs.wall)) return std::nullopt;
    if (bytes < least_bytes || per_sample < 0.5 || bytes / per_sample >= small_file) return std::nullopt;
    const bool measured = files != nullptr && files->uncached;
    // Small files at once come at no more than large reads do.
    const double at_least = measured ? files->uncached->bytes_per_second : slow_storage;
    const double rate = std::max(at_least, plain_storage);
    const auto left = [&](double bytes_per_second) { return std::min(1.0, bytes / bytes_per_second / costs.blocked); };
    const auto changed = [&](double part) {
        replay::Loop loop = use.recorded;
        for (replay::BatchCost& batch : loop.batches) batch.blocked *= part;
        return loop;
    };
    Finding finding;
    finding.gain =
        gain_of_guess(use, changed, {left(rate), left(std::max(rate, fast_storage)), left(at_least)}, error_of_reading);
    if (finding.gain->ratio.predicted < worth_a_finding) return std::nullopt;
    finding.id = "input.small_files";
    finding.title = files != nullptr ? "samples packed into shards instead of many small files"
                                     : "samples read in large pieces, from shards";
    finding.evidence = fmt::format("Each sample waited {:.1f} ms of {:.1f} ms for {:.0f} kB", 1e3 * costs.blocked,
                                   1e3 * costs.wall, bytes / 1e3);
    finding.evidence += files != nullptr ? fmt::format(" from {:.1f} files", per_sample) : "";
    finding.evidence += fmt::format("; in large reads, at {:.0f} MB/s{}, they would take {:.2f} ms.", rate / 1e6,
                                    measured && at_least >= plain_storage ? " as measured" : "", 1e3 * bytes / rate);
    finding.kind = FixKind::by_hand;
    finding.changes = Changes::random_streams;
    finding.remedy =
        "Pack the samples into shards of some 256 MB (WebDataset tar, TFRecord or Parquet) in a shuffled order, and "
        "read these from their beginning to their end.";
    return finding;
}

std::optional<Finding> advise_decode_size(const LoopUse& use, const SampleCosts& costs, const Decoding& decoding,
                                          double batch_size) {
    const auto needed = static_cast<double>(decoding.needed_width * decoding.needed_height);
    const double saved = decoding.whole_seconds - decoding.scaled_seconds;
    if (needed <= 0 || decoding.width * decoding.height < much_larger * needed || batch_size <= 0) return std::nullopt;
    if (decoding.scaled_seconds > worth_scaling * decoding.whole_seconds || saved < least_decoding * costs.cpu) {
        return std::nullopt;
    }
    replay::Loop changed = use.recorded;
    for (replay::BatchCost& batch : changed.batches) {
        // What is left of a sample is what it does with its picture, which is smaller then.
        batch.cpu = std::max(batch.cpu - batch_size * saved, 0.1 * batch.cpu);
    }
    Finding finding;
    finding.gain = gain_of(use, changed, error_of_scaling);
    if (finding.gain->ratio.predicted < worth_a_finding) return std::nullopt;
    const std::uint64_t width = 2 * decoding.needed_width, height = 2 * decoding.needed_height;
    finding.id = "input.decode_size";
    finding.title =
        fmt::format("pictures decoded near the {} x {} that are needed", decoding.needed_width, decoding.needed_height);
    finding.evidence = fmt::format(
        "JPEG pictures are decoded at {:.0f} x {:.0f} for {} x {} in the batch, {:.1f} ms each; in JPEG's own scale "
        "with "
        "at least twice the sides that are needed it took {:.1f} ms.",
        decoding.width, decoding.height, decoding.needed_width, decoding.needed_height, 1e3 * decoding.whole_seconds,
        1e3 * decoding.scaled_seconds);
    finding.kind = FixKind::by_hand;
    finding.changes = Changes::numerics;
    finding.remedy = fmt::format(
        "Call image.draft(\"RGB\", ({}, {})) between Image.open and the first use of the picture; crops of less than a "
        "quarter of its area want larger numbers.",
        width, height);
    return finding;
}

}  // namespace headrace::input
