#include "audit/learn.h"

#include <cmath>

#include "run/history.h"

namespace headrace::audit {
namespace {

// The seconds saved go with the ratio: what the loop takes, times 1 - 1 / ratio.
void widen(Gain& gain, double scale) {
    const auto part = [](double ratio) { return 1 - 1 / ratio; };
    const double whole = part(gain.ratio.predicted);
    const double loop = std::abs(whole) > 1e-9 ? gain.seconds_per_run.predicted / whole : 0;
    gain.ratio = run::scaled(gain.ratio, scale);
    gain.seconds_per_run.low = loop * part(gain.ratio.low);
    gain.seconds_per_run.high = loop * part(gain.ratio.high);
}

}  // namespace

void learn(Audit& audit, const std::filesystem::path& home) {
    if (audit.findings.empty()) return;
    const run::IntervalScales scales = run::interval_scales(home, audit.run.started);
    for (Finding& finding : audit.findings) {
        const auto scale = scales.find(run::kind_of(finding.id));
        if (!finding.gain || scale == scales.end()) continue;
        widen(*finding.gain, scale->second);
        finding.interval_scale = scale->second;
    }
}

void add_trials(Audit& audit, const std::vector<Trial>& trials) {
    for (const Trial& trial : trials) {
        for (Finding& finding : audit.findings) {
            if (trial.fixes == std::vector<std::string>{finding.id}) finding.measured = trial.measured;
        }
    }
}

}  // namespace headrace::audit
