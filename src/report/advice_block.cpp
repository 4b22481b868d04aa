// What fixes would win, and the ceilings.
#include <fmt/format.h>

#include <cmath>
#include <sstream>
#include <vector>

#include "base/text.h"
#include "report/blocks.h"

namespace headrace::report {
namespace {

// "14 s" or, of what is lost, "-3 s".
std::string saved(double seconds) { return (seconds < 0 ? "-" : "") + format_time(std::abs(seconds)); }

std::string gain_words(const Gain& gain) {
    const Interval& ratio = gain.ratio;
    const Interval& seconds = gain.seconds_per_run;
    if (ratio.low == 1 && ratio.high == 1) {  // what it saves lies outside the steps
        return fmt::format("predicted {} less a run ({} to {})", saved(seconds.predicted), saved(seconds.low),
                           saved(seconds.high));
    }
    return fmt::format("predicted {}x samples/s ({} to {}), {} less a run ({} to {})", format_figure(ratio.predicted),
                       format_figure(ratio.low), format_figure(ratio.high), saved(seconds.predicted),
                       saved(seconds.low), saved(seconds.high));
}

std::string measured_words(const Finding& finding) {
    const std::optional<Interval>& measured = finding.measured;
    if (!measured) return can_be_tried(finding) ? "; not tried" : "";
    return fmt::format("; measured {}x ({} to {})", format_figure(measured->predicted), format_figure(measured->low),
                       format_figure(measured->high));
}

Lines finding_lines(const Audit& audit, const Finding& finding, bool first, const Frame& frame) {
    std::string text = fmt::format("{}: {}", finding.id, finding.title);
    if (finding.gain) text += "; " + gain_words(*finding.gain) + measured_words(finding);
    Lines lines = labelled(first ? "Findings" : "", base::printable(text), frame);
    const auto add = [&](const std::string& more) {
        for (const std::string& line : labelled("", base::printable(more), frame)) lines.push_back(line);
    };
    // The whole remedy is in report.json: of a screen, one line for each finding is what there is room for.
    if (finding.loader && finding.kind == FixKind::loader) {
        add(fmt::format("{}:{}  {}", short_path(finding.loader->file, audit.run.directory), finding.loader->line,
                        as_arguments(finding.fix)));
    } else {
        std::istringstream remedy(finding.remedy);
        for (std::string line; std::getline(remedy, line);) add(line);
    }
    return lines;
}

Lines findings(const Audit& audit, const Frame& frame) {
    if (!audit.prediction.valid && audit.findings.empty()) {
        return labelled("Findings", base::printable(audit.prediction.reason), frame);
    }
    if (audit.findings.empty()) {
        return labelled("Findings", "none: nothing that was looked at is predicted to win 5 %", frame);
    }
    Lines lines;
    for (const Finding& finding : audit.findings) {
        for (const std::string& line : finding_lines(audit, finding, lines.empty(), frame)) lines.push_back(line);
    }
    if (!audit.prediction.valid) {
        for (const std::string& line : labelled("", base::printable(audit.prediction.reason), frame)) {
            lines.push_back(line);
        }
    }
    return lines;
}

Lines ceilings(const Audit& audit, const Frame& frame) {
    std::vector<std::string> words;
    for (const Ceiling& ceiling : audit.ceilings) {
        words.push_back(fmt::format("{} {}", base::printable(ceiling.name), format_figure(ceiling.samples_per_second)));
    }
    if (words.empty()) return {};
    return labelled("Ceilings", fmt::format("{} samples/s", fmt::join(words, ", ")), frame);
}

}  // namespace

Lines advice_lines(const Audit& audit, const Frame& frame, std::size_t most) {
    if (!audit.trained || (!audit.prediction.valid && audit.prediction.reason.empty())) return {};
    Lines lines = findings(audit, frame);
    for (const std::string& line : ceilings(audit, frame)) lines.push_back(line);
    if (lines.size() > most) {
        lines.resize(most);
        lines.back() = "           …: see report.json of the run";
    }
    return lines;
}

}  // namespace headrace::report
