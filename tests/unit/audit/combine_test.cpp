#include "audit/combine.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

// A run of one machine that holds the given ranks; the wall time of each is its rank + 1 seconds.
Audit part(const std::string& host, std::vector<std::optional<int>> ranks, std::int64_t memory) {
    Audit audit;
    audit.run.id = "run-of-" + host;
    audit.run.machine.host = host;
    audit.processes = ranks.size() + 1;
    audit.host_peak_bytes = memory;
    audit.limits = {"something was not seen"};
    for (const std::optional<int> rank : ranks) {
        Ledger ledger;
        ledger.rank = rank;
        ledger.host = host;
        ledger.wall_seconds = rank.value_or(0) + 1;
        audit.ranks.push_back(ledger);
    }
    return audit;
}

TEST(Combine, PutsTheRanksOfAllMachinesInOrder) {
    const auto whole = audit::combine({part("second", {2, 3}, 70), part("first", {0, 1}, 50)});
    ASSERT_TRUE(whole) << whole.error().message;
    EXPECT_EQ(whole->run.id, "run-of-first");
    ASSERT_EQ(whole->ranks.size(), 4U);
    for (int rank = 0; rank < 4; ++rank) {
        EXPECT_EQ(whole->ranks[static_cast<std::size_t>(rank)].rank, rank);
        EXPECT_EQ(whole->ranks[static_cast<std::size_t>(rank)].host, rank < 2 ? "first" : "second");
    }
    EXPECT_EQ(whole->processes, 6U);
    EXPECT_EQ(whole->host_peak_bytes, 70);
    EXPECT_EQ(whole->limits, (std::vector<std::string>{"On first: something was not seen",  //
                                                       "On second: something was not seen"}));
}

TEST(Combine, SaysWhoseProgramEndedBadly) {
    Audit killed = part("second", {1}, 1);
    killed.run.outcome = Outcome::killed;
    killed.run.signal = 9;
    Audit failed = part("third", {2}, 1);
    failed.run.outcome = Outcome::failed;
    failed.run.exit_code = 3;
    Audit good = part("first", {0}, 1);
    good.run.outcome = Outcome::finished;
    for (Audit* each : {&killed, &failed, &good}) each->limits.clear();
    const auto whole = audit::combine({killed, failed, good});
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->limits, (std::vector<std::string>{"On second: the program was killed by SIGKILL.",
                                                       "On third: the program failed with exit code 3."}));
}

TEST(Combine, RefusesWhatIsNoPartOfOneTraining) {
    const auto same = audit::combine({part("first", {0, 1}, 1), part("second", {1, 2}, 1)});
    ASSERT_FALSE(same);
    EXPECT_EQ(same.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(same.error().message.find("run-of-second holds rank 1"), std::string::npos);
    const auto none = audit::combine({part("first", {0}, 1), part("second", {std::nullopt}, 1)});
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().message.find("run-of-second is of a program without ranks"), std::string::npos);
}

}  // namespace
}  // namespace headrace
