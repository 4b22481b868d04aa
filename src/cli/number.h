// Numbers among the words of a command line.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "headrace/result.h"

namespace headrace::cli {

// What the whole text says; none where it is no number of that type, or there is more than one.
template <class Number>
std::optional<Number> number_in(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// The value of an option; none where it was not given. Errors: invalid_argument, with what would be one.
inline Result<std::optional<std::uint64_t>> whole_number(const std::optional<std::string>& text,
                                                         std::string_view option, std::uint64_t least,
                                                         std::uint64_t most) {
    if (!text) return std::nullopt;
    const std::optional<std::uint64_t> number = number_in<std::uint64_t>(*text);
    if (number && *number >= least && *number <= most) return number;
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is '{}': give a whole number from {} to {}", option, *text, least, most));
}

}  // namespace headrace::cli
