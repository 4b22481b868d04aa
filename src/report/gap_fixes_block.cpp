// Whether results rise, what would give more of them, and what was tried.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/text.h"
#include "report/gap_blocks.h"

namespace headrace::report {
namespace {

std::string with_sign(double value) { return (value < 0 ? "-" : "+") + format_figure(std::abs(value)); }

// The largest entry of a week, and what of it gave nothing.
std::string week_shares(const GapWeek& week) {
    const auto largest = std::max_element(week.seconds.begin(), week.seconds.end());
    double lost = 0;
    for (std::size_t entry = entry_count; entry < gap_entry_count; ++entry) {
        if (gap_entry_name(entry) != name(RunClass::comparison)) lost += week.seconds[entry];
    }
    return fmt::format("{} {}, {} lost", base::format_percent(*largest / week.run_seconds, 0),
                       gap_entry_name(static_cast<std::size_t>(largest - week.seconds.begin())),
                       base::format_percent(lost / week.run_seconds, 0));
}

std::string week_words(const GapWeek& week) {
    const std::string words = fmt::format("to {} {:>5} results {:>9}", week.end.substr(0, week.end.find('T')),
                                          week.results, format_hours(week.run_seconds));
    return week.run_seconds > 0 ? words + "  " + week_shares(week) : words;
}

std::string trend_words(const GapTrend& trend) {
    if (!trend.change) return "too few whole weeks to tell a trend: four are needed";
    const Interval& change = *trend.change;
    const std::string figures = fmt::format("{} results a week from one week to the next ({} to {})",
                                            with_sign(change.predicted), with_sign(change.low), with_sign(change.high));
    switch (trend.verdict) {
        case TrendVerdict::rising:
            return "rising: " + figures;
        case TrendVerdict::falling:
            return "falling: " + figures;
        default:
            return "no trend can be told: " + figures;
    }
}

std::string open_words(const OpenFinding& open) {
    const std::size_t slash = open.program.rfind('/');
    const std::string program = slash == std::string::npos ? open.program : open.program.substr(slash + 1);
    std::string words = fmt::format("{}: {}", base::printable(program), base::printable(open.finding));
    if (!open.arguments.empty()) words += fmt::format(" ({})", base::printable(open.arguments));
    return words + fmt::format(", {} less a run, {} at the least; {}", format_time(open.seconds_per_run.likely),
                               format_time(open.seconds_per_run.low), open.proven ? "proven by a trial" : "not tried");
}

std::string gain_of_all(const Gap& gap) {
    if (!gap.open_results_per_week) return "";
    const Saving& more = *gap.open_results_per_week;
    return fmt::format(
        "{} results a week, {} at the least, with as many run-hours a week as now: an upper view, true where run time "
        "is what limits",
        with_sign(more.likely), with_sign(more.low));
}

std::string gap_ratio(const Interval& interval) {
    return fmt::format("{}x ({} to {})", format_figure(interval.predicted), format_figure(interval.low),
                       format_figure(interval.high));
}

std::string fix_words(const TriedFix& fix) {
    std::string words = base::printable(fix.fix) + ": ";
    words += fix.predicted ? "predicted " + gap_ratio(*fix.predicted) : "nothing predicted";
    words += ", measured " + gap_ratio(fix.measured);
    if (fix.inside) words += *fix.inside ? ", inside" : ", outside";
    return words;
}

std::string fixes_summary(const std::vector<TriedFix>& fixes) {
    const auto predicted =
        std::count_if(fixes.begin(), fixes.end(), [](const auto& fix) { return fix.inside.has_value(); });
    const auto inside =
        std::count_if(fixes.begin(), fixes.end(), [](const auto& fix) { return fix.inside.value_or(false); });
    if (fixes.empty() || predicted == 0) return "";
    return fmt::format("{} of {} measured inside the predicted interval", inside, predicted);
}

void add_labelled(Lines& lines, std::string_view label, const std::string& text, const Frame& frame) {
    for (std::string& line : labelled(label, text, frame)) lines.push_back(std::move(line));
}

}  // namespace

Lines gap_trend_lines(const Gap& gap, const Frame& frame, std::size_t most) {
    Lines lines;
    const std::vector<GapWeek>& weeks = gap.trend.weeks;
    for (std::size_t i = weeks.size() - std::min(weeks.size(), most); i < weeks.size(); ++i) {
        const std::string label = base::pad_right(lines.empty() ? "Weeks" : "", label_columns);
        lines.push_back(frame.paint(Ink::bold, label) +
                        base::truncate_end(week_words(weeks[i]), frame.columns() - label_columns));
    }
    add_labelled(lines, "Trend", trend_words(gap.trend), frame);
    return lines;
}

Lines gap_fix_lines(const Gap& gap, const Frame& frame, std::size_t most) {
    Lines lines;
    const std::string all = gain_of_all(gap);
    if (!all.empty()) add_labelled(lines, "Open", all, frame);
    for (std::size_t i = 0; i < std::min(gap.open.size(), most); ++i) {
        add_labelled(lines, lines.empty() ? "Open" : "", open_words(gap.open[i]), frame);
    }
    if (gap.open.size() > most) {
        add_labelled(lines, "", fmt::format("and other programs, {}: see --json", gap.open.size() - most), frame);
    }
    const std::size_t before = lines.size();
    const std::size_t first = gap.fixes.size() - std::min(gap.fixes.size(), most);
    for (std::size_t i = first; i < gap.fixes.size(); ++i) {
        add_labelled(lines, lines.size() == before ? "Tried" : "", fix_words(gap.fixes[i]), frame);
    }
    if (const std::string summary = fixes_summary(gap.fixes); !summary.empty()) add_labelled(lines, "", summary, frame);
    return lines;
}

}  // namespace headrace::report
