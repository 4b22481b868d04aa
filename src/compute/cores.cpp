#include "compute/cores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace headrace::compute {
namespace {

constexpr double slower_at_most = 1.03;
constexpr double busy_beside = 0.15;   // cores, of headrace and of what else the program does
constexpr double memory_margin = 1.2;  // over the peak of the run

// The loop on so many cores; none where its threads would not have one each and fewer were not measured. How many of
// them compute at once on the average says nothing of what fewer would take.
std::optional<replay::Loop> on_cores(const CoresUse& use, unsigned cores) {
    replay::Loop loop = use.recorded;
    if (use.set_threads > cores && loop.configuration.threads > 1) {
        const auto point = std::find_if(use.threads.begin(), use.threads.end(),
                                        [&](const replay::ThreadPoint& one) { return one.threads == cores; });
        if (point == use.threads.end()) return std::nullopt;
        loop = replay::with_threads(std::move(loop), *point);
    }
    loop.cores = loop.cores.first(cores);
    return loop;
}

struct Fewer {
    unsigned cores;
    double slower;  // time of a step on them, of that as recorded
};

std::optional<Fewer> fewest(const CoresUse& use) {
    const double now = replay::mean_step(use.recorded);
    const auto half = static_cast<unsigned>(std::floor(use.recorded.cores.count() / 2));
    for (unsigned cores = 1; cores <= half; ++cores) {
        if (use.busy && *use.busy > cores + busy_beside) continue;
        const std::optional<replay::Loop> loop = on_cores(use, cores);
        const double slower = loop && now > 0 ? replay::mean_step(*loop) / now : slower_at_most + 1;
        if (slower <= slower_at_most) return Fewer{cores, slower};
    }
    return std::nullopt;
}

// The cheapest machine of the table for the run, if it is cheaper than the one it was on.
const MachinePrice* cheaper(const CoresUse& use, const Fewer& fewer) {
    if (use.prices == nullptr || use.machine == nullptr || use.memory_bytes <= 0) return nullptr;
    const MachinePrice* best = nullptr;
    for (const MachinePrice& price : use.prices->machines) {
        if (!suffices(price, *use.machine, fewer.cores, memory_margin * use.memory_bytes)) continue;
        if (price.per_hour * fewer.slower < (best == nullptr ? use.machine : best)->per_hour) best = &price;
    }
    return best;
}

}  // namespace

std::optional<Finding> advise_cores(const CoresUse& use) {
    const std::optional<Fewer> fewer = fewest(use);
    if (!fewer) return std::nullopt;
    const double count = use.recorded.cores.count();
    Finding finding;
    finding.id = "compute.cores";
    finding.area = Area::compute;
    finding.kind = FixKind::by_hand;
    finding.title = fmt::format("{} of {:.3g} usable cores would do", fewer->cores, count);
    finding.evidence =
        fmt::format("On {} the replay of the loop takes {:.2f} times as long", fewer->cores, fewer->slower);
    if (use.busy)
        finding.evidence += fmt::format("; of {:.3g} cores {:.2f} were busy on the average", count, *use.busy);
    finding.evidence += ".";
    if (const MachinePrice* price = cheaper(use, *fewer)) {
        const double hours = use.run_seconds / 3600;
        finding.evidence +=
            fmt::format(" The run costs {:.4g} {} on {}, and would cost {:.4g} on {}.", hours * use.machine->per_hour,
                        use.prices->currency, use.machine->name, hours * fewer->slower * price->per_hour, price->name);
        finding.remedy = fmt::format("Run it on {}, or several of such runs side by side here.", price->name);
    } else {
        finding.remedy = "Run it on a smaller machine, or several of such runs side by side here.";
    }
    return finding;
}

}  // namespace headrace::compute
