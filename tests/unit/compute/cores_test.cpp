#include "compute/cores.h"

#include <gtest/gtest.h>

#include "compute/made_up.h"

namespace headrace::compute {
namespace {

// Of 4 cores: batches of 1 ms, steps of 10 ms.
replay::Loop bound_by_steps(double threads = 1) {
    replay::Loop loop = made_up::loop_of({.cpu = 1e-3}, {.cpu = 10e-3}, 0);
    loop.configuration.threads = threads;
    return loop;
}

TEST(Cores, ThatNobodyUsesAreTold) {
    const replay::Loop loop = bound_by_steps();
    const std::optional<Finding> finding = advise_cores({.recorded = loop, .busy = 1.02, .run_seconds = 3600});
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "compute.cores");
    EXPECT_EQ(finding->title, "1 of 4 usable cores would do");
    EXPECT_EQ(finding->evidence,
              "On 1 the replay of the loop takes 1.00 times as long; of 4 cores 1.02 were busy on the average.");
    EXPECT_FALSE(finding->gain);
    EXPECT_EQ(finding->kind, FixKind::by_hand);
}

TEST(Cores, ThatWorkersUseAreNot) {
    // Three workers keep three cores busy beside the step.
    const replay::Loop loop = made_up::loop_of({.cpu = 30e-3}, {.cpu = 10e-3}, 3);
    EXPECT_FALSE(advise_cores({.recorded = loop}));
}

TEST(Cores, ForFewerThreadsAreKnownOnlyWhereTheseWereMeasured) {
    const replay::Loop loop = bound_by_steps(4);
    EXPECT_FALSE(advise_cores({.recorded = loop, .set_threads = 4}));
    const std::vector<replay::ThreadPoint> slower{{1, 1.5, 1}, {2, 1.2, 1}};
    EXPECT_FALSE(advise_cores({.recorded = loop, .set_threads = 4, .threads = slower}));
    const std::vector<replay::ThreadPoint> equal{{1, 1.5, 1}, {2, 1.01, 1}};
    const std::optional<Finding> finding = advise_cores({.recorded = loop, .set_threads = 4, .threads = equal});
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->title, "2 of 4 usable cores would do");
}

TEST(Cores, ThatAreBusyAreNotGivenAway) {
    const replay::Loop loop = bound_by_steps();
    EXPECT_FALSE(advise_cores({.recorded = loop, .busy = 2.5})) << "half of four";
    const std::optional<Finding> two = advise_cores({.recorded = loop, .busy = 1.6});
    ASSERT_TRUE(two);
    EXPECT_EQ(two->title, "2 of 4 usable cores would do");
}

TEST(Cores, OfAStepThatIsPartlySerialAreNotKnownByTheirAverage) {
    const replay::Loop loop = bound_by_steps(2);  // of the four threads that it has
    EXPECT_FALSE(advise_cores({.recorded = loop, .set_threads = 4}));
    const std::vector<replay::ThreadPoint> slower{{2, 1.5, 1}};
    EXPECT_FALSE(advise_cores({.recorded = loop, .set_threads = 4, .threads = slower}));
}

TEST(Cores, HaveTheirPrice) {
    const replay::Loop loop = bound_by_steps();
    const Prices prices{.file = "prices.toml",
                        .currency = "EUR",
                        .here = "",
                        .machines = {{"now", 1, 4, 16}, {"small", 0.3, 2, 8}, {"smaller", 0.2, 1, 1}}};
    const double gibibyte = 1024.0 * 1024 * 1024;
    const std::optional<Finding> finding = advise_cores({.recorded = loop,
                                                         .run_seconds = 7200,
                                                         .memory_bytes = 2 * gibibyte,
                                                         .prices = &prices,
                                                         .machine = &prices.machines.front()});
    ASSERT_TRUE(finding);
    EXPECT_NE(finding->evidence.find("The run costs 2 EUR on now, and would cost 0.6 on small."), std::string::npos)
        << finding->evidence;
    EXPECT_EQ(finding->remedy, "Run it on small, or several of such runs side by side here.");
}

}  // namespace
}  // namespace headrace::compute
