// Decoding of UTF-8, one code point at a time (The Unicode Standard, table 3-7). Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace headrace::base {

struct CodePoint {
    char32_t value = 0;      // the byte itself when it is not part of a well-formed sequence
    std::size_t length = 0;  // bytes taken; 1 for a byte that is not well-formed
    bool valid = false;
};

// The code point that begins at `at`, which is less than text.size().
CodePoint decode_utf8(std::string_view text, std::size_t at) noexcept;

// True for what must not reach a terminal as it is: C0 and C1 controls, DEL, line and paragraph separators, and the
// characters that turn the direction of writing (UAX #9).
bool is_control(char32_t code) noexcept;

// Terminal columns of one code point: 0, 1 or 2. Controls take 0.
std::size_t columns_of(char32_t code) noexcept;

}  // namespace headrace::base
