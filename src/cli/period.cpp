#include "cli/period.h"

#include <string_view>

#include "base/utc.h"
#include "cli/number.h"

namespace headrace::cli {
namespace {

constexpr std::int64_t day = 86'400;
constexpr int most_units = 100'000;

// None where the text is no age.
std::optional<std::int64_t> before_by_age(std::string_view text, std::int64_t now) {
    const std::size_t digits = text.find_first_not_of("0123456789");
    if (digits == std::string_view::npos) return std::nullopt;
    const std::optional<int> count = number_in<int>(text.substr(0, digits));
    const std::string_view unit = text.substr(digits);
    if (!count || *count < 1 || *count > most_units) return std::nullopt;
    if (unit == "h") return now - *count * std::int64_t{3600};
    if (unit == "d") return now - *count * day;
    if (unit == "w") return now - *count * 7 * day;
    if (unit == "mo" && *count <= 1200) return base::months_before(now, *count);
    return std::nullopt;
}

}  // namespace

Result<std::int64_t> moment_of(const std::string& text, const char* option, std::int64_t now, PeriodEnd which) {
    constexpr std::size_t date_length = 10;
    if (const auto named = base::seconds_of_utc(text)) {
        const bool whole_day = text.size() == date_length && which == PeriodEnd::end;
        return *named + (whole_day ? day : 0);
    }
    if (const auto before = before_by_age(text, now)) return *before;
    return fail(ErrorCode::invalid_argument, std::string(option) + " is '" + text +
                                                 "': give a date, for example 2026-11-01, or an age, for example 14d, "
                                                 "6w or 3mo");
}

}  // namespace headrace::cli
