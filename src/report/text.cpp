#include <fmt/format.h>

#include <array>
#include <cstddef>

#include "headrace/report.h"
#include "report/blocks.h"
#include "report/screen.h"

namespace headrace {
namespace {

constexpr std::size_t screen_lines = 40;

// How much each block may take. The roomiest that fits on the screen is shown.
struct Density {
    std::size_t ledger;
    std::size_t outside;
    std::size_t hot;
    std::size_t findings;
    std::size_t limits;
    std::size_t gaps;  // so many blocks from the top have an empty line before them
};
constexpr std::array<Density, 10> densities = {{
    {18, 12, 6, 12, 8, 6},
    {18, 9, 6, 12, 6, 6},
    {18, 6, 6, 10, 4, 6},
    {18, 6, 6, 8, 3, 3},
    {18, 4, 4, 7, 2, 3},
    {18, 4, 4, 6, 2, 2},
    {18, 3, 3, 6, 2, 2},
    {14, 3, 3, 5, 2, 2},
    {12, 3, 2, 5, 1, 1},
    {10, 3, 2, 4, 1, 0},
}};

report::Lines compose(const Audit& audit, const report::Frame& frame, const Density& density) {
    const std::array<report::Lines, 8> blocks = {{
        report::title_lines(audit, frame),
        report::headline_lines(audit, frame),
        report::ledger_lines(audit, frame, density.ledger),
        report::wait_lines(audit, frame, density.ledger),
        report::outside_lines(audit, frame, density.outside),
        report::hot_lines(audit, frame, density.hot),
        report::fact_lines(audit, frame),
        report::advice_lines(audit, frame, density.findings),
    }};
    report::Lines lines;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (i > 0 && i <= density.gaps && !blocks[i].empty()) lines.emplace_back();
        lines.insert(lines.end(), blocks[i].begin(), blocks[i].end());
    }
    for (const report::Lines& block :
         {report::limit_lines(audit, frame, density.limits), report::next_lines(audit, frame)}) {
        lines.insert(lines.end(), block.begin(), block.end());
    }
    return lines;
}

}  // namespace

std::string render_text(const Audit& audit, const TextStyle& style) {
    const report::Frame frame(style);
    report::Lines lines;
    for (const Density& density : densities) {
        lines = compose(audit, frame, density);
        if (lines.size() <= screen_lines) break;
    }
    if (lines.size() > screen_lines) lines.resize(screen_lines);  // only on a very narrow screen
    return report::as_text(lines, style);
}

}  // namespace headrace
