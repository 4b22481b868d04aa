#include "input/first_start.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::input {
namespace {

constexpr double least_start = 0.02;  // of the run
constexpr double least_start_seconds = 0.5;

// A dataset is pickled for one worker after the other, and read again by each; imports take the rest of a start.
constexpr double to_read = 0.7;  // of the seconds to pickle it
constexpr double large = 8e6;    // bytes that are worth a shorter list
constexpr double mostly = 0.3;   // of a start: below it something else is what takes long

}  // namespace

std::optional<Finding> advise_first_start(const FirstStart& start) {
    const bool forked = start.method == "fork" || start.method.empty();
    if (forked || start.seconds < std::max(least_start_seconds, least_start * start.run_seconds)) return std::nullopt;
    const auto workers = static_cast<double>(start.workers);
    const double pickling = start.dataset != nullptr ? (workers + to_read) * start.dataset->seconds : 0;
    const bool by_dataset = start.dataset != nullptr && static_cast<double>(start.dataset->bytes) >= large &&
                            pickling >= mostly * start.seconds;
    Finding finding;
    finding.id = "input.startup";
    finding.title = by_dataset ? "a dataset that workers need not be sent" : "loader workers that start sooner";
    finding.evidence = fmt::format("The {} workers came to their first batch after {:.1f} s, started by {}",
                                   start.workers, start.seconds, start.method);
    if (start.dataset != nullptr) {
        finding.evidence += fmt::format("; each was sent the dataset, {:.1f} MB that take {:.2f} s to pickle",
                                        static_cast<double>(start.dataset->bytes) / 1e6, start.dataset->seconds);
    }
    finding.evidence += ".";
    finding.kind = FixKind::by_hand;
    // A fork takes milliseconds; a dataset that is small leaves the imports of each worker.
    const double most = 0.95 * start.seconds, sure = std::min(pickling, most);
    finding.gain = by_dataset ? gain_outside_steps(sure, 0.5 * sure, most)
                              : gain_outside_steps(0.8 * start.seconds, 0.5 * start.seconds, most);
    finding.remedy =
        by_dataset ? "Keep the list of samples in one array (NumPy, Arrow) in a file that each worker maps, instead of "
                     "Python lists in the dataset that are pickled for every worker."
                   : fmt::format(
                         "Start workers by fork where nothing forbids it (multiprocessing_context=\"fork\"), or "
                         "keep imports out of the main script: every worker of {} runs it again.",
                         start.method);
    return finding;
}

}  // namespace headrace::input
