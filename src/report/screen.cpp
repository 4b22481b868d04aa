#include "report/screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/text.h"
#include "base/utf8.h"

namespace headrace::report {
namespace {

constexpr int narrowest = 40;  // below this nothing of use fits into a line

constexpr std::array<std::string_view, 8> eighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

std::string_view escape_of(Ink ink) {
    switch (ink) {
        case Ink::plain:
            return "";
        case Ink::bold:
            return "\x1b[1m";
        case Ink::dim:
            return "\x1b[2m";
        case Ink::red:
            return "\x1b[31m";
        case Ink::green:
            return "\x1b[32m";
        case Ink::yellow:
            return "\x1b[33m";
        case Ink::blue:
            return "\x1b[34m";
        case Ink::cyan:
            return "\x1b[36m";
    }
    return "";
}

// What stands for a character where only ASCII can be shown. An ellipsis becomes what a shell writes for "anything".
std::string ascii_of(char32_t code) {
    if (code >= U'█' && code <= U'▌') return "#";  // a whole column down to half of one
    if (code >= U'▍' && code <= U'▏') return ".";
    switch (code) {
        case U'─':
            return "-";
        case U'·':
            return "-";
        case U'…':
            return "*";
        case U'µ':
            return "u";
        case U'✓':
            return "+";
        case U'✗':
            return "x";
        default:
            return std::string(base::columns_of(code), '?');
    }
}

}  // namespace

Frame::Frame(const TextStyle& style)
    : colour_(style.colour), columns_(static_cast<std::size_t>(std::max(style.columns, narrowest))) {}

std::string Frame::paint(Ink ink, std::string_view text) const {
    if (!colour_ || ink == Ink::plain || text.empty()) return std::string(text);
    return fmt::format("{}{}\x1b[0m", escape_of(ink), text);
}

std::string bar(double share, std::size_t columns) {
    if (!(share > 0) || columns == 0) return "";
    const double wanted = std::min(share, 1.0) * static_cast<double>(columns) * 8;
    const auto parts = static_cast<std::size_t>(std::max(1.0, std::round(wanted)));
    std::string text;
    for (std::size_t i = 0; i < parts / 8; ++i) text += "█";
    text += eighths[parts % 8];
    return text;
}

Lines wrap(std::string_view text, std::size_t columns) {
    Lines lines;
    std::string line;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (word.empty()) continue;
        const std::size_t needed = base::display_width(line) + (line.empty() ? 0 : 1) + base::display_width(word);
        if (needed > columns && !line.empty()) lines.push_back(std::exchange(line, ""));
        if (!line.empty()) line += ' ';
        line += base::truncate_end(word, columns);
    }
    if (!line.empty()) lines.push_back(line);
    return lines;
}

Lines labelled(std::string_view label, std::string_view text, const Frame& frame) {
    Lines lines = wrap(text, frame.columns() - label_columns);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::string left = base::pad_right(i == 0 ? label : "", label_columns);
        lines[i] = frame.paint(Ink::bold, left) + lines[i];
    }
    return lines;
}

std::string to_ascii(std::string_view text) {
    std::string ascii;
    ascii.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const base::CodePoint point = base::decode_utf8(text, at);
        if (point.valid && point.value < 0x80) {
            ascii += static_cast<char>(point.value);
        } else {
            ascii += point.valid ? ascii_of(point.value) : "?";
        }
        at += point.length;
    }
    return ascii;
}

std::vector<int> tenths_of_percent(const std::vector<double>& parts) {
    std::vector<double> exact(parts.size());
    std::transform(parts.begin(), parts.end(), exact.begin(),
                   [](double part) { return std::isfinite(part) ? std::max(part, 0.0) : 0.0; });
    const double whole = std::accumulate(exact.begin(), exact.end(), 0.0);
    std::vector<int> tenths(parts.size(), 0);
    if (!(whole > 0) || !std::isfinite(whole)) return tenths;

    for (double& part : exact) part = part / whole * 1000;
    std::transform(exact.begin(), exact.end(), tenths.begin(), [](double part) { return static_cast<int>(part); });
    std::vector<std::size_t> order(parts.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
        return exact[left] - tenths[left] > exact[right] - tenths[right];
    });
    int missing = 1000 - std::accumulate(tenths.begin(), tenths.end(), 0);
    for (std::size_t i = 0; missing > 0 && i < order.size(); ++i, --missing) ++tenths[order[i]];
    return tenths;
}

std::string rule(std::string_view words, const Frame& frame) {
    std::string line = base::truncate_end("── " + std::string(words), frame.columns() - 4) + " ";
    while (base::display_width(line) < frame.columns()) line += "─";
    return line;
}

std::string as_text(const Lines& lines, const TextStyle& style) {
    std::string text;
    for (const std::string& line : lines) {
        text += line;
        text += '\n';
    }
    return style.ascii ? to_ascii(text) : text;
}

std::string format_time(double seconds) {
    constexpr double longest = 1e10;  // 300 years
    if (std::isfinite(seconds) && std::abs(seconds) > longest) return fmt::format("{:.1e} s", seconds);
    return base::format_seconds(seconds);
}

std::string format_figure(double value) {
    if (!std::isfinite(value)) return "unknown";
    const double size = std::abs(value);
    if (size >= 1e15) return fmt::format("{:.3g}", value);
    if (size >= 999.5) return base::format_count(std::llround(value));
    return fmt::format("{:.{}f}", value, size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

std::string format_tenths(int tenths) { return fmt::format("{}.{} %", tenths / 10, tenths % 10); }

std::string short_path(const std::string& file, const std::string& directory) {
    const std::string inside = directory + "/";
    if (!directory.empty() && file.starts_with(inside)) return base::printable(file.substr(inside.size()));
    return base::printable(file);
}

}  // namespace headrace::report
