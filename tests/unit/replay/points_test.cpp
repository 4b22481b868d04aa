#include "replay/points.h"

#include <gtest/gtest.h>

#include <cmath>

namespace headrace::replay {
namespace {

Loop alike(const BatchCost& batch, const StepCost& step, const Configuration& configuration, double cores) {
    return {
        std::vector<BatchCost>(200, batch), std::vector<StepCost>(200, step), {}, configuration, Cores::alike(cores)};
}

TEST(Parts, SayWhatEachBringsByItself) {
    // One worker makes a batch in 30 ms beside a step of 20 with two threads that lose half to each other.
    const Loop recorded = alike({0, 0.030, 0, 0}, {0.020, 0}, {.workers = 1, .prefetch_factor = 2, .threads = 2}, 8);
    const ThreadPoint one{1, 0.5, 1};
    const std::vector<Part> parts = parts_of(recorded, {}, {3, 4, &one});
    ASSERT_EQ(parts.size(), 3U);
    EXPECT_EQ(parts[0].name, "workers");
    EXPECT_NEAR(parts[0].ratio, 1.5, 0.05) << "then a step of 20 ms is the limit";
    EXPECT_EQ(parts[1].name, "prefetch");
    EXPECT_NEAR(parts[1].ratio, 1, 0.01);
    EXPECT_EQ(parts[2].name, "threads");
    EXPECT_NEAR(parts[2].ratio, 1, 0.01) << "the loader is the limit";
    EXPECT_EQ(in_words({{"workers", 1.5}, {"threads", 1}}, 3),
              "Workers alone 1.50x, threads alone 1.00x, together 3.00x.");
}

TEST(Parts, AreNoneOfWhatStays) {
    const Loop recorded = alike({0, 0.030, 0, 0}, {0.020, 0}, {.workers = 1, .prefetch_factor = 2}, 8);
    EXPECT_TRUE(parts_of(recorded, {}, point_of(recorded)).empty());
    const std::vector<Part> parts = parts_of(recorded, {}, {0, 4});
    ASSERT_EQ(parts.size(), 1U) << "without workers there is no prefetch factor";
    EXPECT_EQ(in_words(parts, parts[0].ratio), "");
}

TEST(Transport, IsPaidWithWorkersAndSavedWithoutThem) {
    const Transport transport = Transport::of(2e6, 1e-9, 0.5e-9);
    const Loop none = alike({0, 0.010, 0, 0}, {0.020, 0}, {}, 8);
    const Loop one = with_workers(none, transport, 1, 2);
    EXPECT_NEAR(one.batches[0].cpu, 0.010 + 0.002 + transport.send, 1e-12);
    EXPECT_EQ(one.batches[0].receive, transport.receive);
    EXPECT_EQ(one.batches[0].transit, transport.transit);
    EXPECT_NEAR(one.steps[0].cpu, 0.021, 1e-12) << "it reads what the worker wrote";
    const Loop back = with_workers(one, transport, 0, 2);
    EXPECT_NEAR(back.batches[0].cpu, none.batches[0].cpu, 1e-12);
    EXPECT_NEAR(back.steps[0].cpu, none.steps[0].cpu, 1e-12);
    const Loop two = with_workers(one, transport, 2, 2);
    EXPECT_EQ(two.batches[0].cpu, one.batches[0].cpu) << "it was paid";
    const Loop small = with_workers(alike({0, 1e-4, 0, 0}, {1e-4, 0}, {.workers = 1}, 8), transport, 0, 2);
    EXPECT_GT(small.batches[0].cpu, 0) << "a guess takes away no work";
    EXPECT_GT(small.steps[0].cpu, 0);
}

TEST(Transport, ThatWasMeasuredStandsForWhatABatchCosts) {
    Transport transport;
    transport.worker_cpu = 0.015;
    Loop none = alike({0, 0.010, 0, 0}, {0.020, 0}, {}, 8);
    none.batches[7].cpu = 0.030;
    const Loop one = with_workers(none, transport, 1, 2);
    double sum = 0;
    for (const BatchCost& batch : one.batches) sum += batch.cpu;
    EXPECT_NEAR(sum, 200 * 0.015, 1e-9);
    EXPECT_NEAR(one.batches[7].cpu / one.batches[8].cpu, 3, 1e-9) << "slow ones stay slow ones";
}

TEST(Transport, HasAMessageForEachBatchOfAWorker) {
    const Transport transport;
    const Loop none = alike({0, 0.010, 0, 0}, {0.020, 0}, {}, 8);
    EXPECT_EQ(none.message, 0);
    EXPECT_EQ(with_workers(none, transport, 1, 2).message, transport.send);
    EXPECT_EQ(with_workers(with_workers(none, transport, 1, 2), transport, 0, 2).message, 0);
}

TEST(ThreadsError, IsWhatTheReplayLetsThrough) {
    const ThreadPoint one{1, 1.5, 1, 0.1};
    const Loop bound_by_steps = alike({0, 0.001, 0, 0}, {0.020, 0}, {.workers = 1, .threads = 2}, 8);
    EXPECT_EQ(threads_error(bound_by_steps, {}, {1, 2}), 0) << "they stay as they are";
    EXPECT_NEAR(threads_error(bound_by_steps, {}, {1, 2, &one}), std::log(1.1), 1e-3);
    const Loop bound_by_loader = alike({0, 0.050, 0, 0}, {0.020, 0}, {.workers = 1, .threads = 2}, 8);
    EXPECT_NEAR(threads_error(bound_by_loader, {}, {1, 2, &one}), 0, 1e-3);
}

TEST(BestPoint, IsTheSmallestOfThoseThatAreAsGood) {
    const Loop recorded = alike({0, 0.030, 0.001, 0.001}, {0.010, 0}, {.workers = 1}, 8);
    const Point best = best_point(recorded, {}, {});
    EXPECT_EQ(best.workers, 3U);
    EXPECT_EQ(best.prefetch_factor, 2U);
    EXPECT_EQ(best.threads, nullptr);
}

}  // namespace
}  // namespace headrace::replay
