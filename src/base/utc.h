// Points in time as headrace writes them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace headrace::base {

inline constexpr double seconds_of_day = 86'400, seconds_of_week = 7 * seconds_of_day;

// Seconds since 1970 of "2026-11-24T00:03:19Z", or of "2026-11-24", which is the begin of that day in UTC. None for
// anything else, and for a day or an hour that there is not.
std::optional<std::int64_t> seconds_of_utc(std::string_view text);

// The same back, with the time of the day.
std::string utc_of_seconds(std::int64_t seconds);

// The same day of the month so many months before, at the same time of the day; the last day of that month where it is
// shorter.
std::int64_t months_before(std::int64_t seconds, int months);

}  // namespace headrace::base
