// Points in time among the words of a command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "headrace/result.h"

namespace headrace::cli {

// Which end of a period a date names: its first moment, or, for the last day of a period, the end of that day.
enum class PeriodEnd { begin, end };

// Seconds since 1970 of a date (2026-11-01), of a moment (2026-11-01T12:00:00Z), both UTC, or of an age before `now`:
// hours (36h), days (14d), weeks (6w) or months of the calendar (3mo). Error: invalid_argument, naming `option`.
Result<std::int64_t> moment_of(const std::string& text, const char* option, std::int64_t now, PeriodEnd which);

}  // namespace headrace::cli
