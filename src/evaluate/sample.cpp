#include "evaluate/sample.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

namespace headrace::evaluate {
namespace {

constexpr double sample_rows = 1000;
constexpr double fewest_rows = 2000;
constexpr double worth_sampling = 0.1;  // of the run that evaluations take
constexpr double likely_fixed = 0.05, most_fixed = 0.2;

}  // namespace

std::optional<Finding> advise_sample(const EvaluationUse& use) {
    const double all = std::accumulate(use.seconds.begin(), use.seconds.end(), 0.0);
    if (use.seconds.size() < 2 || use.rows < fewest_rows || all < worth_sampling * use.run_seconds) {
        return std::nullopt;
    }
    const double shorter = (all - use.seconds.back()) * (1 - sample_rows / use.rows);
    Finding finding;
    finding.id = "evaluate.sample";
    finding.area = Area::evaluate;
    finding.title = "evaluate on a sample, and on all rows at the end";
    finding.evidence = fmt::format(
        "{} evaluations of {:.0f} rows took {:.1f} s, {:.0f} % of the run; of 1,000 rows an accuracy has a standard "
        "error of at most {:.1f} points.",
        use.seconds.size(), use.rows, all, 100 * all / use.run_seconds, 100 * 0.5 / std::sqrt(sample_rows));
    finding.kind = FixKind::evaluation;
    finding.fix.evaluation_rows = static_cast<std::uint64_t>(sample_rows);
    finding.gain = gain_outside_steps((1 - likely_fixed) * shorter, (1 - most_fixed) * shorter, shorter);
    finding.changes = Changes::semantics;
    finding.remedy =
        "Evaluate on one fixed, stratified sample of 1,000 rows between the epochs, and on all rows at the end.";
    return finding;
}

}  // namespace headrace::evaluate
