#include "base/utc.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace headrace::base {
namespace {

TEST(Utc, ReadsMomentsAndDays) {
    EXPECT_EQ(seconds_of_utc("1970-01-01T00:00:01Z"), 1);
    EXPECT_EQ(seconds_of_utc("2026-11-24T00:03:19Z"), 1795478599);
    EXPECT_EQ(seconds_of_utc("2026-11-24"), 1795478400);
    EXPECT_EQ(seconds_of_utc("2024-02-29"), 1709164800);
    EXPECT_EQ(seconds_of_utc("1969-12-31T23:59:59Z"), -1);
}

TEST(Utc, RefusesWhatIsNoMoment) {
    for (const char* text : {"", "2026", "2026-13-01", "2026-02-29", "2026-11-31", "2026-11-24T24:00:00Z",
                             "2026-11-24T00:60:00Z", "2026-11-24 00:00:00", "2026-11-24T00:03:19", "2026-11-24T00:03Z",
                             "2026-1-24", "+026-11-24", "2026-11-24T00:03:19.5Z", "x2026-11-24"}) {
        EXPECT_EQ(seconds_of_utc(text), std::nullopt) << text;
    }
}

TEST(Utc, ComesBackAsItWas) {
    EXPECT_EQ(utc_of_seconds(1795478599), "2026-11-24T00:03:19Z");
    const bool held = rc::check("write, then read", [] {
        const auto seconds = *rc::gen::inRange<std::int64_t>(-60'000'000'000, 250'000'000'000);
        RC_ASSERT(seconds_of_utc(utc_of_seconds(seconds)) == seconds);
    });
    EXPECT_TRUE(held);
}

TEST(Utc, GoesBackByMonths) {
    const auto before = [](const char* text, int months) {
        return utc_of_seconds(months_before(*seconds_of_utc(text), months));
    };
    EXPECT_EQ(before("2026-11-24T10:20:30Z", 3), "2026-08-24T10:20:30Z");
    EXPECT_EQ(before("2026-01-31T10:20:30Z", 11), "2025-02-28T10:20:30Z") << "that month is shorter";
    EXPECT_EQ(before("2024-03-31T00:00:00Z", 1), "2024-02-29T00:00:00Z");
    EXPECT_EQ(before("2026-01-15T00:00:00Z", 1), "2025-12-15T00:00:00Z");
}

}  // namespace
}  // namespace headrace::base
