#include "input/restarts.h"

#include <fmt/format.h>

#include <numeric>

namespace headrace::input {
namespace {

constexpr double least_share = 0.01;  // of the run

// A start overlaps with what the training thread does before it asks for its first batch.
constexpr double least_of_it = 0.7, most_of_it = 1.02;

}  // namespace

std::optional<Finding> advise_persistent(const RestartUse& use) {
    const double seconds = std::accumulate(use.seconds.begin(), use.seconds.end(), 0.0);
    if (use.seconds.empty() || seconds < least_share * use.run_seconds) return std::nullopt;
    const char* whose = use.evaluation ? "evaluation" : "training";
    Finding finding;
    finding.id = use.evaluation ? "evaluate.persistent_workers" : "input.persistent_workers";
    finding.area = use.evaluation ? Area::evaluate : Area::input;
    finding.title = fmt::format("{} workers that stay", whose);
    finding.evidence =
        fmt::format("The workers of the {} loader were started {} more times, which took {:.2f} s of {:.1f} s.", whose,
                    use.seconds.size(), seconds, use.run_seconds);
    finding.fix.persistent_workers = true;
    finding.gain = gain_outside_steps(seconds, least_of_it * seconds, most_of_it * seconds);
    finding.changes = Changes::random_streams;
    finding.remedy = fmt::format("Give the {} DataLoader persistent_workers=True", whose);
    finding.remedy += use.made_anew ? ", and make it once, before the epochs: now it is made anew for each." : ".";
    return finding;
}

}  // namespace headrace::input
