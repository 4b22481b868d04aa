#include "input/pinning.h"

#include <fmt/format.h>

namespace headrace::input {
namespace {

constexpr double least_transfer = 0.03;  // of the run

}  // namespace

std::optional<Finding> advise_pinning(const TransferUse& use) {
    if (use.pinned || use.seconds < least_transfer * use.run_seconds) return std::nullopt;
    Finding finding;
    finding.id = "input.pinning";
    finding.title = "batches in pinned memory";
    finding.evidence = fmt::format(
        "Copies to the device took {:.1f} s of the training thread, {:.0f} % of the run, from "
        "memory that is not pinned.",
        use.seconds, 100 * use.seconds / use.run_seconds);
    finding.kind = FixKind::by_hand;
    finding.remedy = "Give the training DataLoader pin_memory=True, and copy with .to(device, non_blocking=True).";
    return finding;
}

}  // namespace headrace::input
