#include "audit/samples.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace headrace::audit {
namespace {

OutsidePoint point_at(Nanoseconds when) {
    OutsidePoint point;
    point.when = when;
    point.cpu_ns = when / 2;
    point.read_bytes = when / 1000;
    return point;
}

TEST(Samples, KeepsEveryLookOfAShortProgram) {
    Samples samples;
    for (int i = 0; i <= 99; ++i) samples.add(point_at(i * dense_every));
    EXPECT_EQ(samples.points().size(), 100U);
    samples.add(point_at(99 * dense_every + 1));  // too soon after the last one, and still the last one
    EXPECT_EQ(samples.points().size(), 101U);
    EXPECT_EQ(samples.points().back().when, 99 * dense_every + 1);
}

TEST(Samples, ThinsALongRunEvenly) {
    Samples samples(100);
    for (int i = 0; i < 20'000; ++i) samples.add(point_at(i * sparse_every));
    const auto points = samples.points();
    EXPECT_LE(points.size(), 100U);
    EXPECT_GE(points.size(), 40U);
    Nanoseconds longest = 0;
    for (std::size_t i = 1; i < points.size(); ++i) longest = std::max(longest, points[i].when - points[i - 1].when);
    EXPECT_LE(longest, points.back().when / 20);
}

// However many points come, and however they lie: bounded, in order, with the first, the last and every peak.
RC_GTEST_PROP(Samples, LosesNoEndAndNoPeak, (std::vector<std::uint32_t> gaps)) {
    const auto most = *rc::gen::inRange<std::size_t>(4, 40);
    Samples samples(most);
    Nanoseconds when = 7;
    std::int64_t peak = 0;
    samples.add(point_at(when));
    for (const std::uint32_t gap : gaps) {
        OutsidePoint point = point_at(when += gap);
        point.resident_bytes = gap;
        peak = std::max(peak, point.resident_bytes);
        samples.add(point);
    }
    const auto points = samples.points();
    RC_ASSERT(points.size() <= most);
    RC_ASSERT(points.front().when == 7);
    RC_ASSERT(points.back().when == when);
    RC_ASSERT(points.back().cpu_ns == when / 2);
    std::int64_t kept = 0;
    Nanoseconds before = 0;
    for (const OutsidePoint& point : points) {
        RC_ASSERT(before <= point.when);
        before = point.when;
        kept = std::max(kept, point.resident_bytes);
    }
    RC_ASSERT(kept == peak);
}

}  // namespace
}  // namespace headrace::audit
