// Text for people: figures with their units, and strings of unknown origin made fit for a terminal. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::base {

// "850 ns", "12 µs", "850 ms", "12.3 s", "4 min 05 s", "1 h 02 min", "3 d 04 h". Zero is "0 s"; a negative time has a
// minus sign; what is not a finite number is "unknown".
std::string format_seconds(double seconds);

// "512 B", "1.2 GiB", "123 GiB": powers of 1024, at most one decimal. What is not a finite number is "unknown".
std::string format_bytes(double bytes);

inline constexpr double mebibyte = 1024 * 1024;  // bytes

// "1,234,567".
std::string format_count(std::int64_t count);

// A share from 0 to 1 as "12.3 %". What is not a finite number is "unknown".
std::string format_percent(double share, int decimals = 1);

// "SIGKILL"; "signal 40" where it has no name.
std::string signal_name(int signal);

// True when `text` is well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF).
bool valid_utf8(std::string_view text) noexcept;

// Text of unknown origin (a program's name, a path) made safe to print on one line: control characters, line and
// paragraph separators, characters that turn the direction of writing, and bytes that are no UTF-8 are shown as
// escapes such as \n, \x1b or \u202e. Everything else stays as it is.
std::string printable(std::string_view text);

// Columns that `text` takes in a terminal (UAX #11; combining marks take none, control characters are not counted).
std::size_t display_width(std::string_view text) noexcept;

// `text` when it fits into `columns`, otherwise as much of its start (or of its end) as fits beside an ellipsis.
// No character is cut in two, and no combining mark is parted from its letter.
std::string truncate_end(std::string_view text, std::size_t columns);
std::string truncate_start(std::string_view text, std::size_t columns);

// `text` with spaces behind (or before) it so that it takes `columns`; longer text is not changed.
std::string pad_right(std::string_view text, std::size_t columns);
std::string pad_left(std::string_view text, std::size_t columns);

}  // namespace headrace::base
