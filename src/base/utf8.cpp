#include "base/utf8.h"

#include <algorithm>
#include <span>

#include "base/width_table.h"

namespace headrace::base {

namespace {

struct Lead {
    std::size_t length;
    char32_t bits;             // payload of the first byte
    unsigned char second_min;  // the second byte's range is what rules out overlong forms and surrogates
    unsigned char second_max;
};

Lead lead_of(unsigned char byte) {
    if (byte >= 0xC2 && byte <= 0xDF) return {2, char32_t(byte & 0x1F), 0x80, 0xBF};
    if (byte == 0xE0) return {3, 0, 0xA0, 0xBF};
    if (byte == 0xED) return {3, 0xD, 0x80, 0x9F};
    if (byte >= 0xE1 && byte <= 0xEF) return {3, char32_t(byte & 0x0F), 0x80, 0xBF};
    if (byte == 0xF0) return {4, 0, 0x90, 0xBF};
    if (byte == 0xF4) return {4, 4, 0x80, 0x8F};
    if (byte >= 0xF1 && byte <= 0xF3) return {4, char32_t(byte & 0x07), 0x80, 0xBF};
    return {0, 0, 0, 0};
}

bool in_table(std::span<const CodeRange> table, char32_t code) {
    const auto after = std::upper_bound(table.begin(), table.end(), code,
                                        [](char32_t value, const CodeRange& range) { return value < range.first; });
    return after != table.begin() && code <= std::prev(after)->last;
}

}  // namespace

CodePoint decode_utf8(std::string_view text, std::size_t at) noexcept {
    const auto byte = [&](std::size_t offset) { return static_cast<unsigned char>(text[at + offset]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {first, 1, true};
    const Lead lead = lead_of(first);
    const CodePoint invalid{first, 1, false};
    if (lead.length == 0 || lead.length > text.size() - at) return invalid;
    if (byte(1) < lead.second_min || byte(1) > lead.second_max) return invalid;
    char32_t value = lead.bits;
    for (std::size_t i = 1; i < lead.length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return invalid;
        value = value << 6 | (byte(i) & 0x3Fu);
    }
    return {value, lead.length, true};
}

bool is_control(char32_t code) noexcept {
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x61C || code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

std::size_t columns_of(char32_t code) noexcept {
    if (code < 0x300) return is_control(code) ? 0 : 1;
    if (in_table(zero_width, code)) return 0;
    return in_table(double_width, code) ? 2 : 1;
}

}  // namespace headrace::base
