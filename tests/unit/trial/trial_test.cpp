#include "trial/trial.h"

#include <gtest/gtest.h>

namespace headrace::trial {
namespace {

Audit audited() {
    Audit audit;
    audit.run.id = "20261127T000000.000Z-0123abcd";
    audit.run.command = {"python", "train.py"};
    audit.run.directory = "/work";
    audit.run.outcome = Outcome::finished;
    audit.ranks.emplace_back();
    audit.ranks.front().seconds[static_cast<std::size_t>(Entry::startup_imports)] = 3;
    audit.ranks.front().seconds[static_cast<std::size_t>(Entry::input_wait)] = 50;
    audit.steady.steps = 1000;
    audit.steady.step_seconds_median = 0.02;
    Loader loader;
    loader.batch_size = 8;
    loader.workers = 1;
    loader.prefetch_factor = 2;
    audit.loaders = {loader};
    Finding finding;
    finding.id = "input.workers";
    finding.fix.workers = 2;
    finding.fix.prefetch_factor = 4;
    finding.gain = Gain{{1.5, 1.2, 1.875}, {20, 10, 28}};
    finding.loader = LoaderSite{"train.py", 7, "RandomSampler", false};
    audit.findings = {finding};
    return audit;
}

TEST(TrialPlan, MeasuresSecondsOfStepsAfterTheWarmUp) {
    const auto plan = plan_trial(audited(), {{"input.workers"}, std::nullopt, std::nullopt});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->pairs, 5U);
    EXPECT_EQ(plan->warm_up, 2U * 2 * 4 + 1);
    EXPECT_EQ(plan->steps, 400U);
    EXPECT_NEAR(plan->seconds, 10 * (3 + (400 + 17) * 0.02), 1e-9);
    EXPECT_EQ(plan->fix.workers, 2U);
}

TEST(TrialPlan, TakesNoMoreStepsThanThereAre) {
    Audit audit = audited();
    audit.steady.steps = 60;
    const auto plan = plan_trial(audit, {{"input.workers"}, 3, 500});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->steps, 60U - 17);
    audit.steady.steps = 30;
    const auto too_few = plan_trial(audit, {{"input.workers"}, 3, 500});
    ASSERT_FALSE(too_few);
    EXPECT_EQ(too_few.error().code, ErrorCode::not_enough_data);
    audit.stopped = true;  // by --max-steps: the program has more
    EXPECT_TRUE(plan_trial(audit, {{"input.workers"}, 3, 500}));
}

TEST(TrialPlan, CountsTheStepsThatLargerBatchesLeave) {
    Audit audit = audited();
    audit.findings.front().fix = {};
    audit.findings.front().fix.batch_size = 16;
    audit.steady.steps = 60;
    const auto plan = plan_trial(audit, {{"input.workers"}, 3, 500});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->samples, 2);
    EXPECT_EQ(plan->steps, 30U - plan->warm_up);
    audit.steady.steps = 40;
    EXPECT_FALSE(plan_trial(audit, {{"input.workers"}, 3, 500}));
}

TEST(TrialPlan, RefusesWhatCannotBePutIn) {
    Audit audit = audited();
    EXPECT_EQ(plan_trial(audit, {{"input.nothing"}, {}, {}}).error().code, ErrorCode::not_found);
    Finding other = audit.findings.front();
    other.id = "input.workers.2";
    other.fix.workers = 3;
    audit.findings.push_back(other);
    EXPECT_EQ(plan_trial(audit, {{"input.workers", "input.workers.2"}, {}, {}}).error().code, ErrorCode::unsupported);
    audit.findings.front().loader.reset();
    EXPECT_EQ(plan_trial(audit, {{"input.workers"}, {}, {}}).error().code, ErrorCode::unsupported);
}

TEST(TrialPlan, LeavesOutTheFirstPassWithACache) {
    Audit audit = audited();
    Finding& finding = audit.findings.front();
    finding.id = "prep.cache";
    finding.kind = FixKind::sample_cache;
    finding.fix = {};
    finding.fix.cache_bytes = 1 << 20;
    const TrialWishes wishes{{"prep.cache"}, {}, {}};
    const auto once = plan_trial(audit, wishes);
    ASSERT_FALSE(once);
    EXPECT_EQ(once.error().code, ErrorCode::not_enough_data);
    EXPECT_NE(once.error().message.find("second pass"), std::string::npos);
    audit.steady.pass_steps = 250;
    const auto plan = plan_trial(audit, wishes);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->warm_up, 250U + 2U * 1 * 2 + 1);
    audit.steady.steps = 250 + 5 + 19;
    EXPECT_EQ(plan_trial(audit, wishes).error().code, ErrorCode::not_enough_data);
    audit.steady.steps = 250 + 5 + 20;
    EXPECT_EQ(plan_trial(audit, wishes)->steps, 20U);
    finding.loader.reset();
    EXPECT_EQ(plan_trial(audit, wishes).error().code, ErrorCode::unsupported);
}

TEST(TrialPlan, JoinsFindingsThatAgree) {
    Audit audit = audited();
    Finding threads;
    threads.id = "compute.threads";
    threads.fix.threads = 1;
    threads.fix.workers = 2;
    audit.findings.push_back(threads);
    const auto plan = plan_trial(audit, {{"input.workers", "compute.threads"}, {}, {}});
    ASSERT_FALSE(plan) << "the second changes a loader that was not seen being made";
    audit.findings.back().fix.workers.reset();
    const auto joined = plan_trial(audit, {{"input.workers", "compute.threads"}, {}, {}});
    ASSERT_TRUE(joined) << joined.error().message;
    EXPECT_EQ(joined->fix.threads, 1U);
    EXPECT_EQ(joined->fix.workers, 2U);
    EXPECT_EQ(joined->findings.size(), 2U);
}

}  // namespace
}  // namespace headrace::trial
