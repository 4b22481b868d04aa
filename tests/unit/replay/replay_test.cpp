#include "replay/replay.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace headrace::replay {
namespace {

const Cores plenty = Cores::alike(1000);

struct Program {
    std::vector<BatchCost> batches;
    std::vector<StepCost> steps;
};

Program alike(std::size_t count, const BatchCost& batch, const StepCost& step) {
    return {std::vector<BatchCost>(count, batch), std::vector<StepCost>(count, step)};
}

std::vector<StepTime> replay(const Program& program, const Configuration& configuration, const Cores& cores) {
    return replay(program.batches, program.steps, configuration, cores);
}

double length(const Program& program, const Configuration& configuration, const Cores& cores) {
    return replay(program, configuration, cores).back().ended;
}

// The mean step in the middle of the loop: its begin fills the queues, and at its end the workers have nothing to do.
double steady(const Program& program, const Configuration& configuration, const Cores& cores) {
    const std::vector<StepTime> times = replay(program, configuration, cores);
    const std::size_t quarter = times.size() / 4;
    return (times[3 * quarter].ended - times[quarter].ended) / static_cast<double>(2 * quarter);
}

// Costs are multiples of this, so that their sums are exact and equal times are equal numbers.
double units(int most) { return *rc::gen::inRange(0, most) / 1024.0; }

Program arbitrary(bool with_receive) {
    Program program;
    const int count = *rc::gen::inRange(1, 40);
    for (int i = 0; i < count; ++i) {
        program.batches.push_back({units(50), units(50), units(20), with_receive ? units(10) : 0});
        program.steps.push_back({units(50), units(20)});
    }
    return program;
}

Configuration arbitrary_configuration() {
    return {static_cast<unsigned>(*rc::gen::inRange(0, 5)), static_cast<unsigned>(*rc::gen::inRange(1, 4)), 1, 1};
}

// The same loop where every thread has a core: each time follows from earlier ones, and nothing is simulated.
std::vector<StepTime> by_recurrence(const Program& program, const Configuration& configuration) {
    struct Arrival {
        double when;
        std::size_t batch;
    };
    std::vector<double> free(configuration.workers, 0);
    std::vector<Arrival> coming;
    std::vector<bool> here(program.batches.size(), false);
    std::size_t asked = 0;
    const auto ask = [&](double now) {
        if (asked == program.batches.size()) return;
        const BatchCost& cost = program.batches[asked];
        double& worker = free[asked % configuration.workers];
        worker = std::max(worker, now) + cost.blocked + cost.cpu;
        coming.push_back({worker + cost.transit, asked++});
    };
    for (unsigned i = 0; i < configuration.workers * configuration.prefetch_factor; ++i) ask(0);
    std::vector<StepTime> times;
    double now = 0;
    for (std::size_t i = 0; i < program.steps.size(); ++i) {
        StepTime time{now, now, now};
        while (!here[i]) {
            const auto first = std::min_element(coming.begin(), coming.end(), [](const Arrival& x, const Arrival& y) {
                return x.when != y.when ? x.when < y.when : x.batch < y.batch;
            });
            now = std::max(now, first->when) + program.batches[first->batch].receive;
            here[first->batch] = true;
            coming.erase(first);
        }
        time.began = now;
        ask(now);
        now += program.steps[i].cpu + program.steps[i].blocked;
        time.ended = now;
        times.push_back(time);
    }
    return times;
}

TEST(Replay, OfNothingIsNothing) {
    EXPECT_TRUE(replay({}, {}, {}, plenty).empty());
    EXPECT_TRUE(replay({}, {}, {.workers = 2}, plenty).empty());
}

TEST(Replay, WithoutWorkersAddsUp) {
    const Program program = alike(3, {1, 2, 100, 100}, {4, 8});
    const std::vector<StepTime> times = replay(program, {}, Cores::alike(1));
    ASSERT_EQ(times.size(), 3U);
    EXPECT_DOUBLE_EQ(times[1].asked, 15);
    EXPECT_DOUBLE_EQ(times[1].began, 18);
    EXPECT_DOUBLE_EQ(times[2].ended, 45);
}

TEST(Replay, TheSlowerSideSetsThePace) {
    EXPECT_DOUBLE_EQ(steady(alike(240, {0, 3, 0, 0}, {1, 0}), {.workers = 1}, plenty), 3);
    EXPECT_DOUBLE_EQ(steady(alike(240, {0, 3, 0, 0}, {1, 0}), {.workers = 2}, plenty), 1.5);
    EXPECT_DOUBLE_EQ(steady(alike(240, {0, 3, 0, 0}, {1, 0}), {.workers = 4}, plenty), 1);
    EXPECT_DOUBLE_EQ(steady(alike(240, {0, 3, 0, 0.5}, {1, 0}), {.workers = 4}, plenty), 1.5);
}

TEST(Replay, MoreWorkersThanCoresWinNothing) {
    const Program decoding = alike(240, {0, 4, 0, 0}, {1, 0});
    // All work is 5 a step, and two cores do 2 of it in a second.
    EXPECT_NEAR(steady(decoding, {.workers = 2}, Cores::alike(2)), 2.5, 0.1);
    EXPECT_NEAR(steady(decoding, {.workers = 4}, Cores::alike(2)), 2.5, 0.1);
    EXPECT_NEAR(steady(decoding, {.workers = 1}, Cores::alike(1)), 5, 1e-9);
    EXPECT_NEAR(steady(decoding, {}, Cores::alike(1)), 5, 1e-9);
    // Two busy cores do the work of 1.6.
    EXPECT_NEAR(steady(decoding, {.workers = 4}, Cores::alike(2, 0.6)), 5 / 1.6, 0.1);
}

TEST(Replay, WhatWaitsForStorageNeedsNoCore) {
    const Program reading = alike(240, {4, 0, 0, 0}, {1, 0});
    EXPECT_DOUBLE_EQ(steady(reading, {.workers = 1}, Cores::alike(1)), 4);
    EXPECT_DOUBLE_EQ(steady(reading, {.workers = 4}, Cores::alike(1)), 1);
}

TEST(Replay, WhatArrivesTooEarlyIsReceivedToo) {
    // The second batch arrives first, and taking it out costs the training thread its time.
    const Program program{{{0, 5, 0, 1}, {0, 1, 0, 1}}, {{1, 0}, {1, 0}}};
    const std::vector<StepTime> times = replay(program, {.workers = 2}, plenty);
    EXPECT_DOUBLE_EQ(times[0].began, 6);
    EXPECT_DOUBLE_EQ(times[1].began, 7);
    // Where it is not there in time it is taken out when it is wanted.
    const Program later{{{0, 5, 0, 1}, {0, 5.5, 0, 1}}, {{1, 0}, {1, 0}}};
    EXPECT_DOUBLE_EQ(replay(later, {.workers = 2}, plenty)[1].began, 8);
}

TEST(Replay, ThreadsOfAStepMeet) {
    // One step of two threads on two cores beside one worker that never ends: two thirds of the speed, and the half of
    // that where they wait for each other.
    const Program program{{{0, 0, 0, 0}, {0, 1000, 0, 0}}, {{3, 0}, {0, 0}}};
    EXPECT_DOUBLE_EQ(replay(program, {.workers = 2, .threads = 2}, Cores::alike(2))[0].ended, 4.5);
    EXPECT_DOUBLE_EQ(replay(program, {.workers = 2, .threads = 2, .gang = 0.5}, Cores::alike(2))[0].ended, 9);
    EXPECT_DOUBLE_EQ(replay(program, {.workers = 2, .threads = 2, .gang = 0.5}, Cores::alike(3))[0].ended, 3);
    EXPECT_DOUBLE_EQ(replay(program, {.workers = 2, .threads = 1, .gang = 0.5}, Cores::alike(1))[0].ended, 6);
    // Alone they lose nothing, however few the cores: its cost is what it is alone.
    const Program alone{{{0, 0, 0, 0}}, {{3, 0}}};
    EXPECT_DOUBLE_EQ(replay(alone, {.workers = 1, .threads = 4, .gang = 0.5}, Cores::alike(2))[0].ended, 3);
}

TEST(Replay, RanksWaitForTheLastOfThem) {
    // Half a loop further on the other rank has its long steps where this one has the short ones; the first ones, when
    // queues are filled twice, they have at once.
    Program program = alike(242, {0, 0, 0, 0}, {1, 0});
    for (std::size_t i = 121; i < program.steps.size(); ++i) program.steps[i].cpu = 3;
    EXPECT_DOUBLE_EQ(steady(program, {.workers = 1}, plenty), 2);
    EXPECT_DOUBLE_EQ(steady(program, {.workers = 1, .ranks = 2}, plenty), 3);
    EXPECT_DOUBLE_EQ(steady(program, {.ranks = 2}, plenty), 3);
    // Where they all have to wait they wait together.
    program.steps[4].pause = 100;
    EXPECT_DOUBLE_EQ(length(program, {.workers = 1, .ranks = 2}, plenty), 4 + 238 * 3 + 100);
}

TEST(Replay, RanksShareTheCores) {
    const Program decoding = alike(240, {0, 4, 0, 0}, {1, 0});
    EXPECT_NEAR(steady(decoding, {.workers = 2, .ranks = 2}, Cores::alike(2)), 5, 0.1);
    EXPECT_NEAR(steady(decoding, {.workers = 1, .ranks = 2}, Cores::alike(4)), 4, 0.1);
    EXPECT_NEAR(steady(decoding, {.ranks = 2}, Cores::alike(2)), 5, 1e-9);
    EXPECT_NEAR(steady(decoding, {.ranks = 2}, Cores::alike(1)), 10, 1e-9);
    // Threads of two steps on two cores: half of them wait, and the other half for these.
    const Program training = alike(240, {0, 0, 0, 0}, {3, 0});
    EXPECT_NEAR(steady(training, {.threads = 2, .gang = 0.5, .ranks = 2}, Cores::alike(2)), 12, 1e-9);
    EXPECT_NEAR(steady(training, {.threads = 2, .gang = 0.5, .ranks = 2}, Cores::alike(4)), 3, 1e-9);
}

TEST(Replay, RanksThatAreAlikeAreOneWhereCoresArePlenty) {
    const bool held = rc::check("alike", [] {
        const Program one = arbitrary(true);
        const Program program = alike(one.batches.size() + 5, one.batches.front(), one.steps.front());
        Configuration configuration = arbitrary_configuration();
        const std::vector<StepTime> alone = replay(program, configuration, plenty);
        configuration.ranks = static_cast<unsigned>(*rc::gen::inRange(2, 5));
        const std::vector<StepTime> together = replay(program, configuration, plenty);
        RC_ASSERT(alone.size() == together.size());
        for (std::size_t i = 0; i < alone.size(); ++i) RC_ASSERT(std::abs(alone[i].ended - together[i].ended) < 1e-9);
    });
    EXPECT_TRUE(held);
}

TEST(Replay, AgreesWithTheRecurrenceWhereCoresArePlenty) {
    const bool held = rc::check("recurrence", [] {
        const Program program = arbitrary(true);
        Configuration configuration = arbitrary_configuration();
        configuration.workers += 1;
        const std::vector<StepTime> expected = by_recurrence(program, configuration);
        const std::vector<StepTime> times = replay(program, configuration, plenty);
        RC_ASSERT(times.size() == expected.size());
        for (std::size_t i = 0; i < times.size(); ++i) {
            RC_ASSERT(std::abs(times[i].asked - expected[i].asked) < 1e-9);
            RC_ASSERT(std::abs(times[i].began - expected[i].began) < 1e-9);
            RC_ASSERT(std::abs(times[i].ended - expected[i].ended) < 1e-9);
        }
    });
    EXPECT_TRUE(held);
}

TEST(Replay, CannotDoMoreThanTheCoresNorLessThanOne) {
    const bool held = rc::check("bounds", [] {
        const Program program = arbitrary(true);
        Configuration configuration = arbitrary_configuration();
        configuration.ranks = static_cast<unsigned>(*rc::gen::inRange(1, 4));
        const int count = *rc::gen::inRange(1, 5);
        const Cores cores = Cores::alike(count, *rc::gen::inRange(0, 11) / 10.0);
        const std::vector<StepTime> times = replay(program, configuration, cores);
        double all = 0, steps = 0, work = 0;
        for (std::size_t i = 0; i < times.size(); ++i) {
            const BatchCost& batch = program.batches[i];
            const StepCost& step = program.steps[i];
            steps += step.cpu + step.blocked;
            work += step.cpu + batch.cpu + (configuration.workers > 0 ? batch.receive : 0);
            all += step.cpu + step.blocked + batch.blocked + batch.cpu + batch.transit + batch.receive;
            RC_ASSERT(times[i].began >= times[i].asked - 1e-9);
            RC_ASSERT(times[i].ended >= times[i].began + step.cpu + step.blocked - 1e-9);
            if (i > 0) RC_ASSERT(times[i].asked == times[i - 1].ended);
        }
        const double end = times.back().ended;
        RC_ASSERT(end >= steps - 1e-9);
        RC_ASSERT(end <= configuration.ranks * all + 1e-9);
        RC_ASSERT(end * cores.rate(1000) * 1000 >= configuration.ranks * work - 1e-9);
    });
    EXPECT_TRUE(held);
}

TEST(Replay, OfCostsTwiceAsLargeTakesTwiceAsLong) {
    const bool held = rc::check("scale", [] {
        const Program program = arbitrary(true);
        Program twice = program;
        for (BatchCost& cost : twice.batches) {
            cost = {2 * cost.blocked, 2 * cost.cpu, 2 * cost.transit, 2 * cost.receive};
        }
        for (StepCost& cost : twice.steps) cost = {2 * cost.cpu, 2 * cost.blocked};
        const Configuration configuration = arbitrary_configuration();
        const Cores cores = Cores::alike(2, 0.7);
        RC_ASSERT(std::abs(length(twice, configuration, cores) - 2 * length(program, configuration, cores)) < 1e-9);
    });
    EXPECT_TRUE(held);
}

TEST(Replay, AskingForMoreAheadIsNeverSlowerWhereCoresArePlenty) {
    const bool held = rc::check("prefetch", [] {
        const Program program = arbitrary(false);
        Configuration configuration = arbitrary_configuration();
        configuration.workers += 1;
        const double before = length(program, configuration, plenty);
        ++configuration.prefetch_factor;
        RC_ASSERT(length(program, configuration, plenty) <= before + 1e-9);
    });
    EXPECT_TRUE(held);
}

TEST(Handover, IsWaitedForWhileTheWorkerIsBusy) {
    // One worker makes the first two batches at once, in 4 each; a step takes 1. When the second one is asked for it is
    // there, and its worker has begun the third.
    const Program program = alike(3, {.cpu = 4, .handover = 2}, {5});
    const std::vector<StepTime> times = replay(program, {.workers = 1}, plenty);
    EXPECT_NEAR(times[0].began, 6, 1e-9) << "while the worker makes the second batch";
    EXPECT_NEAR(times[1].began, 12, 1e-9) << "asked for at 11, the worker is at the third one until 12";
    EXPECT_NEAR(times[2].began, 17, 1e-9) << "the worker has nothing more to make";
}

TEST(Handover, TakesAMomentAlsoOfAWorkerThatIsAtNothingElse) {
    const Program program = alike(400, {.cpu = 1, .receive = 1, .handover = 3}, {5});
    EXPECT_NEAR(steady(program, {.workers = 1, .handover = 0.5}, plenty), 6.5, 1e-9);
    EXPECT_NEAR(steady(program, {.workers = 1}, plenty), 6, 1e-9);
}

TEST(Spin, TakesCoresFromWorkersUntilTheNextStep) {
    const Cores two = Cores::alike(2, 1);
    const Program slow_loader = alike(400, {.cpu = 10}, {1});
    EXPECT_NEAR(steady(slow_loader, {.workers = 2, .threads = 2}, two), 6, 1e-6)
        << "all that is computed, by two cores";
    // Two workers are done at the same time, so every second step follows at once.
    EXPECT_NEAR(steady(slow_loader, {.workers = 2, .threads = 2, .spin = 3}, two), 6.75, 1e-6);
    EXPECT_NEAR(steady(slow_loader, {.workers = 2, .spin = 3}, two), 5.5, 1e-6) << "one thread waits for none";
    const Program slow_steps = alike(400, {.cpu = 1}, {5});
    EXPECT_NEAR(steady(slow_steps, {.workers = 1, .threads = 2, .spin = 100}, Cores::alike(4, 1)), 5, 1e-9);
}

TEST(Start, IsPaidByWorkersForEachBatch) {
    const Program program = alike(400, {.cpu = 4}, {1});
    EXPECT_NEAR(steady(program, {.workers = 1, .start = 1}, plenty), 5, 1e-9);
    EXPECT_NEAR(steady(program, {.workers = 2, .start = 1}, plenty), 2.5, 1e-9);
    EXPECT_NEAR(steady(program, {.start = 1}, plenty), 5, 1e-9) << "4 to make it and the step of 1";
}

TEST(Speeds, AreThoseBesideWhatIsBusyMeanwhile) {
    const Cores cores = Cores::alike(2, 0.8);
    const auto of = [&](const BatchCost& batch, const StepCost& step, const Configuration& configuration) {
        const Program program = alike(400, batch, step);
        return speeds(program.batches, program.steps, configuration, cores);
    };
    // A worker and the training thread are both busy nearly all the time.
    const Speeds both = of({0, 1}, {1}, {.workers = 1});
    EXPECT_NEAR(both.fetching, 0.9, 0.01);
    EXPECT_NEAR(both.stepping, 0.9, 0.01);
    // The step is beside the worker for all of its time, and the worker beside a step for 0.2 / 0.9 of its own.
    const Speeds worker_bound = of({0, 1}, {0.2}, {.workers = 1});
    EXPECT_NEAR(worker_bound.stepping, 0.9, 0.01);
    EXPECT_NEAR(worker_bound.fetching, 1 - 0.1 * 0.2 / 0.9, 0.01);
    // More threads than cores have to wait, which is no CPU time.
    EXPECT_NEAR(of({0, 4}, {1}, {.workers = 4}).fetching, 0.9, 0.01);
    // Alone, threads of a step are as fast as they were recorded; beside a worker each has two thirds of the time, in
    // which the gang does half.
    EXPECT_NEAR(of({0, 1}, {1}, {.threads = 2}).stepping, 1, 1e-12);
    EXPECT_NEAR(of({0, 1}, {1}, {.threads = 2}).fetching, 1, 1e-12);
    EXPECT_NEAR(of({0, 50}, {1}, {.workers = 4, .threads = 2, .gang = 0.5}).stepping, 0.5, 0.01);
}

}  // namespace
}  // namespace headrace::replay
