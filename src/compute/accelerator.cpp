#include "compute/accelerator.h"

#include <fmt/format.h>

namespace headrace::compute {
namespace {

constexpr double mostly = 0.6;  // of the steps
constexpr double hardly = 0.05;
constexpr double input_at_most = 0.1;  // above it the loader is what is too small

}  // namespace

std::optional<Finding> advise_accelerator(const AcceleratorUse& use) {
    if (use.name.empty() || use.step_seconds <= 0 || use.input_seconds > input_at_most * use.step_seconds) return {};
    const double device = use.device_seconds / use.step_seconds, host = use.host_seconds / use.step_seconds;
    Finding finding;
    if (device >= mostly) {
        finding.title = fmt::format("{} is too small for the step", use.name);
        finding.remedy =
            "The device is what the step waits for: a faster one, a lower precision (compute.precision) or a smaller "
            "model shorten it; loaders and the host do not.";
    } else if (device <= hardly && host >= mostly && use.waits >= use.steps && use.steps > 0) {
        finding.title = fmt::format("{} is too large for the step", use.name);
        finding.remedy =
            "The host does not keep it busy: take a larger batch, fewer and larger operations (torch.compile, CUDA "
            "graphs, fused optimizers), or a smaller device.";
    } else {
        return std::nullopt;
    }
    finding.id = "compute.accelerator";
    finding.area = Area::compute;
    finding.kind = FixKind::by_hand;
    finding.evidence = fmt::format(
        "Of {:.1f} s in {} steps the host waited {:.1f} s for the device ({:.0f} %), in {} waits, and computed or "
        "asked "
        "for work for {:.1f} s; {:.1f} s were spent waiting for input.",
        use.step_seconds, use.steps, use.device_seconds, 100 * device, use.waits, use.host_seconds, use.input_seconds);
    return finding;
}

}  // namespace headrace::compute
