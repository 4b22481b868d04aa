#include "input/workers.h"

#include <fmt/format.h>

#include <cmath>

#include "input/gain.h"

namespace headrace::input {
namespace {

using replay::Point;
using replay::same_loader;

std::string words_of(const Point& point) {
    if (point.workers == 0) return "no workers";
    return fmt::format("{} worker{}, prefetch {}", point.workers, point.workers == 1 ? "" : "s", point.prefetch_factor);
}

std::string threads_words(unsigned threads) {
    return fmt::format("{} intra-op thread{}", threads, threads == 1 ? "" : "s");
}

// "2 workers instead of none", "2 workers with prefetch 4 instead of 2 with 2", "1 intra-op thread instead of 2".
std::string title_of(const Point& best, const replay::Configuration& now) {
    const auto number = [](unsigned workers) { return workers == 0 ? std::string("none") : std::to_string(workers); };
    const Point recorded{now.workers, now.prefetch_factor};
    if (same_loader(best, recorded)) {
        return fmt::format("{} instead of {:.0f}", threads_words(best.threads->threads), now.threads);
    }
    std::string title =
        best.workers == 0 ? "no workers" : fmt::format("{} worker{}", best.workers, best.workers == 1 ? "" : "s");
    const bool told = best.workers > 0 && recorded.workers > 0 && best.prefetch_factor != recorded.prefetch_factor;
    if (told) title += fmt::format(" with prefetch {}", best.prefetch_factor);
    title += " instead of " + number(recorded.workers);
    if (told) title += fmt::format(" with {}", recorded.prefetch_factor);
    if (best.threads != nullptr) title += ", and " + threads_words(best.threads->threads);
    return title;
}

// What each pass after the first loses of the gain when its workers have to fill their queues first: its first batch is
// waited for whole, as it is without workers. The ratio is of the steps after that.
double seconds_to_refill(const LoaderUse& use, const replay::Loop& changed) {
    if (changed.configuration.workers == 0 || changed.batches.empty()) return 0;
    double sum = 0;
    for (const replay::BatchCost& batch : changed.batches)
        sum += batch.blocked + batch.cpu + batch.transit + batch.handover;
    return static_cast<double>(use.recorded.later_passes.size()) * sum / static_cast<double>(changed.batches.size());
}

Gain gain_of(const LoaderUse& use, const Point& point) {
    const replay::Loop changed = replay::at(use.recorded, use.transport, point);
    const double error = std::hypot(replay::model_error(use.recorded, changed, use.contention_measured),
                                    replay::threads_error(use.recorded, use.transport, point));
    Gain gain = input::gain_of({use.recorded, use.loop_seconds}, changed, error);
    // With workers before, and that stay, a part of it was so already.
    const double refill = seconds_to_refill(use, changed);
    gain.seconds_per_run.predicted -= (use.recorded.configuration.workers == 0 ? 1 : 0.5) * refill;
    gain.seconds_per_run.low -= refill;
    return gain;
}

// The words of a change of the loader's arguments.
void describe_loader(const LoaderUse& use, const Point& best, Finding& finding) {
    const replay::Configuration& now = use.recorded.configuration;
    finding.changes = Changes::random_streams;
    if (best.workers != now.workers) finding.fix.workers = best.workers;
    if (best.workers > 0 && best.prefetch_factor != now.prefetch_factor) {
        finding.fix.prefetch_factor = best.prefetch_factor;
    }
    finding.remedy = fmt::format("Give the training DataLoader num_workers={}", best.workers);
    if (best.workers > 0) finding.remedy += fmt::format(" and prefetch_factor={}", best.prefetch_factor);
    if (best.workers > 0 && !use.persistent && !use.made_anew && use.passes > 1) {
        finding.fix.persistent_workers = true;
        finding.remedy += ", with persistent_workers=True, so that they are not started again in each epoch";
    }
    if (use.divides_itself && best.workers > now.workers) finding.remedy += replay::part_for_each_worker;
    finding.remedy += ".";
}

}  // namespace

replay::Loop with_workers(const LoaderUse& use, unsigned workers, unsigned prefetch_factor) {
    return replay::with_workers(use.recorded, use.transport, workers, prefetch_factor);
}

std::optional<Finding> advise_workers(const LoaderUse& use) {
    const replay::Configuration& now = use.recorded.configuration;
    const Point best = replay::best_point(use.recorded, use.transport, use.threads);
    const Point recorded = replay::point_of(use.recorded);
    const bool loader_stays = same_loader(best, recorded);
    if (loader_stays && best.threads == nullptr) return {};
    Finding finding;
    finding.gain = gain_of(use, best);
    if (finding.gain->ratio.predicted < worth_a_finding) return {};
    finding.id = loader_stays ? "compute.threads" : "input.workers";
    finding.area = loader_stays ? Area::compute : Area::input;
    finding.title = title_of(best, now);
    finding.evidence = fmt::format("The loop waited for input {:.0f} % of its time, with {}.", 100 * use.wait_share,
                                   words_of(recorded));
    finding.changes = Changes::rounding;
    if (!loader_stays) describe_loader(use, best, finding);
    if (best.threads != nullptr) {
        const unsigned threads = best.threads->threads;
        finding.fix.threads = threads;
        finding.evidence += fmt::format(" Alone, a step with {} takes {:.2f} times as long.", threads_words(threads),
                                        best.threads->step);
        if (!finding.remedy.empty()) finding.remedy += " ";
        finding.remedy += fmt::format("Call torch.set_num_threads({}) before the training.", threads);
    }
    const std::string parts =
        replay::in_words(replay::parts_of(use.recorded, use.transport, best), finding.gain->ratio.predicted);
    if (!parts.empty()) finding.evidence += " " + parts;
    return finding;
}

}  // namespace headrace::input
