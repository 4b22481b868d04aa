#include "sys/python_lines.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace headrace::sys {
namespace {

constexpr std::int64_t largest_line = std::numeric_limits<std::int32_t>::max();

// Reads the numbers of a location table; `good` turns false at the end of the bytes.
struct Bytes {
    std::string_view rest;
    bool good = true;

    std::uint8_t next() {
        if (rest.empty()) {
            good = false;
            return 0;
        }
        const auto byte = static_cast<std::uint8_t>(rest.front());
        rest.remove_prefix(1);
        return byte;
    }

    // Six bits a byte, the least significant first; bit 6 says that another byte follows.
    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 36; shift += 6) {
            const std::uint8_t byte = next();
            value |= static_cast<std::uint64_t>(byte & 0x3f) << shift;
            if ((byte & 0x40) == 0) return value;
        }
        good = false;
        return 0;
    }

    // The lowest bit is the sign.
    std::int64_t signed_number() {
        const std::uint64_t value = number();
        const auto magnitude = static_cast<std::int64_t>(value >> 1);
        return (value & 1) != 0 ? -magnitude : magnitude;
    }
};

// One entry of the location table behind its first byte: the step to its line; empty for an entry without a line.
// https://github.com/python/cpython/blob/v3.11.0/Objects/locations.md
std::optional<std::int64_t> line_step(Bytes& bytes, unsigned kind) {
    constexpr unsigned first_one_line = 10;
    constexpr unsigned no_columns = 13;
    constexpr unsigned long_form = 14;
    constexpr unsigned no_location = 15;
    if (kind == no_location) return std::nullopt;
    if (kind == no_columns) return bytes.signed_number();
    if (kind == long_form) {
        const std::int64_t step = bytes.signed_number();
        for (int skipped = 0; skipped < 3; ++skipped) (void)bytes.number();  // the end line and both columns
        return step;
    }
    (void)bytes.next();
    if (kind < first_one_line) return 0;
    (void)bytes.next();
    return static_cast<std::int64_t>(kind) - first_one_line;
}

}  // namespace

// The line of a range without one is that of the range before it: a place to show is worth more than none.
bool LineTable::append(std::int64_t units, std::int64_t line) {
    if (line < 0 || line > largest_line || units < 0) return false;
    const std::int64_t end = static_cast<std::int64_t>(this->units()) + units;
    if (end > std::numeric_limits<std::int32_t>::max()) return false;
    if (units == 0) return true;
    const auto shown = static_cast<std::uint32_t>(line);
    if (!ranges_.empty() && ranges_.back().line == shown)
        ranges_.back().end = static_cast<std::uint32_t>(end);
    else
        ranges_.push_back({static_cast<std::uint32_t>(end), shown});
    return true;
}

std::optional<LineTable> LineTable::decode(FrameStyle style, std::string_view bytes, std::uint32_t first_line) {
    LineTable table;
    Bytes reader{bytes};
    std::int64_t line = first_line;
    std::int64_t shown = first_line;
    while (!reader.rest.empty()) {
        std::int64_t units = 0;
        if (style == FrameStyle::frame_object) {
            // Pairs of the number of bytes and the signed step of the line before them; -128 is no line at all.
            constexpr int none = -128;
            units = reader.next() / 2;
            const auto step = static_cast<std::int8_t>(reader.next());
            if (step != none) shown = line += step;
        } else {
            // Bit 7 is set, the kind is in bits 3 to 6, the number of code units less one below.
            const std::uint8_t first = reader.next();
            if ((first & 0x80) == 0) return std::nullopt;
            units = (first & 7) + 1;
            if (const auto step = line_step(reader, (first >> 3) & 15U)) shown = line += *step;
        }
        if (!reader.good || !table.append(units, shown)) return std::nullopt;
    }
    if (table.ranges_.empty()) return std::nullopt;
    return table;
}

std::optional<std::uint32_t> LineTable::line_of(std::uint32_t unit) const noexcept {
    const auto range = std::upper_bound(ranges_.begin(), ranges_.end(), unit,
                                        [](std::uint32_t wanted, const Range& each) { return wanted < each.end; });
    if (range == ranges_.end()) return std::nullopt;
    return range->line;
}

}  // namespace headrace::sys
