#include "base/text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/utf8.h"

namespace headrace::base {

namespace {

constexpr std::string_view ellipsis = "…";

// Rounds before the unit is chosen, so that 59.96 s is "1 min 00 s" and never "60.0 s".
std::string format_long(double seconds) {
    const double whole = std::round(seconds);
    if (whole < 3600) return fmt::format("{:.0f} min {:02.0f} s", std::floor(whole / 60), std::fmod(whole, 60));
    const double minutes = std::round(seconds / 60);
    if (minutes < 48 * 60)
        return fmt::format("{:.0f} h {:02.0f} min", std::floor(minutes / 60), std::fmod(minutes, 60));
    const double hours = std::round(seconds / 3600);
    return fmt::format("{:.0f} d {:02.0f} h", std::floor(hours / 24), std::fmod(hours, 24));
}

std::string format_positive(double seconds) {
    struct Unit {
        double scale;
        std::string_view name;
    };
    constexpr std::array<Unit, 3> units{{{1e9, "ns"}, {1e6, "µs"}, {1e3, "ms"}}};
    for (const Unit& unit : units) {
        const double value = seconds * unit.scale;
        if (value < 9.95) return fmt::format("{:.{}f} {}", value, unit.scale == 1e9 ? 0 : 1, unit.name);
        if (value < 999.5) return fmt::format("{:.0f} {}", value, unit.name);
    }
    if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
    return format_long(seconds);
}

std::string escape(const CodePoint& point) {
    if (point.valid) {
        if (point.value == '\n') return "\\n";
        if (point.value == '\r') return "\\r";
        if (point.value == '\t') return "\\t";
    }
    const auto value = static_cast<unsigned>(point.value);
    return value < 0x80 || !point.valid ? fmt::format("\\x{:02x}", value) : fmt::format("\\u{:04x}", value);
}

std::string spaces_for(std::string_view text, std::size_t columns) {
    const std::size_t width = display_width(text);
    return std::string(width < columns ? columns - width : 0, ' ');
}

}  // namespace

std::string format_seconds(double seconds) {
    if (!std::isfinite(seconds)) return "unknown";
    if (std::abs(seconds) < 0.5e-9) return "0 s";
    return (seconds < 0 ? "-" : "") + format_positive(std::abs(seconds));
}

std::string format_bytes(double bytes) {
    if (!std::isfinite(bytes)) return "unknown";
    constexpr std::array<std::string_view, 6> units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    const std::string sign = bytes < 0 ? "-" : "";
    double value = std::abs(bytes);
    if (value < 1023.5) return sign + fmt::format("{:.0f} B", value);
    for (const std::string_view unit : units) {
        value /= 1024;
        if (value < 99.95) return sign + fmt::format("{:.1f} {}", value, unit);
        if (value < 1023.5) return sign + fmt::format("{:.0f} {}", value, unit);
    }
    return sign + fmt::format("{:.0f} {}", value, units.back());
}

std::string format_count(std::int64_t count) {
    std::string digits = std::to_string(count);
    const std::size_t first = count < 0 ? 1 : 0;
    for (std::size_t at = digits.size(); at > first + 3;) {
        at -= 3;
        digits.insert(at, 1, ',');
    }
    return digits;
}

std::string format_percent(double share, int decimals) {
    if (!std::isfinite(share)) return "unknown";
    return fmt::format("{:.{}f} %", share * 100, decimals < 0 ? 0 : decimals);
}

std::string signal_name(int signal) {
    const char* abbreviation = sigabbrev_np(signal);
    return abbreviation == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", abbreviation);
}

bool valid_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = decode_utf8(text, at);
        if (!point.valid) return false;
        at += point.length;
    }
    return true;
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = decode_utf8(text, at);
        if (point.valid && !is_control(point.value)) {
            out.append(text.substr(at, point.length));
        } else {
            out += escape(point);
        }
        at += point.length;
    }
    return out;
}

std::size_t display_width(std::string_view text) noexcept {
    std::size_t width = 0;
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = decode_utf8(text, at);
        width += point.valid ? columns_of(point.value) : 1;
        at += point.length;
    }
    return width;
}

std::string truncate_end(std::string_view text, std::size_t columns) {
    if (display_width(text) <= columns) return std::string(text);
    if (columns == 0) return {};
    std::size_t width = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const CodePoint point = decode_utf8(text, at);
        width += point.valid ? columns_of(point.value) : 1;
        if (width > columns - 1) break;
        at += point.length;
    }
    return std::string(text.substr(0, at)) + std::string(ellipsis);
}

std::string truncate_start(std::string_view text, std::size_t columns) {
    std::size_t width = display_width(text);
    if (width <= columns) return std::string(text);
    if (columns == 0) return {};
    std::size_t at = 0;
    // Goes on over marks without a width: their letter is gone, so they must not stay.
    while (at < text.size()) {
        const CodePoint point = decode_utf8(text, at);
        const std::size_t own = point.valid ? columns_of(point.value) : 1;
        if (width <= columns - 1 && own != 0) break;
        width -= own;
        at += point.length;
    }
    return std::string(ellipsis) + std::string(text.substr(at));
}

std::string pad_right(std::string_view text, std::size_t columns) {
    return std::string(text) + spaces_for(text, columns);
}

std::string pad_left(std::string_view text, std::size_t columns) {
    return spaces_for(text, columns) + std::string(text);
}

}  // namespace headrace::base
