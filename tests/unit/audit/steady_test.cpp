#include <gtest/gtest.h>

#include "audit/made_up.h"
#include "headrace/audit.h"

namespace headrace {
namespace {

using namespace made_up;

constexpr std::uint64_t loader = 1, iterator = 2;

// Asks a loader without workers for a batch of 4 samples and 12 tokens.
void ask(Thread& t, double at, bool ended = false) {
    if (ended) {
        t.interval(Kind::wait, at, at + 2, iterator, spool::wait_ended);
    } else {
        t.interval(Kind::wait, at, at + 2, iterator, std::uint64_t{12} << 32)
            .interval(Kind::fetch, at, at + 1, 1000, 4);
    }
}

void train(Thread& t, double at) {
    t.interval(Kind::forward, at, at + 2).interval(Kind::backward, at + 2, at + 5);
    t.interval(Kind::optimizer, at + 5, at + 6, 5);
}

// Steps of 10 ms; before each one batch more was asked for than it needs, as accelerate does.
TEST(Steady, CountsTheSamplesOfALoopThatAsksOneBatchAhead) {
    for (const int ahead : {0, 1, 3}) {
        constexpr int steps = 6;
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).interval(Kind::iter, 1, 2, loader, iterator);
        for (int i = 0; i < ahead; ++i) ask(t, 2 + 2 * i);
        for (int i = 0; i < steps; ++i) {
            ask(t, 10 + 10 * i, i + ahead >= steps);
            train(t, 13 + 10 * i);
        }
        const Steady steady = analyze(run_of({t}, 80)).steady;
        EXPECT_EQ(steady.steps, 5U);
        ASSERT_TRUE(steady.samples_per_second) << ahead;
        EXPECT_NEAR(*steady.samples_per_second, 400, 1e-6);
        ASSERT_TRUE(steady.tokens_per_second) << ahead;
        EXPECT_NEAR(*steady.tokens_per_second, 1200, 1e-6);
    }
}

// Steps of 10 ms; in `slow` of them the machine did something else for as long.
Steady with_slow_steps(int steps, int slow) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 1, 2, loader, iterator);
    double at = 10;
    for (int i = 0; i <= steps; ++i) {
        ask(t, at);
        train(t, at + 3);
        at += i >= 20 && i < 20 + slow ? 20 : 10;
    }
    return analyze(run_of({t}, at + 10)).steady;
}

TEST(Steady, IsTypicalOfMostOfTheRun) {
    const Steady steady = with_slow_steps(200, 30);
    EXPECT_EQ(steady.steps, 200U);
    ASSERT_TRUE(steady.typical_samples_per_second);
    EXPECT_NEAR(*steady.typical_samples_per_second, 400, 1e-6);
    EXPECT_NEAR(*steady.samples_per_second, 800.0 / (2 + 0.3), 1e-6);
    EXPECT_FALSE(with_slow_steps(49, 0).typical_samples_per_second);
    EXPECT_TRUE(with_slow_steps(50, 0).typical_samples_per_second);
}

// As with itertools.cycle: how many samples a batch had in its later uses was not recorded.
TEST(Steady, DoesNotGuessTheSamplesOfBatchesThatAreUsedAgain) {
    for (const bool in_background : {false, true}) {
        Thread t(program_pid), other(program_pid, false);
        Thread& loads = in_background ? other : t;
        t.moment(Kind::interpreter, 0);
        loads.interval(Kind::iter, 1, 2, loader, iterator);
        for (int i = 0; i < 3; ++i) {
            ask(loads, 10 + 10 * i);
            if (in_background) t.interval(Kind::handover, 10 + 10 * i, 12 + 10 * i, 7);
            train(t, 13 + 10 * i);
        }
        for (int i = 3; i < 6; ++i) train(t, 13 + 10 * i);
        std::vector<Thread> threads{t};
        if (in_background) threads.push_back(other);
        const Steady steady = analyze(run_of(threads, 80)).steady;
        EXPECT_EQ(steady.steps, 5U);
        EXPECT_FALSE(steady.samples_per_second);
        EXPECT_FALSE(steady.tokens_per_second);
    }
}

// The mean of the data is taken first, with a loader whose address the training's then has, and which has a larger
// batch in the second epoch.
TEST(Loaders, AreToldApartByTheirConfigurationToo) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    const auto begin = [&](double at, int batch) {
        t.interval(Kind::iter, at, at + 1, loader, iterator).moment(Kind::loader, at + 1, loader);
        t.text(spool::TextKind::loader_config, R"({"batch_size":)" + std::to_string(batch) + R"(,"workers":0})");
    };
    begin(0, 512);
    ask(t, 1);
    ask(t, 3, true);
    for (int epoch = 0; epoch < 2; ++epoch) {
        begin(10 + 30 * epoch, 4 + 4 * epoch);
        for (double at = 11; at < 30; at += 9) {
            ask(t, at + 30 * epoch);
            train(t, at + 2 + 30 * epoch);
        }
    }
    begin(90, 512);
    const Audit audit = analyze(run_of({t}, 100));
    ASSERT_EQ(audit.loaders.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(audit.loaders[i].batch_size, std::vector<std::uint64_t>({4, 8, 512})[i]);
        EXPECT_EQ(audit.loaders[i].training, i < 2);
    }
    EXPECT_EQ(audit.steady.batch_size, 4U);
}

}  // namespace
}  // namespace headrace
