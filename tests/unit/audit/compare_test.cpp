#include "audit/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace headrace::audit {
namespace {

constexpr std::size_t entry_of(Entry entry) { return static_cast<std::size_t>(entry); }

// A finished training of 100 steps of 8 samples: 2 s of imports, 1 s of evaluation, the rest computing.
Audit training(const std::string& id, double step_seconds = 0.1) {
    Audit audit;
    audit.run.id = id;
    audit.run.command = {"python", "train.py"};
    audit.run.outcome = Outcome::finished;
    audit.run.machine.cpu = "Example CPU";
    audit.run.machine.cores_usable = 2;
    audit.run.machine.memory_bytes = 24LL << 30;
    audit.trained = true;
    audit.steady.steps = 99;
    audit.steady.batch_size = 8;
    audit.steady.pass_steps = 50;
    audit.steady.samples_per_second = 8 / step_seconds;
    audit.steady.step_seconds_median = step_seconds;
    audit.ranks.resize(1);
    Ledger& ledger = audit.ranks.front();
    ledger.seconds[entry_of(Entry::startup_imports)] = 2;
    ledger.seconds[entry_of(Entry::evaluation)] = 1;
    ledger.seconds[entry_of(Entry::compute_forward)] = 100 * step_seconds;
    ledger.wall_seconds = 3 + 100 * step_seconds;
    audit.wall_seconds = ledger.wall_seconds;
    return audit;
}

std::vector<Audit> group(const std::string& letter, std::initializer_list<double> step_seconds) {
    std::vector<Audit> audits;
    for (const double seconds : step_seconds) {
        audits.push_back(training(letter + std::to_string(audits.size() + 1), seconds));
    }
    return audits;
}

std::string refusal(const Audit& other) {
    const std::vector<Audit> before{training("a1")}, after{other};
    const Result<ComparedWork> work = same_work(before, after);
    return work ? "" : work.error().message;
}

TEST(SameWork, OfEqualRuns) {
    const std::vector<Audit> before = group("a", {0.1, 0.1}), after = group("b", {0.2});
    const Result<ComparedWork> work = same_work(before, after);
    ASSERT_TRUE(work);
    EXPECT_TRUE(work->trained);
    EXPECT_TRUE(work->evaluated);
    EXPECT_EQ(work->steps, 100U);
    EXPECT_EQ(work->samples, 800U);
}

TEST(SameWork, RefusesOtherSteps) {
    Audit other = training("b1");
    other.steady.steps = 98;
    EXPECT_EQ(refusal(other),
              "the runs did not do the same work: run a1 trained for 100 steps of 8 samples, run b1 for 99 steps of 8 "
              "samples");
}

TEST(SameWork, LetsTheBatchBeAnotherOne) {
    Audit other = training("b1");
    other.steady.batch_size = 16;
    other.steady.steps = 49;  // 50 of 16
    other.steady.pass_steps = 25;
    const std::vector<Audit> before{training("a1")}, after{other};
    const Result<ComparedWork> work = same_work(before, after);
    ASSERT_TRUE(work) << work.error().message;
    EXPECT_FALSE(work->steps);
    other.steady.steps = 45;  // four batches fewer than two passes have at their ends
    EXPECT_NE(refusal(other), "");
}

TEST(SameWork, CountsTheSamplesOfAllRanks) {
    Audit other = training("b1");
    other.ranks.resize(2, other.ranks.front());
    EXPECT_NE(refusal(other).find("on each of 2 ranks"), std::string::npos) << refusal(other);
    other.steady.steps = 49;
    other.steady.pass_steps = 25;
    EXPECT_EQ(refusal(other), "");
}

TEST(SameWork, RefusesAnEvaluationOnOneSide) {
    Audit other = training("b1");
    other.ranks.front().seconds[entry_of(Entry::evaluation)] = 0;
    EXPECT_EQ(refusal(other), "the runs did not do the same work: run a1 evaluated its model, run b1 did not");
}

TEST(SameWork, RefusesWhatDidNotFinish) {
    Audit other = training("b1");
    other.run.outcome = Outcome::failed;
    EXPECT_EQ(refusal(other), "run b1 failed: only runs that finished can be compared");
    other.run.outcome = Outcome::running;
    EXPECT_EQ(refusal(other), "run b1 is still going on: only runs that finished can be compared");
}

TEST(SameWork, RefusesAnotherMachineButNotAnotherName) {
    Audit other = training("b1");
    other.run.machine.host = "another";
    EXPECT_EQ(refusal(other), "");
    other.run.machine.cores_usable = 4;
    EXPECT_EQ(
        refusal(other),
        "the runs were made on other machines: run a1 on Example CPU, 2 cores, 24.0 GiB, run b1 on Example CPU, 4 "
        "cores, 24.0 GiB");
}

TEST(SameWork, RefusesTrainingBesideNone) {
    Audit other = training("b1");
    other.trained = false;
    EXPECT_NE(refusal(other).find("run b1 for no training step"), std::string::npos) << refusal(other);
}

TEST(Compare, ByTurnsTakesTheDifferencesOfPairs) {
    // The machine became 30 % slower meanwhile, which the pairs do not know.
    const std::vector<Audit> before = group("a", {0.100, 0.110, 0.120, 0.130});
    const std::vector<Audit> after = group("b", {0.110, 0.121, 0.132, 0.143});
    const Result<Comparison> comparison = compare(before, after, {.max_regression = 0.02, .by_turns = true});
    ASSERT_TRUE(comparison);
    EXPECT_EQ(comparison->spread, Spread::pairs);
    ASSERT_TRUE(comparison->steps);
    EXPECT_NEAR(comparison->steps->value, 1 / 1.1, 1e-9);
    EXPECT_NEAR(*comparison->steps->high, 1 / 1.1, 1e-9);
    EXPECT_TRUE(comparison->regression);
    EXPECT_EQ(comparison->verdict, Verdict::slower);
    const ComparedPart& forward = comparison->parts[entry_of(Entry::compute_forward)];
    EXPECT_EQ(forward.name, "compute.forward");
    EXPECT_NEAR(forward.before_seconds, 11.5, 1e-9);
    EXPECT_NEAR(forward.difference.value, 1.15, 1e-9);
    EXPECT_LT(*forward.difference.low, 1.15);
    EXPECT_EQ(comparison->parts[entry_of(Entry::startup_imports)].difference.value, 0);
}

TEST(Compare, OfGroupsDoesNotKnowWhichWereNeighbours) {
    const std::vector<Audit> before = group("a", {0.100, 0.110, 0.120, 0.130});
    const std::vector<Audit> after = group("b", {0.110, 0.121, 0.132, 0.143});
    const Result<Comparison> comparison = compare(before, after, {.max_regression = 0.02});
    ASSERT_TRUE(comparison);
    EXPECT_EQ(comparison->spread, Spread::groups);
    EXPECT_FALSE(comparison->regression);
    EXPECT_EQ(comparison->verdict, Verdict::no_difference);
}

TEST(Compare, KnowsOfTheMachineWhatARunDoesNotShow) {
    const std::vector<Audit> before = group("a", {0.100, 0.1001, 0.1}), after = group("b", {0.105, 0.1051, 0.105});
    EXPECT_TRUE(compare(before, after, {})->regression);
    const RunSpread known{{0.05, 12}, {0.05, 12}};
    const Result<Comparison> comparison = compare(before, after, {.known = known});
    EXPECT_EQ(comparison->spread, Spread::machine);
    EXPECT_FALSE(comparison->regression);
    EXPECT_DOUBLE_EQ(*comparison->deviation, 0.05);
}

TEST(Compare, OfSingleRunsNeedsWhatTheMachineHasShown) {
    const std::vector<Audit> before = group("a", {0.1}), after = group("b", {0.2});
    const Result<Comparison> nothing = compare(before, after, {});
    EXPECT_EQ(nothing->verdict, Verdict::unknown);
    EXPECT_FALSE(nothing->regression);
    EXPECT_FALSE(nothing->steps->low);
    EXPECT_NEAR(nothing->steps->value, 0.5, 1e-9);
    EXPECT_FALSE(nothing->deviation);
    const RunSpread two_pairs{{0.03, 2}, {0.03, 2}}, enough{{0.03, 3}, {0.03, 3}};
    EXPECT_EQ(compare(before, after, {.known = two_pairs})->verdict, Verdict::unknown);
    EXPECT_TRUE(compare(before, after, {.known = enough})->regression);
}

TEST(Compare, AllowsWhatIsAllowed) {
    const std::vector<Audit> before = group("a", {0.1, 0.1}), after = group("b", {0.104, 0.104});
    EXPECT_TRUE(compare(before, after, {.max_regression = 0.03, .by_turns = true})->regression);
    const Result<Comparison> allowed = compare(before, after, {.max_regression = 0.05, .by_turns = true});
    EXPECT_FALSE(allowed->regression);
    EXPECT_EQ(allowed->verdict, Verdict::slower);
}

TEST(Compare, SeesAStartThatTakesLonger) {
    std::vector<Audit> before = group("a", {0.1, 0.1}), after = group("b", {0.1, 0.1});
    for (Audit& audit : after) audit.ranks.front().wall_seconds += 2;
    const Result<Comparison> comparison = compare(before, after, {.max_regression = 0.02, .by_turns = true});
    EXPECT_TRUE(comparison->regression);
    EXPECT_NEAR(comparison->steps->value, 1, 1e-9);
    EXPECT_NEAR(comparison->run.value, 13.0 / 15, 1e-9);
}

TEST(Compare, OfRunsWhoseSamplesAreNotKnownTakesTheirSteps) {
    std::vector<Audit> before = group("a", {0.1, 0.1}), after = group("b", {0.05, 0.05});
    for (std::vector<Audit>* audits : {&before, &after}) {
        for (Audit& audit : *audits) audit.steady.samples_per_second.reset();
    }
    EXPECT_NEAR(compare(before, after, {.by_turns = true})->steps->value, 2, 1e-9);
    before.front().steady.samples_per_second = 80;
    EXPECT_NEAR(compare(before, after, {.by_turns = true})->steps->value, 2, 1e-9);
    before.front().steady.step_seconds_median.reset();
    EXPECT_FALSE(compare(before, after, {.by_turns = true})->steps);
}

TEST(Compare, TakesTheTypicalPaceWhereAllRunsHaveIt) {
    std::vector<Audit> before = group("a", {0.1, 0.1}), after = group("b", {0.1, 0.1});
    for (Audit& audit : before) audit.steady.typical_samples_per_second = 100;
    for (Audit& audit : after) audit.steady.typical_samples_per_second = 110;
    const Result<Comparison> comparison = compare(before, after, {.by_turns = true});
    EXPECT_NEAR(comparison->steps->value, 1.1, 1e-9);
    EXPECT_EQ(comparison->after.runs.front().samples_per_second, 110);
    after.back().steady.typical_samples_per_second.reset();
    EXPECT_NEAR(compare(before, after, {.by_turns = true})->steps->value, 1, 1e-9);
}

run::EqualRuns equal_runs(std::initializer_list<std::pair<double, double>> runs) {
    run::EqualRuns group;
    for (const auto& [pace, wall] : runs) {
        run::EqualRun one;
        one.id = "r" + std::to_string(group.runs.size());
        one.wall_seconds = wall;
        if (pace > 0) one.samples_per_second = pace;
        group.runs.push_back(one);
    }
    return group;
}

TEST(SpreadOfRuns, IsPooledOverGroups) {
    const std::vector<run::EqualRuns> groups{equal_runs({{100, 10}, {110, 11}}),
                                             equal_runs({{0, 20}, {0, 20}, {0, 22}})};
    const RunSpread spread = spread_of(groups, {});
    EXPECT_EQ(spread.steps.degrees, 1);
    EXPECT_NEAR(spread.steps.deviation, std::log(1.1) / std::sqrt(2.0), 1e-12);
    EXPECT_EQ(spread.run.degrees, 3);
    EXPECT_EQ(spread_of(groups, {"r1"}).steps.degrees, 0) << "it is compared itself";
    EXPECT_EQ(spread_of(groups, {"r1"}).run.degrees, 1);
}

// How often equal programs are called different, and how often the interval holds the true ratio: on a machine that
// drifts by 10 % in an hour and whose runs differ by 1.5 %.
TEST(Compare, HoldsTheTrueRatioAsOftenAsItPromises) {
    std::mt19937_64 random(7);
    std::normal_distribution<double> noise(0, 0.015);
    constexpr int rounds = 4'000, runs = 5;
    int holds = 0, alarms = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<Audit> before, after;
        for (int i = 0; i < runs; ++i) {
            const double drift = 0.1 * i / runs;
            before.push_back(training("a" + std::to_string(i), 0.1 * std::exp(drift + noise(random))));
            after.push_back(training("b" + std::to_string(i), 0.1 * std::exp(drift + 0.01 + noise(random))));
        }
        const Result<Comparison> comparison = compare(before, after, {.max_regression = 0.02, .by_turns = true});
        holds += *comparison->steps->low <= std::exp(-0.01) && std::exp(-0.01) <= *comparison->steps->high ? 1 : 0;
        alarms += comparison->regression ? 1 : 0;
    }
    EXPECT_NEAR(holds / static_cast<double>(rounds), 0.95, 0.012);
    EXPECT_LT(alarms, 0.025 * rounds);  // a true regression of 1 % is within the 2 % that are allowed
}

}  // namespace
}  // namespace headrace::audit
