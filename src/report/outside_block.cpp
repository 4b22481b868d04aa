// The view from outside: phases as bars of the cores in use, and the processes with most CPU time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/text.h"
#include "report/blocks.h"

namespace headrace::report {
namespace {

constexpr std::size_t what_columns = 11;
constexpr std::size_t span_columns = 22;
constexpr std::size_t cores_columns = 12;
constexpr std::size_t rate_columns = 14;
constexpr double some_io = 1024.0 * 1024.0;  // a second; below this a rate is not worth a figure

Ink ink_of(Activity what) {
    switch (what) {
        case Activity::computing:
            return Ink::green;
        case Activity::reading:
        case Activity::writing:
            return Ink::red;
        case Activity::idle:
            return Ink::dim;
        case Activity::mixed:
            return Ink::yellow;
    }
    return Ink::plain;
}

std::string bytes(double value) { return base::format_bytes(std::isfinite(value) ? std::max(value, 0.0) : 0.0); }

std::string cores(double value) {
    return std::isfinite(value) && std::abs(value) < 1e6 ? fmt::format("{:.2f}", value) : "many";
}

double length(const OutsidePhase& phase) { return phase.end_seconds - phase.begin_seconds; }

// The longest phases where there is no room for all, in the order of time.
std::vector<const OutsidePhase*> chosen_phases(const std::vector<OutsidePhase>& phases, std::size_t most) {
    std::vector<const OutsidePhase*> chosen;
    for (const OutsidePhase& phase : phases) chosen.push_back(&phase);
    if (chosen.size() <= most) return chosen;
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const OutsidePhase* x, const OutsidePhase* y) { return length(*x) > length(*y); });
    chosen.resize(std::max<std::size_t>(most, 2) - 1);  // a line is for the others
    std::sort(chosen.begin(), chosen.end());
    return chosen;
}

Lines summary(const Outside& outside, const Frame& frame) {
    std::string text = fmt::format("Outside view: {} of CPU ({} cores), {} idle", format_time(outside.cpu_seconds),
                                   cores(outside.cores_mean), base::format_percent(outside.idle_share, 0));
    if (outside.read_bytes + outside.written_bytes > 0) {
        text += fmt::format(", {} read, {} written", bytes(static_cast<double>(outside.read_bytes)),
                            bytes(static_cast<double>(outside.written_bytes)));
    }
    Lines lines = wrap(text, frame.columns());
    lines.front() = frame.paint(Ink::bold, lines.front());
    return lines;
}

std::string phase_line(const OutsidePhase& phase, double most_cores, const Frame& frame) {
    std::string line = "  " + base::pad_right(name(phase.what), what_columns);
    line += base::pad_right(fmt::format("{} to {}", format_time(phase.begin_seconds), format_time(phase.end_seconds)),
                            span_columns);
    line += base::pad_left(cores(phase.cpu_cores) + " cores", cores_columns);
    const double io = phase.read_bytes_per_second + phase.written_bytes_per_second;
    const std::string rate = io >= some_io ? bytes(io) + "/s" : "";
    const std::size_t used = 2 + what_columns + span_columns + cores_columns + rate_columns + 2;
    if (frame.columns() > used) {
        line += base::pad_left(rate, rate_columns) + "  ";
        line += frame.paint(ink_of(phase.what), bar(phase.cpu_cores / most_cores, frame.columns() - used));
    }
    while (line.ends_with(' ')) line.pop_back();
    return frame.columns() > used ? line : base::truncate_end(line, frame.columns());
}

Lines phase_lines(const Outside& outside, const Frame& frame, std::size_t most) {
    const std::vector<const OutsidePhase*> chosen = chosen_phases(outside.phases, most);
    double most_cores = 1;  // less than one core never fills the line
    double shown = 0;
    for (const OutsidePhase* phase : chosen) {
        most_cores = std::max(most_cores, phase->cpu_cores);
        shown += length(*phase);
    }
    Lines lines;
    for (const OutsidePhase* phase : chosen) lines.push_back(phase_line(*phase, most_cores, frame));
    if (const std::size_t left = outside.phases.size() - chosen.size(); left > 0) {
        const double whole = outside.phases.back().end_seconds - outside.phases.front().begin_seconds;
        lines.push_back(base::truncate_end(
            fmt::format("  {} shorter phase{}, {} in all", left, left == 1 ? "" : "s", format_time(whole - shown)),
            frame.columns()));
    }
    return lines;
}

Lines process_lines(const Outside& outside, const Frame& frame, std::size_t most) {
    Lines lines;
    for (const OutsideProcess& process : outside.processes) {
        if (lines.size() == most) break;
        // Shells and helpers that did next to nothing are no news.
        if (!lines.empty() && process.cpu_seconds < 0.01 * outside.cpu_seconds) break;
        lines.push_back(
            base::truncate_end(fmt::format("  {} of CPU  {}", base::pad_left(format_time(process.cpu_seconds), 8),
                                           base::printable(process.command)),
                               frame.columns()));
    }
    return lines;
}

// Marked parts: their names are the program's own words for its time.
Lines marked_lines(const Outside& outside, const Frame& frame, std::size_t most) {
    Lines lines;
    for (const MarkedPhase& phase : outside.marked) {
        if (lines.size() == most) break;
        lines.push_back(
            base::truncate_end(fmt::format("  {} in phase {} ({}×)", base::pad_left(format_time(phase.seconds), 8),
                                           base::printable(phase.name), phase.count),
                               frame.columns()));
    }
    return lines;
}

}  // namespace

Lines outside_lines(const Audit& audit, const Frame& frame, std::size_t most) {
    if (audit.trained || !audit.outside) return {};
    Lines lines = summary(*audit.outside, frame);
    const std::size_t few = std::max<std::size_t>(most / 3, 1);
    for (const Lines& block : {phase_lines(*audit.outside, frame, most), process_lines(*audit.outside, frame, few),
                               marked_lines(*audit.outside, frame, few)}) {
        lines.insert(lines.end(), block.begin(), block.end());
    }
    return lines;
}

}  // namespace headrace::report
