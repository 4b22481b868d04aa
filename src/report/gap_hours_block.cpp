// Where the run-hours went, as bars.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "report/gap_blocks.h"

namespace headrace::report {
namespace {

constexpr std::size_t entry_columns = 20, share_columns = 8, hours_columns = 12;
constexpr double smallest_entry = 0.001;

struct HoursRow {
    std::string name;
    double seconds = 0;
    Ink ink = Ink::plain;
};

Ink ink_of_gap_entry(std::size_t entry) {
    if (entry >= entry_count) return Ink::red;
    switch (static_cast<Entry>(entry)) {
        case Entry::compute_forward:
        case Entry::compute_backward:
        case Entry::compute_optimizer:
        case Entry::compute_device_wait:
            return Ink::green;
        case Entry::evaluation:
            return Ink::cyan;
        case Entry::unattributed:
            return Ink::dim;
        default:
            return Ink::yellow;
    }
}

// The entries that get a row of their own, in their order.
std::vector<std::size_t> entries_with_a_row(const Gap& gap, std::size_t most) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < gap_entry_count; ++i) {
        if (gap.seconds[i] > 0 && gap.seconds[i] >= smallest_entry * gap.run_seconds) chosen.push_back(i);
    }
    if (chosen.size() > most - 1) {
        std::stable_sort(chosen.begin(), chosen.end(),
                         [&](std::size_t x, std::size_t y) { return gap.seconds[x] > gap.seconds[y]; });
        chosen.resize(most - 1);
        std::sort(chosen.begin(), chosen.end());
    }
    return chosen;
}

std::vector<HoursRow> hours_rows(const Gap& gap, std::size_t most) {
    const std::vector<std::size_t> chosen = entries_with_a_row(gap, most);
    std::vector<HoursRow> rows;
    HoursRow others{"", 0, Ink::dim};
    std::size_t folded = 0;
    for (std::size_t i = 0; i < gap_entry_count; ++i) {
        if (std::binary_search(chosen.begin(), chosen.end(), i)) {
            rows.push_back({std::string(gap_entry_name(i)), gap.seconds[i], ink_of_gap_entry(i)});
        } else if (gap.seconds[i] > 0) {
            others.seconds += gap.seconds[i];
            ++folded;
        }
    }
    others.name = fmt::format("others ({})", folded);
    if (folded > 0) rows.push_back(std::move(others));
    return rows;
}

}  // namespace

std::string format_hours(double seconds) { return format_figure(seconds / 3600) + " h"; }

Lines gap_hours_lines(const Gap& gap, const Frame& frame, std::size_t most) {
    const std::vector<HoursRow> rows = hours_rows(gap, most);
    std::vector<double> parts;
    for (const HoursRow& row : rows) parts.push_back(row.seconds);
    if (parts.empty()) return {};
    const std::vector<int> tenths = tenths_of_percent(parts);
    const double longest = *std::max_element(parts.begin(), parts.end());
    const std::size_t left = entry_columns + share_columns + hours_columns + 2;
    const std::size_t room = frame.columns() > left ? frame.columns() - left : 0;
    Lines lines = {frame.paint(Ink::bold, "Where the run-hours went")};
    for (std::size_t i = 0; i < rows.size(); ++i) {
        std::string line = base::pad_right(rows[i].name, entry_columns) +
                           base::pad_left(format_tenths(tenths[i]), share_columns) +
                           base::pad_left(format_hours(rows[i].seconds), hours_columns);
        const std::string drawn = bar(rows[i].seconds / longest, room);
        if (!drawn.empty()) line += "  " + frame.paint(rows[i].ink, drawn);
        lines.push_back(std::move(line));
    }
    return lines;
}

}  // namespace headrace::report
