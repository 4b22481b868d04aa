#include "audit/headers.h"

#include <gtest/gtest.h>

#include <set>

#include "run/fixture.h"
#include "run/spool_builder.h"

namespace headrace::audit {
namespace {

constexpr Nanoseconds second = 1'000'000'000;

class SpoolHeaders : public ::testing::Test {
protected:
    void put(std::uint32_t pid) const {
        run::SpoolBuilder spool;
        spool.header.pid = pid;
        run::put(file(pid), spool.content());
    }
    std::filesystem::path file(std::uint32_t pid) const {
        return temporary.path() / (std::to_string(pid) + "-" + std::to_string(pid) + "-0.spool");
    }
    // As after a change in the step in which the folder's time was this already.
    void set_time(long nanoseconds) const {
        const timespec times[2] = {{1'000'000'000, nanoseconds}, {1'000'000'000, nanoseconds}};
        ASSERT_EQ(::utimensat(AT_FDCWD, temporary.path().c_str(), times, 0), 0);
    }
    void scan(Nanoseconds now) {
        headers.scan(now, [this](const spool::Header& header) { return ended.count(header.pid) == 0; });
    }
    std::set<std::uint32_t> seen() {
        std::set<std::uint32_t> pids;
        headers.each([&](const spool::Header& header) { return pids.insert(header.pid).second; });
        return pids;
    }

    run::TemporaryFolder temporary;
    std::set<std::uint32_t> ended;
    Headers headers{temporary.path()};
};

using Pids = std::set<std::uint32_t>;

TEST_F(SpoolHeaders, AreThoseOfLivingProcesses) {
    for (std::uint32_t epoch = 0; epoch < 100; ++epoch) {
        put(10 + epoch);
        scan(epoch * second);
        EXPECT_EQ(seen(), Pids{10 + epoch});
        ended.insert(10 + epoch);
    }
    ended = {};
    scan(200 * second);
    EXPECT_EQ(headers.size(), 1U);  // what ended does not come back
}

TEST_F(SpoolHeaders, AreNotLookedForWhereNothingHasChanged) {
    put(10);
    for (int i = 0; i < 10; ++i) scan(i * second);
    EXPECT_LE(headers.listings(), 5U);
    const std::size_t before = headers.listings();
    for (int i = 10; i < 100; ++i) scan(i * second);
    EXPECT_EQ(headers.listings(), before);
    ended = {10};
    scan(100 * second);
    EXPECT_EQ(headers.size(), 0U);
    put(11);
    scan(101 * second);
    EXPECT_EQ(seen(), Pids{11});
}

TEST_F(SpoolHeaders, AreFoundWhereTheFoldersTimeStandsStill) {
    for (const long nanoseconds : {0L, 4'000'000L}) {
        const auto first = static_cast<std::uint32_t>(10 + nanoseconds);
        put(first);
        set_time(nanoseconds);
        scan(second);
        put(first + 1);
        set_time(nanoseconds);
        scan(2 * second);
        EXPECT_TRUE(seen().contains(first + 1)) << nanoseconds;
    }
    put(5);
    set_time(0);
    scan(10 * second);
    put(6);
    set_time(0);
    scan(12 * second);
    EXPECT_TRUE(seen().contains(6));
}

TEST_F(SpoolHeaders, AreTakenOnceTheyAreWhole) {
    run::put(file(10), "");
    scan(second);
    EXPECT_EQ(headers.size(), 0U);
    scan(100 * second);
    scan(101 * second);
    put(10);
    set_time(0);
    scan(200 * second);
    EXPECT_EQ(seen(), Pids{10});
}

}  // namespace
}  // namespace headrace::audit
