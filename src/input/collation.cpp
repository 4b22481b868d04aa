#include "input/collation.h"

#include <fmt/format.h>

namespace headrace::input {
namespace {

constexpr double least_part = 0.2;  // of the CPU time of a fetch
// What is left of it once it works on whole arrays: copying what the batch holds. One that does so already has all of
// it.
constexpr Interval left_of_it{0.2, 0.05, 0.95};
constexpr double error_of_replay = 0.05;

}  // namespace

std::optional<Finding> advise_collation(const CollationUse& use) {
    if (use.fetch <= 0 || use.collate < least_part * use.fetch) return std::nullopt;
    const auto changed = [&](double left) {
        replay::Loop loop = use.loop.recorded;
        for (replay::BatchCost& batch : loop.batches) batch.cpu *= 1 - (1 - left) * use.collate / use.fetch;
        return loop;
    };
    Finding finding;
    finding.gain = gain_of_guess(use.loop, changed, left_of_it, error_of_replay);
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
