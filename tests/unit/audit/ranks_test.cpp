#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "audit/made_up.h"
#include "headrace/audit.h"

namespace headrace {
namespace {

using namespace made_up;

constexpr std::uint32_t first_pid = program_pid, second_pid = 200;

// A rank whose backwards begin at the given times, all end at their own time, and are followed by an optimizer step.
struct Backward {
    double begin;
    double end;
};
Thread rank_of(std::uint32_t pid, std::uint64_t rank, std::uint64_t world, const std::vector<Backward>& backwards) {
    Thread t(pid);
    t.moment(Kind::interpreter, 0).moment(Kind::group, 1, rank, world).interval(Kind::iter, 2, 3, 1, 2);
    double at = 3;
    for (const Backward& backward : backwards) {
        t.interval(Kind::wait, at, at + 1, 2)
            .interval(Kind::backward, backward.begin, backward.end)
            .interval(Kind::optimizer, backward.end, backward.end + 1);
        at = backward.end + 1;
    }
    return t;
}

TEST(Ranks, GiveToSyncWhatTheyWaitForTheLastOne) {
    const Audit audit = analyze(run_of({rank_of(first_pid, 0, 2, {{10, 30}, {40, 70}}),  //
                                        rank_of(second_pid, 1, 2, {{25, 30}, {65, 70}})},
                                       80));
    ASSERT_EQ(audit.ranks.size(), 2U);
    EXPECT_EQ(audit.ranks[0].rank, 0);
    EXPECT_EQ(audit.ranks[1].rank, 1);
    // The first step is start-up and is not divided; in the second the first rank waits from 40 to 65.
    EXPECT_NEAR(entry(audit.ranks[0], Entry::sync), 25, near);
    EXPECT_NEAR(entry(audit.ranks[0], Entry::compute_backward), 5, near);
    EXPECT_NEAR(entry(audit.ranks[1], Entry::sync), 0, near);
    EXPECT_NEAR(entry(audit.ranks[1], Entry::compute_backward), 5, near);
    EXPECT_NEAR(sum(audit.ranks[0]), 80, near);
    EXPECT_TRUE(audit.limits.empty());
}

TEST(Ranks, ThatEndedBeforeTheLastBeganDidNotWaitForIt) {
    const Audit audit = analyze(run_of({rank_of(first_pid, 0, 2, {{10, 30}, {40, 50}}),  //
                                        rank_of(second_pid, 1, 2, {{25, 30}, {65, 70}})},
                                       80));
    EXPECT_NEAR(entry(audit.ranks[0], Entry::sync), 0, near);
    EXPECT_NEAR(entry(audit.ranks[0], Entry::compute_backward), 10, near);
}

TEST(Ranks, OfAnotherMachineAreSaidToBeMissing) {
    const Audit audit = analyze(run_of({rank_of(first_pid, 0, 4, {{10, 30}, {40, 70}}),  //
                                        rank_of(second_pid, 1, 4, {{25, 30}, {65, 70}})},
                                       80));
    EXPECT_NEAR(entry(audit.ranks[0], Entry::sync), 0, near);
    ASSERT_EQ(audit.limits.size(), 1U);
    EXPECT_NE(audit.limits[0].find("Of 4 ranks 2 were recorded here"), std::string::npos);
}

TEST(Ranks, ThatTrainForThemselvesDoNotWaitForEachOther) {
    const Audit audit = analyze(run_of({rank_of(first_pid, 0, 0, {{10, 30}, {40, 70}}),  //
                                        rank_of(second_pid, 1, 0, {{25, 30}, {65, 70}})},
                                       80));
    EXPECT_NEAR(entry(audit.ranks[0], Entry::sync), 0, near);
    EXPECT_TRUE(audit.limits.empty());
}

// Whatever the ranks do and however many steps each has: every ledger adds up, and nobody waits longer than it worked.
RC_GTEST_PROP(Ranks, KeepTheirWallTime, ()) {
    std::vector<Thread> threads;
    const auto ranks = *rc::gen::inRange<std::uint32_t>(2, 5);
    double end = 0;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
        std::vector<Backward> backwards;
        double at = 5;
        for (int steps = *rc::gen::inRange(1, 8); steps > 0; --steps) {
            const double begin = at + *rc::gen::inRange(1, 30);
            at = begin + *rc::gen::inRange(1, 30);
            backwards.push_back({begin, at});
            at += 2;
        }
        end = std::max(end, at);
        threads.push_back(rank_of(100 * (rank + 1), rank, ranks, backwards));
    }
    const Run run = run_of(threads, end + 1);
    for (const Ledger& ledger : analyze(run).ranks) {
        RC_ASSERT(std::abs(sum(ledger) - ledger.wall_seconds * 1e3) < near);
        RC_ASSERT(entry(ledger, Entry::sync) >= 0);
        RC_ASSERT(entry(ledger, Entry::compute_backward) >= 0);
    }
}

}  // namespace
}  // namespace headrace
