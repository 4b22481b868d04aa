// Passes over loaders: which of them train, and which loaders they are over.
#include "audit/passes.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace headrace::audit {
namespace {

Span interval(Kind kind, Nanoseconds begin, Nanoseconds end, std::uint64_t a = 0, std::uint64_t b = 0) {
    Span span;
    span.kind = static_cast<std::uint8_t>(kind);
    span.start = begin;
    span.duration = end - begin;
    span.a = a;
    span.b = b;
    return span;
}

// next(iter(loader)) for every step, and a loader zipped with others: what has to be compared grows with the passes.
TEST(Passes, AreFoundInAProgramThatMakesOneForEveryStep) {
    constexpr Nanoseconds passes = 200'000;
    PassFinder finder;
    for (Nanoseconds i = 0; i < passes; ++i) {
        const auto iterator = static_cast<std::uint64_t>(1 + i);
        finder.see(interval(Kind::iter, 100 * i, 100 * i + 10, 1, iterator));
        for (Nanoseconds wait = 0; wait < 3; ++wait)
            finder.see(interval(Kind::wait, 100 * i + 10 + wait, 100 * i + 11 + wait, iterator));
        if (i % 2 == 0) finder.see(interval(Kind::backward, 100 * i + 50, 100 * i + 60));
    }
    const std::vector<Pass> found = finder.finish();
    ASSERT_EQ(found.size(), static_cast<std::size_t>(passes));
    EXPECT_TRUE(found[0].training);
    EXPECT_FALSE(found[1].training);
    EXPECT_EQ(found.back().waits.size(), 3U);
}

TEST(Passes, AccompanyAPassWhoseBatchesTheyComeBetween) {
    PassFinder finder;
    for (const std::uint64_t loader : {1, 2, 3}) finder.see(interval(Kind::iter, 0, 1, loader, loader));
    for (Nanoseconds step = 0; step < 10; ++step) {
        finder.see(interval(Kind::wait, 100 * step + 10, 100 * step + 20, 2));
        finder.see(interval(Kind::wait, 100 * step + 20, 100 * step + 30, 1));
        finder.see(interval(Kind::backward, 100 * step + 40, 100 * step + 60));
    }
    for (Nanoseconds wait = 0; wait < 10; ++wait) finder.see(interval(Kind::wait, 2000 + wait, 2001 + wait, 3));
    const std::vector<Pass> found = finder.finish();
    ASSERT_EQ(found.size(), 3U);
    EXPECT_TRUE(found[0].training);
    EXPECT_TRUE(found[1].training);
    EXPECT_FALSE(found[2].training);  // after the other: an evaluation
}

TEST(Passes, CountHowOftenTheirWorkersBegan) {
    PassFinder finder;
    for (Nanoseconds epoch = 0; epoch < 3; ++epoch) {
        finder.see(interval(Kind::iter, 10 * epoch, 10 * epoch + 5, 1, 2));
        finder.see(interval(Kind::worker, 10 * epoch + 1, 10 * epoch + 1, 2, 500));
    }
    const std::vector<Pass> found = finder.finish();
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found[2].generation, 2U);
    EXPECT_EQ(found[2].workers, std::vector<std::uint32_t>{500});
}

TEST(Passes, HaveTheWaitInWhichTheProgramEnded) {
    PassFinder finder;
    finder.see(interval(Kind::iter, 0, 5, 1, 2));
    finder.see(interval(Kind::worker, 1, 1, 2, 500));
    finder.see(interval(Kind::wait, 10, 20, 2, 1));
    Span open = interval(Kind::wait, 30, 99);
    open.open = true;
    finder.see(open);
    const std::vector<Pass> found = finder.finish();
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].waits, (std::vector<Nanoseconds>{10, 30}));
}

// A pass of two batches over a loader of this configuration that begins at `begin`, and whether it trains.
void see_pass(PassFinder& finder, std::uint64_t loader, const std::string& config, Nanoseconds begin, bool trains) {
    const auto iterator = 1000 + static_cast<std::uint64_t>(begin);
    finder.see(interval(Kind::iter, begin, begin + 1, loader, iterator));
    Span made = interval(Kind::loader, begin + 1, begin + 1, loader);
    made.text = config;
    finder.see(made);
    for (const Nanoseconds batch : {begin + 10, begin + 20}) {
        finder.see(interval(Kind::wait, batch, batch + 1, iterator));
        if (trains) finder.see(interval(Kind::backward, batch + 2, batch + 3));
    }
}

const std::string small = R"({"batch_size":8,"serial":1})", small_again = R"({"batch_size":8,"serial":2})";

TEST(Loaders, MadeAnewOneAfterTheOtherAreOne) {
    PassFinder finder;
    see_pass(finder, 1, small, 0, true);
    see_pass(finder, 7, R"({"batch_size":16})", 100, false);
    see_pass(finder, 2, small_again, 200, true);
    see_pass(finder, 3, R"({"batch_size":4})", 300, true);
    const std::vector<Pass> found = finder.finish();
    ASSERT_EQ(found.size(), 4U);
    EXPECT_EQ(found[0].used, found[2].used);
    EXPECT_NE(found[0].serial, found[2].serial);
    ASSERT_EQ(finder.loaders().size(), 3U);
    EXPECT_TRUE(finder.loaders()[*found[2].used].training);
    EXPECT_FALSE(finder.loaders()[*found[1].used].training);
    EXPECT_EQ(finder.loaders()[*found[3].used].config, R"({"batch_size":4})");
}

TEST(Loaders, AtAnAddressThatCameBackAreOneToo) {
    PassFinder finder;
    see_pass(finder, 1, small, 0, true);
    see_pass(finder, 2, small_again, 100, true);
    see_pass(finder, 1, R"({"batch_size":8,"serial":3})", 200, true);
    (void)finder.finish();
    EXPECT_EQ(finder.loaders().size(), 1U);
}

TEST(Loaders, ThatAreKeptAndIteratedInTurnStaySeveral) {
    PassFinder finder;
    see_pass(finder, 1, small, 0, true);
    see_pass(finder, 2, small_again, 100, true);
    see_pass(finder, 1, small, 200, true);
    const std::vector<Pass> found = finder.finish();
    EXPECT_NE(found.at(0).used, found.at(1).used);
    EXPECT_EQ(found.at(0).used, found.at(2).used);
    EXPECT_EQ(finder.loaders().size(), 2U);
}

TEST(Loaders, OfOneConfigurationStayTwoWhereOneDoesNotTrain) {
    PassFinder finder;
    see_pass(finder, 1, small, 0, true);
    see_pass(finder, 2, small_again, 100, false);
    const std::vector<Pass> found = finder.finish();
    EXPECT_NE(found.at(0).used, found.at(1).used);
    EXPECT_EQ(finder.loaders().size(), 2U);
}

TEST(Loaders, ThatAreIteratedAtTheSameTimeStaySeveral) {
    PassFinder finder;
    see_pass(finder, 1, small, 0, true);
    see_pass(finder, 2, small_again, 5, true);
    see_pass(finder, 1, small, 200, true);
    const std::vector<Pass> found = finder.finish();
    EXPECT_NE(found.at(0).used, found.at(1).used);
    EXPECT_EQ(found.at(0).used, found.at(2).used);
    EXPECT_EQ(finder.loaders().size(), 2U);
}

}  // namespace
}  // namespace headrace::audit
