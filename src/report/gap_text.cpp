#include <algorithm>
#include <array>
#include <cstddef>

#include "base/text.h"
#include "headrace/report.h"
#include "report/gap_blocks.h"

namespace headrace {
namespace {

constexpr std::size_t gap_screen_lines = 50;

// How much each block may take. The roomiest that fits on the screen is shown.
struct GapDensity {
    std::size_t hours;
    std::size_t weeks;
    std::size_t fixes;
};
constexpr std::array<GapDensity, 4> gap_densities = {{{18, 8, 3}, {14, 6, 2}, {10, 4, 1}, {6, 2, 1}}};

report::Lines compose_gap(const Gap& gap, const report::Frame& frame, const GapDensity& density) {
    report::Lines lines;
    for (const report::Lines& block :
         {report::gap_headline_lines(gap, frame), report::gap_hours_lines(gap, frame, density.hours),
          report::gap_trend_lines(gap, frame, density.weeks), report::gap_fact_lines(gap, frame),
          report::gap_fix_lines(gap, frame, density.fixes)}) {
        if (!lines.empty() && !block.empty()) lines.emplace_back();
        lines.insert(lines.end(), block.begin(), block.end());
    }
    lines.push_back(frame.paint(report::Ink::bold, base::pad_right("Next", report::label_columns)) +
                    base::printable(gap.next));
    return lines;
}

}  // namespace

std::string render_text(const Gap& gap, const TextStyle& style) {
    const report::Frame frame(style);
    report::Lines lines;
    for (const GapDensity& density : gap_densities) {
        lines = compose_gap(gap, frame, density);
        if (lines.size() <= gap_screen_lines) break;
    }
    if (lines.size() > gap_screen_lines) {  // only on a very narrow screen; the next command stays
        lines.erase(lines.end() - 1 - static_cast<std::ptrdiff_t>(lines.size() - gap_screen_lines), lines.end() - 1);
    }
    return report::as_text(lines, style);
}

}  // namespace headrace
