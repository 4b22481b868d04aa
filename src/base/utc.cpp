#include "base/utc.h"

#include <fmt/format.h>

#include <chrono>

namespace headrace::base {
namespace {

namespace chrono = std::chrono;

using Second = chrono::sys_seconds;

// Whether the text has the shape of `form`, in which 0 stands for a digit.
bool has_shape(std::string_view text, std::string_view form) {
    if (text.size() != form.size()) return false;
    for (std::size_t i = 0; i < form.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : text[i] != form[i]) return false;
    }
    return true;
}

// Of digits, as has_shape found them.
int digits_at(std::string_view text, std::size_t at, std::size_t count) {
    int number = 0;
    for (const char c : text.substr(at, count)) number = number * 10 + (c - '0');
    return number;
}

std::optional<chrono::sys_days> day_of(std::string_view text) {
    const chrono::year_month_day day{chrono::year(digits_at(text, 0, 4)),
                                     chrono::month(static_cast<unsigned>(digits_at(text, 5, 2))),
                                     chrono::day(static_cast<unsigned>(digits_at(text, 8, 2)))};
    return day.ok() ? std::optional<chrono::sys_days>(day) : std::nullopt;
}

}  // namespace

std::optional<std::int64_t> seconds_of_utc(std::string_view text) {
    const bool with_time = has_shape(text, "0000-00-00T00:00:00Z");
    if (!with_time && !has_shape(text, "0000-00-00")) return std::nullopt;
    const std::optional<chrono::sys_days> day = day_of(text);
    if (!day) return std::nullopt;
    const std::int64_t begin = Second(*day).time_since_epoch().count();
    if (!with_time) return begin;
    const int hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2), second = digits_at(text, 17, 2);
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;  // 60: a leap second
    return begin + hour * 3600 + minute * 60 + second;
}

std::string utc_of_seconds(std::int64_t seconds) {
    const Second moment{chrono::seconds(seconds)};
    const auto day = chrono::floor<chrono::days>(moment);
    const chrono::year_month_day date(day);
    const chrono::hh_mm_ss time(moment - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                       time.minutes().count(), time.seconds().count());
}

std::int64_t months_before(std::int64_t seconds, int months) {
    const Second moment{chrono::seconds(seconds)};
    const auto day = chrono::floor<chrono::days>(moment);
    chrono::year_month_day date = chrono::year_month_day(day) - chrono::months(months);
    if (!date.ok()) date = date.year() / date.month() / chrono::last;
    return Second(chrono::sys_days(date)).time_since_epoch().count() + (moment - day).count();
}

}  // namespace headrace::base
