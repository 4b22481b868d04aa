#include "compute/threads.h"

#include <gtest/gtest.h>

#include <vector>

namespace headrace::compute {
namespace {

std::optional<Finding> advised(const std::vector<ProcessThreads>& processes, double cores, double compute = 50,
                               const Probe* probe = nullptr) {
    return advise_threads({processes, cores, compute, 100, probe, "headrace audit --probe -- python train.py"});
}

TEST(ThreadsOfTheRecording, AreTooManyForTheCores) {
    const std::optional<Finding> finding = advised({{64, 8}}, 2);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "compute.threads");
    EXPECT_EQ(finding->fix.threads, 2U);
    EXPECT_EQ(finding->title, "2 intra-op threads instead of 64");
    EXPECT_FALSE(finding->gain);
    EXPECT_TRUE(can_be_tried(*finding));
    EXPECT_EQ(finding->changes, Changes::rounding);
    EXPECT_NE(finding->evidence.find("64 intra-op threads for 2 usable cores"), std::string::npos) << finding->evidence;
    EXPECT_NE(finding->remedy.find("torch.set_num_threads(2)"), std::string::npos) << finding->remedy;
    EXPECT_NE(finding->remedy.find("headrace audit --probe -- python train.py"), std::string::npos) << finding->remedy;
}

TEST(ThreadsOfTheRecording, AreAddedUpOverTheRanks) {
    const std::vector<ProcessThreads> ranks(4, {8, 3});
    const std::optional<Finding> finding = advised(ranks, 8);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->fix.threads, 2U);
    EXPECT_EQ(finding->title, "2 intra-op threads instead of 8 in each process");
    EXPECT_NE(finding->evidence.find("4 processes that train have 32 intra-op threads in all"), std::string::npos);
}

TEST(ThreadsOfTheRecording, AreNoFindingWhereNothingIsLost) {
    EXPECT_FALSE(advised({}, 2)) << "not recorded";
    EXPECT_FALSE(advised({{2, 2}}, 2)) << "as many as cores";
    EXPECT_FALSE(advised({{2, 2}}, 1.5)) << "a part of a core is a core for a thread";
    EXPECT_FALSE(advised({{64, 1.05}}, 2)) << "they do not compute together";
    EXPECT_FALSE(advised({{64, 8}}, 2, 5)) << "steps are 5 % of the run";
    EXPECT_FALSE(advised({{1, 1}, {1, 1}, {1, 1}}, 2)) << "one thread each";
}

TEST(ThreadsOfTheRecording, AreWhatAProbeSaysOfThem) {
    Probe probe;
    probe.threads = 8;
    probe.batch_size = 4;
    ProbeCase own;
    own.threads = 8;
    own.batch_size = 4;
    own.precision = "float32";
    own.median = 0.030;
    ProbeCase two = own;
    two.threads = 2;
    two.median = 0.010;
    probe.cases = {own, two};
    const std::optional<Finding> finding = advised({{8, 8}}, 2, 50, &probe);
    ASSERT_TRUE(finding);
    EXPECT_NE(finding->evidence.find("3.00 times as fast"), std::string::npos) << finding->evidence;
    EXPECT_EQ(finding->remedy.find("--probe"), std::string::npos) << "it was made";
    probe.cases[1].median = 0.0295;
    EXPECT_FALSE(advised({{8, 8}}, 2, 50, &probe)) << "fewer win nothing";
}

}  // namespace
}  // namespace headrace::compute
