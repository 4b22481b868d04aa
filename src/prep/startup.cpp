#include "prep/startup.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::prep {
namespace {

constexpr double least_startup = 1;          // seconds
constexpr double least_startup_part = 0.03;  // of the run

// What is left is to read the result, and what the setup does beside it: a model, a device. That part is not known.
constexpr double likely_saved = 0.7, least_saved_part = 0.3, most_saved_part = 0.95;

}  // namespace

std::optional<Finding> advise_startup(const StartupUse& use) {
    if (use.earlier.empty()) return std::nullopt;
    const double seconds = std::min(use.inputs.seconds, *std::min_element(use.earlier.begin(), use.earlier.end()));
    if (seconds < std::max(least_startup, least_startup_part * use.run_seconds)) return std::nullopt;
    Finding finding;
    finding.id = "prep.startup";
    finding.area = Area::prep;
    finding.title = "start-up work kept for the next run";
    finding.evidence = fmt::format(
        "{} runs spent {:.1f} s or more in startup.setup on the same input, by content: {} files and {} folders with "
        "{:.1f} MB.",
        use.earlier.size() + 1, seconds, use.inputs.files, use.inputs.folders,
        static_cast<double>(use.inputs.bytes) / 1e6);
    finding.kind = FixKind::by_hand;
    finding.gain = gain_outside_steps(likely_saved * seconds, least_saved_part * seconds, most_saved_part * seconds);
    finding.remedy =
        "Keep what the set-up makes of its input in a file named by the digest of that input, for example an array "
        "that is "
        "mapped, and make it anew only where there is no such file.";
    return finding;
}

}  // namespace headrace::prep
