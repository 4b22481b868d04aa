#include "compute/faster_steps.h"

#include <fmt/format.h>

namespace headrace::compute {
namespace {

constexpr const char* bfloat16 = "bfloat16";

// A finding with its gain and its figures, where steps in `changed` are worth one.
std::optional<Finding> worthwhile(const StepUse& use, const ProbeCase* changed, const char* how) {
    const std::optional<StepChange> step = change_of(use.probe, changed);
    if (!step || step->factor >= 1) return std::nullopt;
    Finding finding;
    finding.area = Area::compute;
    finding.gain = gain_of(use, *step, [&](double factor) { return with_steps(use.recorded, factor); });
    if (finding.gain->ratio.predicted < worth_a_finding) return std::nullopt;
    finding.evidence = fmt::format("On batches in memory a step takes {:.2f} ms {}, and {:.2f} ms as it is.",
                                   changed->median * 1e3, how, own_case(use.probe)->median * 1e3);
    return finding;
}

}  // namespace

std::optional<Finding> advise_precision(const StepUse& use) {
    std::optional<Finding> finding = worthwhile(use, case_of_precision(use.probe, bfloat16), "under bfloat16 autocast");
    if (!finding) return std::nullopt;
    finding->id = "compute.precision";
    finding->title = "bfloat16 autocast";
    finding->kind = FixKind::autocast;
    finding->fix.precision = bfloat16;
    finding->changes = Changes::numerics;
    finding->remedy = fmt::format(
        "Run the forward and the loss inside with torch.autocast(\"{}\", dtype=torch.bfloat16), the backward and the "
        "optimizer outside of it, and compare the results.",
        use.accelerator ? "cuda" : "cpu");
    return finding;
}

std::optional<Finding> advise_channels_last(const StepUse& use) {
    std::optional<Finding> finding =
        worthwhile(use, case_of_channels_last(use.probe), "with the convolutions' weights in channels_last");
    if (!finding) return std::nullopt;
    finding->id = "compute.channels_last";
    finding->title = "convolutions in the channels_last memory format";
    finding->kind = FixKind::by_hand;
    finding->changes = Changes::rounding;
    finding->remedy =
        "Call model.to(memory_format=torch.channels_last) before the optimizer is made, and give the model its images "
        "by images.to(memory_format=torch.channels_last).";
    return finding;
}

}  // namespace headrace::compute
