// The ledger and the stages of the wait for input, as bars.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/text.h"
#include "report/blocks.h"

namespace headrace::report {
namespace {

constexpr std::size_t name_columns = 20;
constexpr std::size_t percent_columns = 8;
constexpr std::size_t time_columns = 12;
constexpr double smallest_shown = 0.001;

struct Row {
    std::string name;
    double seconds = 0;
    Ink ink = Ink::plain;
    std::size_t indent = 0;
};

double positive(double seconds) { return std::isfinite(seconds) ? std::max(seconds, 0.0) : 0.0; }

double total(const Ledger& ledger) {
    return std::accumulate(ledger.seconds.begin(), ledger.seconds.end(), 0.0,
                           [](double sum, double seconds) { return sum + positive(seconds); });
}

Ink ink_of(Entry entry) {
    switch (entry) {
        case Entry::input_wait:
            return Ink::red;
        case Entry::compute_forward:
        case Entry::compute_backward:
        case Entry::compute_optimizer:
        case Entry::compute_device_wait:
            return Ink::green;
        case Entry::startup_launch:
        case Entry::startup_imports:
        case Entry::startup_setup:
        case Entry::startup_workers:
        case Entry::startup_first_step:
            return Ink::blue;
        case Entry::evaluation:
            return Ink::cyan;
        case Entry::unattributed:
            return Ink::dim;
        default:
            return Ink::yellow;
    }
}

// The entries that get a row of their own: those of 0.1 % or more, and of these the largest where `most` is short.
std::vector<std::size_t> chosen_entries(const Ledger& ledger, double whole, std::size_t most) {
    std::vector<std::size_t> chosen;
    std::size_t present = 0;
    for (std::size_t i = 0; i + 1 < entry_count; ++i) {
        if (positive(ledger.seconds[i]) > 0) ++present;
        if (positive(ledger.seconds[i]) >= smallest_shown * whole && ledger.seconds[i] > 0) chosen.push_back(i);
    }
    const bool others = chosen.size() < present;
    if (chosen.size() + (others ? 2 : 1) <= most) return chosen;
    std::stable_sort(chosen.begin(), chosen.end(),
                     [&](std::size_t left, std::size_t right) { return ledger.seconds[left] > ledger.seconds[right]; });
    chosen.resize(most > 2 ? most - 2 : 1);
    std::sort(chosen.begin(), chosen.end());
    return chosen;
}

std::vector<Row> ledger_rows(const Ledger& ledger, double whole, std::size_t most) {
    std::vector<Row> rows;
    const std::vector<std::size_t> chosen = chosen_entries(ledger, whole, most);
    double rest = 0;
    std::size_t folded = 0;
    for (std::size_t i = 0; i + 1 < entry_count; ++i) {
        const double seconds = positive(ledger.seconds[i]);
        const auto entry = static_cast<Entry>(i);
        if (std::binary_search(chosen.begin(), chosen.end(), i)) {
            rows.push_back({std::string(name(entry)), seconds, ink_of(entry)});
        } else if (seconds > 0) {
            rest += seconds;
            ++folded;
        }
    }
    if (folded > 0) rows.push_back({fmt::format("others ({})", folded), rest, Ink::dim});
    rows.push_back({std::string(name(Entry::unattributed)), positive(ledger.seconds.back()), Ink::dim});
    return rows;
}

// `per_second` is the share of a whole bar that a second takes.
Lines draw(const std::vector<Row>& rows, double per_second, const Frame& frame) {
    std::vector<double> parts;
    for (const Row& row : rows) parts.push_back(row.seconds);
    const std::vector<int> tenths = tenths_of_percent(parts);
    const std::size_t left = name_columns + percent_columns + time_columns + 2;
    const std::size_t room = frame.columns() > left ? frame.columns() - left : 0;
    Lines lines;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Row& row = rows[i];
        std::string line = base::pad_right(std::string(row.indent, ' ') + row.name, name_columns) +
                           base::pad_left(format_tenths(tenths[i]), percent_columns) +
                           base::pad_left(format_time(row.seconds), time_columns);
        const std::string drawn = bar(row.seconds * per_second, room);
        if (!drawn.empty()) line += "  " + frame.paint(row.ink, drawn);
        lines.push_back(std::move(line));
    }
    return lines;
}

// One scale for the ledger and the stages of the wait, so that their bars can be compared.
double scale(const std::vector<Row>& rows) {
    double longest = 0;
    for (const Row& row : rows) longest = std::max(longest, row.seconds);
    return longest > 0 ? 1 / longest : 0;
}

}  // namespace

const Ledger& shown_ledger(const Audit& audit) noexcept {
    static const Ledger nothing;
    return audit.ranks.empty() ? nothing : audit.ranks.front();
}

Lines ledger_lines(const Audit& audit, const Frame& frame, std::size_t most) {
    const Ledger& ledger = shown_ledger(audit);
    const double whole = total(ledger);
    if (!(whole > 0)) return {};
    const std::vector<Row> rows = ledger_rows(ledger, whole, most);
    return draw(rows, scale(rows), frame);
}

Lines wait_lines(const Audit& audit, const Frame& frame, std::size_t most) {
    const Ledger& ledger = shown_ledger(audit);
    const double wait = positive(ledger.seconds[static_cast<std::size_t>(Entry::input_wait)]);
    const double whole = total(ledger);
    if (!(wait > 0) || wait < smallest_shown * whole) return {};
    std::vector<Row> rows;
    for (std::size_t i = 0; i < stage_count; ++i) {
        const double seconds = positive(ledger.wait_seconds[i]);
        if (seconds >= smallest_shown * wait) {
            rows.push_back({std::string(name(static_cast<Stage>(i))), seconds, Ink::red, 2});
        }
    }
    if (rows.empty()) return {};
    Lines lines = {frame.paint(Ink::bold, "input.wait by cause")};
    const Lines drawn = draw(rows, scale(ledger_rows(ledger, whole, most)), frame);
    lines.insert(lines.end(), drawn.begin(), drawn.end());
    return lines;
}

}  // namespace headrace::report
