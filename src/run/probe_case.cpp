#include <algorithm>
#include <cmath>

#include "headrace/probe.h"

namespace headrace {
namespace {

constexpr const char* as_it_is = "float32";

// The case with all that `wanted` says of its conditions.
const ProbeCase* find(const Probe& probe, const ProbeCase& wanted) {
    const auto found = std::find_if(probe.cases.begin(), probe.cases.end(), [&](const ProbeCase& one) {
        return one.loader_running == wanted.loader_running && one.threads == wanted.threads &&
               one.batch_size == wanted.batch_size && one.precision == wanted.precision &&
               one.channels_last == wanted.channels_last;
    });
    return found == probe.cases.end() ? nullptr : &*found;
}

ProbeCase as_program(const Probe& probe) {
    ProbeCase own;
    own.threads = probe.threads;
    own.batch_size = probe.batch_size;
    own.precision = as_it_is;
    return own;
}

constexpr double normal_quantile = 1.6448536269514722;  // of the end of a 90 % interval

// Blocks of a second or two see less of a machine's moods than a whole run.
constexpr double least_spread = 0.01;

double spread_of(double low, double high) {
    if (low <= 0) return least_spread;
    return std::max(least_spread, std::log(high / low) / (2 * normal_quantile));
}

}  // namespace

const ProbeCase* own_case(const Probe& probe) { return find(probe, as_program(probe)); }

const ProbeCase* case_of_batch(const Probe& probe, std::uint64_t batch_size) {
    ProbeCase wanted = as_program(probe);
    wanted.batch_size = batch_size;
    return find(probe, wanted);
}

const ProbeCase* case_of_precision(const Probe& probe, const std::string& precision) {
    ProbeCase wanted = as_program(probe);
    wanted.precision = precision;
    return find(probe, wanted);
}

const ProbeCase* case_of_channels_last(const Probe& probe) {
    ProbeCase wanted = as_program(probe);
    wanted.channels_last = true;
    return find(probe, wanted);
}

const ProbeCase* case_of_threads(const Probe& probe, bool loader_running, std::uint64_t threads) {
    ProbeCase wanted = as_program(probe);
    wanted.loader_running = loader_running;
    wanted.threads = threads;
    return find(probe, wanted);
}

std::optional<StepChange> change_of(const Probe& probe, const ProbeCase* changed) {
    const ProbeCase* own = own_case(probe);
    if (own == nullptr || changed == nullptr || own->median <= 0) return std::nullopt;
    if (const std::optional<Relative>& ratio = changed->of_others) {
        return StepChange{ratio->median, spread_of(ratio->low, ratio->high)};
    }
    return StepChange{changed->median / own->median,
                      std::hypot(spread_of(own->low, own->high), spread_of(changed->low, changed->high))};
}

}  // namespace headrace
