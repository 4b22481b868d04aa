#include "compute/batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "base/text.h"

namespace headrace::compute {
namespace {

constexpr unsigned times = 2;           // as large, the batch that is advised: the one that was measured
constexpr double as_good = 0.98;        // of the speed of the best point: then the loader stays as it is
constexpr double most_of_memory = 0.9;  // that a process may come to hold

std::string time_words(double seconds) {
    return seconds < 1e-3 ? fmt::format("{:.0f} µs", seconds * 1e6) : fmt::format("{:.2f} ms", seconds * 1e3);
}

bool fits(const StepUse& use, const ProbeCase& twice) {
    return use.memory_bytes <= 0 || !twice.host_peak_bytes ||
           static_cast<double>(*twice.host_peak_bytes) < most_of_memory * static_cast<double>(use.memory_bytes);
}

// The point for the larger batch: as it is where that is as good.
replay::Point point_for(const StepUse& use, const replay::Loop& larger) {
    const replay::Point best = replay::best_point(larger, use.transport, use.threads);
    const replay::Loop part = replay::middle_of(larger);
    const double fastest = replay::mean_step(replay::at(part, use.transport, best));
    return fastest >= as_good * replay::mean_step(part) ? replay::point_of(use.recorded) : best;
}

std::string memory_words(const char* whose, const std::optional<std::int64_t>& own,
                         const std::optional<std::int64_t>& twice) {
    if (!own || !twice) return "";
    return fmt::format(" With it the {} peaked at {:.0f} MiB, {:.0f} as it is.", whose,
                       static_cast<double>(*twice) / base::mebibyte, static_cast<double>(*own) / base::mebibyte);
}

std::string evidence_of(const StepUse& use, const StepLine& line) {
    const std::uint64_t size = use.probe.batch_size;
    const ProbeCase *own = own_case(use.probe), *twice = case_of_batch(use.probe, times * size);
    std::string text = "In memory a step";
    const char* before = " of ";
    for (const std::uint64_t batch : {size / 2, size, times * size}) {
        if (const ProbeCase* one = batch > 0 ? case_of_batch(use.probe, batch) : nullptr) {
            text += fmt::format("{}{} samples takes {}", before, batch, time_words(one->median));
            before = ", of ";
        }
    }
    const double share = line.fixed / (line.fixed + line.per_sample * static_cast<double>(size));
    text += fmt::format(": {} and {} a sample, so {:.0f} % of a step is fixed", time_words(line.fixed),
                        time_words(line.per_sample), 100 * share);
    const double knee = line.knee();
    text += knee < 1e6 ? fmt::format("; the knee, where half of it is, lies at {:.0f} samples.", knee) : ".";
    text += memory_words("process", own->host_peak_bytes, twice->host_peak_bytes);
    return text + memory_words("device", own->device_peak_bytes, twice->device_peak_bytes);
}

void set_fix(const StepUse& use, const replay::Point& point, Finding& finding) {
    const replay::Point now = replay::point_of(use.recorded);
    const std::uint64_t batch = times * use.probe.batch_size;
    finding.fix.batch_size = batch;
    finding.remedy = fmt::format("Give the training DataLoader batch_size={}", batch);
    if (point.workers != now.workers) {
        finding.fix.workers = point.workers;
        finding.remedy += fmt::format(", num_workers={}", point.workers);
    }
    if (point.workers > 0 && point.prefetch_factor != now.prefetch_factor) {
        finding.fix.prefetch_factor = point.prefetch_factor;
        finding.remedy += fmt::format(", prefetch_factor={}", point.prefetch_factor);
    }
    if (finding.fix.workers && point.workers > 0 && !use.persistent && !use.made_anew && use.passes > 1) {
        finding.fix.persistent_workers = true;
        finding.remedy += ", persistent_workers=True";
    }
    if (point.threads != nullptr) {
        finding.fix.threads = point.threads->threads;
        finding.remedy += fmt::format("; call torch.set_num_threads({}) before the training", point.threads->threads);
    }
    if (use.divides_itself && point.workers > now.workers) finding.remedy += replay::part_for_each_worker;
    finding.remedy +=
        ". There are half as many optimizer steps in an epoch then: set the learning rate and its schedule anew, and "
        "compare the results.";
}

// A pass of a few batches has no more of them twice as large to speak of.
constexpr double fewest_steps_of_a_pass = 8;

double steps_of_a_pass(const replay::Loop& loop) {
    return static_cast<double>(loop.steps.size()) / static_cast<double>(loop.later_passes.size() + 1);
}

}  // namespace

double StepLine::knee() const noexcept {
    return per_sample > 0 ? fixed / per_sample : std::numeric_limits<double>::infinity();
}

std::optional<StepLine> line_of(const Probe& probe) {
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (const std::uint64_t size : {probe.batch_size / 2, probe.batch_size, times * probe.batch_size}) {
        const ProbeCase* one = size > 0 ? case_of_batch(probe, size) : nullptr;
        if (one == nullptr) continue;
        const auto samples = static_cast<double>(size);
        n += 1;
        x += samples;
        y += one->median;
        xx += samples * samples;
        xy += samples * one->median;
    }
    if (n < 2) return std::nullopt;
    StepLine line;
    line.per_sample = std::max(0.0, (n * xy - x * y) / (n * xx - x * x));
    line.fixed = (y - line.per_sample * x) / n;
    if (line.fixed < 0) line = {0, y / x};
    return line;
}

std::optional<Finding> advise_batch(const StepUse& use) {
    const ProbeCase* twice = case_of_batch(use.probe, times * use.probe.batch_size);
    const std::optional<StepChange> step = change_of(use.probe, twice);
    const std::optional<StepLine> line = line_of(use.probe);
    if (!step || !line || !fits(use, *twice) || steps_of_a_pass(use.recorded) < fewest_steps_of_a_pass) return {};
    const auto larger = [&](double factor) { return with_larger_batches(use.recorded, times, factor); };
    const replay::Point point = point_for(use, larger(step->factor));
    const auto changed = [&](double factor) { return replay::at(larger(factor), use.transport, point); };
    const replay::Loop best_as_it_is =
        replay::at(use.recorded, use.transport, replay::best_point(use.recorded, use.transport, use.threads));
    const double beyond = replay::mean_step(replay::middle_of(best_as_it_is)) /
                          replay::mean_step(replay::middle_of(changed(step->factor)));
    Finding finding;
    finding.gain = gain_of(use, *step, changed, replay::threads_error(use.recorded, use.transport, point));
    const double ratio = finding.gain->ratio.predicted;
    if (ratio < worth_a_finding || beyond < worth_a_finding) return std::nullopt;
    finding.id = "compute.batch";
    finding.area = Area::compute;
    finding.title = fmt::format("a batch of {} instead of {}", times * use.probe.batch_size, use.probe.batch_size);
    finding.evidence = evidence_of(use, *line);
    std::vector<replay::Part> parts = replay::parts_of(use.recorded, use.transport, point);
    parts.insert(parts.begin(), replay::Part{"batch", replay::mean_step(replay::middle_of(use.recorded)) /
                                                          replay::mean_step(replay::middle_of(larger(step->factor)))});
    if (const std::string words = replay::in_words(parts, ratio); !words.empty()) finding.evidence += " " + words;
    finding.changes = Changes::semantics;
    set_fix(use, point, finding);
    if (!use.loader_batch) {  // of a sampler of the program's own, whose arguments are not known
        finding.kind = FixKind::by_hand;
        finding.fix = {};
    }
    return finding;
}

}  // namespace headrace::compute
