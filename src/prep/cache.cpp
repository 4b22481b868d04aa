#include "prep/cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace headrace::prep {
namespace {

// What reading a sample from the cache costs, and keeping it in the first place. Assumed, not measured yet: the
// interval holds half and twice of reading.
constexpr double read_fixed = 40e-6;         // seconds of CPU
constexpr double read_bytes_a_second = 4e9;  // beside that
constexpr double keep_fixed = 150e-6;
constexpr double keep_bytes_a_second = 1.5e9;

constexpr std::uint64_t fewest_compared = 12;
constexpr double confidence = 0.95;
constexpr double usable = 0.8;            // of the memory that was free
constexpr double beside_a_sample = 1024;  // bytes in the cache: its skeleton, its slot
constexpr double more_room = 1.05;        // the size of a sample is a mean

double read_seconds(const SampleUse& use) { return read_fixed + use.bytes / read_bytes_a_second; }
double keep_seconds(const SampleUse& use) { return keep_fixed + use.bytes / keep_bytes_a_second; }
double cache_bytes(const SampleUse& use) { return more_room * use.distinct * (use.bytes + beside_a_sample); }

// Of samples all of which were the same, at most this share is not, with 95 % confidence.
double most_differing(std::uint64_t compared) {
    return 1 - std::pow(1 - confidence, 1 / static_cast<double>(compared));
}

std::string bytes_words(double bytes) {
    if (bytes < 1 << 20) return fmt::format("{:.1f} KiB", bytes / (1 << 10));
    return bytes < 1 << 30 ? fmt::format("{:.1f} MiB", bytes / (1 << 20))
                           : fmt::format("{:.2f} GiB", bytes / (1 << 30));
}

// What the machine has of it, in words.
std::string fits_words(const SampleUse& use, bool fits) {
    if (use.free_memory_bytes <= 0) return "how much memory was free is not known";
    return fmt::format("{} of memory were free: fits: {}", bytes_words(use.free_memory_bytes), fits ? "true" : "false");
}

std::string evidence_of(const SampleUse& use, bool fits) {
    const double again = use.later_samples * use.seen_before * (use.cpu_seconds + use.blocked_seconds);
    return fmt::format(
        "{0} samples were hashed in 2 or more of {1} passes and were the same each time, so that with 95 % confidence "
        "at "
        "most {2:.1f} % of all differ. A sample takes {3:.2f} ms of CPU and {4:.2f} ms of waiting: {5:.1f} s of work "
        "were repeated, {6:.0f} % of the run's {7:.1f} s. A sample has {8}, all {9:.0f} of them {10}; {11}.",
        use.compared, use.passes, 100 * most_differing(use.compared), 1e3 * use.cpu_seconds, 1e3 * use.blocked_seconds,
        again, 100 * again / use.run_seconds, use.run_seconds, bytes_words(use.bytes), use.distinct,
        bytes_words(cache_bytes(use)), fits_words(use, fits));
}

// What the interval has to hold of the costs of the cache: they may be half of what is said, or twice.
double error_of_costs(const replay::Loop& recorded, std::span<const BatchSamples> made, const SampleUse& use) {
    constexpr double normal_quantile = 1.6448536269514722;  // of the ends of a 90 % interval
    const double dear = replay::mean_step(with_cache(recorded, made, use, 2));
    const double cheap = replay::mean_step(with_cache(recorded, made, use, 0.5));
    return std::abs(std::log(dear / cheap)) / (2 * normal_quantile);
}

Gain gain_of(const replay::Loop& recorded, std::span<const BatchSamples> made, const SampleUse& use,
             double model_error) {
    const double error = std::hypot(model_error, error_of_costs(recorded, made, use));
    const replay::Gain ratio =
        replay::gain(recorded, with_cache(recorded, made, use), {.replicates = 100, .model_error = error});
    const double workers = std::max(1U, recorded.configuration.workers);
    const double kept = use.distinct * keep_seconds(use) / workers;
    const auto saved = [&](double r) { return use.later_seconds * (1 - 1 / r) - kept; };
    return {{ratio.ratio, ratio.low, ratio.high}, {saved(ratio.ratio), saved(ratio.low), saved(ratio.high)}};
}

}  // namespace

replay::Loop with_cache(const replay::Loop& recorded, std::span<const BatchSamples> made, const SampleUse& use,
                        double cost) {
    replay::Loop changed = recorded;
    const double read = cost * read_seconds(use), share = use.seen_before;
    for (std::size_t i = 0; i < changed.batches.size() && i < made.size(); ++i) {
        replay::BatchCost& batch = changed.batches[i];
        batch.blocked *= 1 - share;
        batch.cpu = std::max(0.0, batch.cpu - share * made[i].cpu) + share * made[i].count * read;
    }
    return changed;
}

std::optional<Finding> advise_cache(const replay::Loop& recorded, std::span<const BatchSamples> made,
                                    const SampleUse& use, double model_error) {
    if (use.passes < 2 || use.compared < fewest_compared || use.differing > 0 || use.unknown > 0) return std::nullopt;
    const Gain gain = gain_of(recorded, made, use, model_error);
    if (gain.ratio.predicted < worth_a_finding) return std::nullopt;
    const bool fits = use.free_memory_bytes > 0 && cache_bytes(use) <= usable * use.free_memory_bytes;
    Finding finding;
    finding.id = "prep.cache";
    finding.area = Area::prep;
    finding.evidence = evidence_of(use, fits);
    finding.changes = Changes::nothing;
    if (fits) {
        finding.kind = FixKind::sample_cache;
        finding.title = fmt::format("keep the samples in memory, {}", bytes_words(cache_bytes(use)));
        finding.fix.cache_bytes = static_cast<std::uint64_t>(cache_bytes(use));
        finding.gain = gain;
        finding.remedy =
            "Keep each finished sample in memory that all workers share, or make all of them once before the training: "
            "what the dataset does for one is the same in every epoch.";
    } else {
        finding.kind = FixKind::by_hand;
        finding.title = "make the samples once, and read them from a file";
        finding.remedy =
            "Make all samples once with a program of its own, write them to one file that is read in order, and let "
            "the dataset read that: what it does for a sample is the same in every epoch, and all of them do not fit "
            "into memory.";
    }
    return finding;
}

}  // namespace headrace::prep
