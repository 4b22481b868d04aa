#include "audit/learn.h"

#include <cmath>

#include "run/history.h"

namespace headrace::audit {
namespace {

// The seconds saved go with 1 - 1 / ratio, beside what they lose or win whatever the ratio is (filling a cache): so
// each end moves away from the prediction as the end of the ratio does.
void widen(Gain& gain, double scale) {
    const auto part = [](double ratio) { return 1 - 1 / ratio; };
    const Interval before = gain.ratio;
    Interval& seconds = gain.seconds_per_run;
    gain.ratio = run::scaled(before, scale);
    const auto moved = [&](double end, double ratio, double new_ratio) {
        const double was = part(ratio) - part(before.predicted);
        const double now = part(new_ratio) - part(before.predicted);
        return std::abs(was) > 1e-12 ? seconds.predicted + (end - seconds.predicted) * now / was : end;
    };
    seconds.low = moved(seconds.low, before.low, gain.ratio.low);
    seconds.high = moved(seconds.high, before.high, gain.ratio.high);
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
