#include "input/collation.h"

#include <fmt/format.h>

namespace headrace::input {
namespace {

constexpr double least_part = 0.2;  // of the CPU time of a fetch
// What is left of it once it works on whole arrays: copying what the batch holds.
constexpr double left_of_it = 0.2;
constexpr double error_of_guess = 0.1;  // of the model, that guess included

}  // namespace

std::optional<Finding> advise_collation(const CollationUse& use) {
    if (use.fetch <= 0 || use.collate < least_part * use.fetch) return std::nullopt;
    replay::Loop changed = use.loop.recorded;
    for (replay::BatchCost& batch : changed.batches) {
        batch.cpu *= 1 - (1 - left_of_it) * use.collate / use.fetch;
    }
    Finding finding;
    finding.gain = gain_of(use.loop, changed, error_of_guess);
    if (finding.gain->ratio.predicted < worth_a_finding) return std::nullopt;
    finding.id = "input.collate";
    finding.title = "a collation that works on arrays";
    finding.evidence = fmt::format("{} takes {:.1f} ms of CPU time for a batch, {:.0f} % of its fetch.", use.function,
                                   1e3 * use.collate, 100 * use.collate / use.fetch);
    finding.kind = FixKind::by_hand;
    finding.remedy = fmt::format(
        "Let {} fill one array or tensor for the batch by whole samples, for example with torch.stack, pad_sequence or "
        "np.stack, instead of going through their elements in Python.",
        use.function);
    return finding;
}

}  // namespace headrace::input
