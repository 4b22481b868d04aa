#include "audit/gap.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "base/utc.h"

namespace headrace::audit {
namespace {

constexpr double hour = 3600;
const std::int64_t monday = *base::seconds_of_utc("2026-11-02");

// A run that began so many hours after that Monday and took so many.
run::PastRun past(const std::string& id, double begin, double hours, Outcome outcome = Outcome::finished) {
    run::PastRun run;
    run.id = id;
    run.started = base::utc_of_seconds(monday + static_cast<std::int64_t>(begin * hour));
    run.wall_seconds = hours * hour;
    run.outcome = outcome;
    run.user = "ada";
    run.program = "/team/train.py";
    run.experiment = "key of " + id;
    run.trained = true;
    run.validated = outcome == Outcome::finished;
    if (*run.validated) run.result_seconds = 0.9 * run.wall_seconds;
    run.ledger = {{"input.wait", 0.75 * run.wall_seconds}, {"unattributed", 0.25 * run.wall_seconds}};
    return run;
}

run::PastRun of_experiment(run::PastRun run, const std::string& experiment) {
    run.experiment = experiment;
    return run;
}

GapOptions until(double hours) { return {.until = monday + static_cast<std::int64_t>(hours * hour)}; }

double hours_of(const Gap& gap, std::string_view entry) {
    for (std::size_t i = 0; i < gap_entry_count; ++i) {
        if (gap_entry_name(i) == entry) return gap.seconds[i] / hour;
    }
    return -1;
}

std::uint64_t runs_of(const Gap& gap, RunClass what) { return gap.classes[static_cast<std::size_t>(what)].runs; }

TEST(GapAccount, OfNothingIsNothing) {
    const Gap gap = account({}, {}, until(0));
    EXPECT_EQ(gap.runs, 0U);
    EXPECT_EQ(gap.weeks, 0);
    EXPECT_FALSE(gap.results_per_week);
    EXPECT_TRUE(gap.trend.weeks.empty());
}

TEST(GapAccount, PutsEachRunIntoOneClass) {
    std::vector<run::PastRun> runs = {
        past("validated", 0, 1),
        past("unvalidated", 1, 2),
        past("unseen", 2, 3),
        past("untrained", 3, 4),
        of_experiment(past("repeated", 4, 5), "key of validated"),
        past("interrupted", 5, 6, Outcome::interrupted),
        past("killed", 6, 7, Outcome::killed),
        past("failed", 7, 8, Outcome::failed),
        of_experiment(past("comparison", 8, 9), "key of validated"),
    };
    runs[1].validated = false;
    runs[2].validated.reset();
    runs[3].trained = false;
    runs[3].validated = false;
    runs[8].purpose = Purpose::compare;
    const Gap gap = account(runs, {}, until(24 * 7));
    for (std::size_t i = 0; i < run_class_count; ++i) {
        EXPECT_EQ(gap.classes[i].runs, 1U) << name(static_cast<RunClass>(i));
    }
    EXPECT_EQ(gap.runs, 9U);
    EXPECT_EQ(gap.results, 1U);
    EXPECT_EQ(gap.experiments, 7U) << "the repetition is none, nor is the comparison";
    EXPECT_DOUBLE_EQ(gap.weeks, 1);
    EXPECT_DOUBLE_EQ(*gap.results_per_week, 1);
    EXPECT_DOUBLE_EQ(hours_of(gap, "input.wait"), 0.75 * (1 + 2 + 3 + 4));
    EXPECT_DOUBLE_EQ(hours_of(gap, "unattributed"), 0.25 * (1 + 2 + 3 + 4));
    EXPECT_DOUBLE_EQ(hours_of(gap, "repeated"), 5);
    EXPECT_DOUBLE_EQ(hours_of(gap, "interrupted"), 6);
    EXPECT_DOUBLE_EQ(hours_of(gap, "killed"), 7);
    EXPECT_DOUBLE_EQ(hours_of(gap, "failed"), 8);
    EXPECT_DOUBLE_EQ(hours_of(gap, "comparison"), 9);
    EXPECT_DOUBLE_EQ(gap.run_seconds, 45 * hour);
    EXPECT_DOUBLE_EQ(gap.busy_seconds, 17 * hour);
}

TEST(GapAccount, ARetryAfterAFailureRepeatsNothing) {
    const Gap gap =
        account({of_experiment(past("first", 0, 1, Outcome::failed), "key"), of_experiment(past("second", 2, 1), "key"),
                 of_experiment(past("third", 4, 1, Outcome::killed), "key")},
                {}, until(24));
    EXPECT_EQ(runs_of(gap, RunClass::validated), 1U);
    EXPECT_EQ(runs_of(gap, RunClass::repeated), 0U);
    EXPECT_EQ(runs_of(gap, RunClass::failed), 1U);
    EXPECT_EQ(runs_of(gap, RunClass::killed), 1U);
    EXPECT_EQ(gap.experiments, 1U);
    EXPECT_DOUBLE_EQ(gap.seconds_to_result->median, 0.9 * hour);
    EXPECT_DOUBLE_EQ(gap.seconds_from_first_start->median, 2.9 * hour);
}

TEST(GapAccount, OfTwoAtOnceTheFirstThatEndsIsTheResult) {
    run::PastRun other = of_experiment(past("other", 1, 9), "key");
    other.user = "ben";
    const Gap gap = account({other, of_experiment(past("own", 2, 1), "key")}, {}, until(24));
    EXPECT_EQ(gap.results, 1U);
    EXPECT_EQ(runs_of(gap, RunClass::repeated), 1U);
    EXPECT_DOUBLE_EQ(hours_of(gap, "repeated"), 9);
    EXPECT_DOUBLE_EQ(gap.seconds_from_first_start->median, 1.9 * hour);
    ASSERT_EQ(gap.users.size(), 2U);
    EXPECT_EQ(gap.users[0].user, "ada");
    EXPECT_EQ(gap.users[0].results, 1U);
    EXPECT_EQ(gap.users[1].lost_seconds, 9 * hour);
}

TEST(GapAccount, RunsOfUnknownCodeAreExperimentsOfTheirOwn) {
    run::PastRun one = past("one", 0, 1), two = past("two", 2, 1);
    one.experiment.reset();
    two.experiment.reset();
    const Gap gap = account({one, two}, {}, until(24));
    EXPECT_EQ(gap.experiments, 2U);
    EXPECT_EQ(gap.results, 2U);
    EXPECT_EQ(gap.code_unknown, 2U);
}

TEST(GapAccount, CountsARunWhenItEnds) {
    GapOptions options = until(24 * 14);
    options.since = monday + 24 * 7 * 3600;
    const Gap gap = account({past("before", 24 * 7 - 2, 1), past("over the begin", 24 * 7 - 2, 3),
                             past("over the end", 24 * 14 - 1, 2), past("after", 24 * 15, 1)},
                            {}, options);
    EXPECT_EQ(gap.runs, 1U);
    EXPECT_DOUBLE_EQ(gap.run_seconds, 3 * hour) << "with all of its time";
    EXPECT_DOUBLE_EQ(gap.busy_seconds, hour) << "of the period";
    EXPECT_DOUBLE_EQ(gap.weeks, 1);
}

TEST(GapAccount, ARepetitionOfAResultBeforeThePeriodIsOne) {
    GapOptions options = until(24 * 14);
    options.since = monday + 24 * 7 * 3600;
    const Gap gap = account(
        {of_experiment(past("before", 0, 1), "key"), of_experiment(past("within", 24 * 8, 1), "key")}, {}, options);
    EXPECT_EQ(gap.results, 0U);
    EXPECT_EQ(runs_of(gap, RunClass::repeated), 1U);
}

TEST(GapAccount, CountsTheRunsOfOneUser) {
    run::PastRun other = past("other", 0, 5);
    other.user = "ben";
    GapOptions options = until(24 * 7);
    options.user = "ben";
    const Gap gap = account({past("own", 0, 1), other}, {}, options);
    EXPECT_EQ(gap.runs, 1U);
    EXPECT_DOUBLE_EQ(gap.run_seconds, 5 * hour);
    EXPECT_EQ(gap.user, "ben");
}

TEST(GapAccount, GivesNoRateForLessThanADay) {
    EXPECT_FALSE(account({past("one", 0, 1)}, {}, until(23)).results_per_week);
    EXPECT_DOUBLE_EQ(*account({past("one", 0, 1)}, {}, until(24)).results_per_week, 7);
}

TEST(GapAccount, AnEntryOfALaterHeadraceIsUnattributed) {
    run::PastRun run = past("one", 0, 1);
    run.ledger = {{"compute.forward", 600}, {"compute.new", 3000}};
    const Gap gap = account({run}, {}, until(24));
    EXPECT_DOUBLE_EQ(hours_of(gap, "unattributed"), 3000 / hour);
    EXPECT_DOUBLE_EQ(hours_of(gap, "compute.forward"), 600 / hour);
}

// ---- weeks

std::vector<run::PastRun> results_in_weeks(const std::vector<int>& counts) {
    std::vector<run::PastRun> runs;
    for (std::size_t week = 0; week < counts.size(); ++week) {
        for (int i = 0; i < counts[week]; ++i) {
            runs.push_back(
                past(std::to_string(week) + "-" + std::to_string(i), 24 * 7 * static_cast<double>(week) + i, 0.5));
        }
    }
    return runs;
}

TEST(GapWeeks, AreCountedBackFromTheEnd) {
    GapOptions options = until(24 * 24);
    options.since = monday;
    const Gap gap = account(
        {past("first", 1, 1), past("at the end of the first", 24 * 3 - 1, 1), past("last", 24 * 23, 1)}, {}, options);
    ASSERT_EQ(gap.trend.weeks.size(), 4U);
    EXPECT_EQ(gap.trend.weeks[0].begin, "2026-11-02T00:00:00Z");
    EXPECT_EQ(gap.trend.weeks[0].end, "2026-11-05T00:00:00Z") << "what is left comes first";
    EXPECT_EQ(gap.trend.weeks[3].end, "2026-11-26T00:00:00Z");
    EXPECT_EQ(gap.trend.weeks[0].results, 2U);
    EXPECT_EQ(gap.trend.weeks[1].results, 0U);
    EXPECT_EQ(gap.trend.weeks[3].results, 1U);
    EXPECT_EQ(gap.trend.verdict, TrendVerdict::too_few_weeks) << "three whole ones";
}

TEST(GapWeeks, TellATrendWhereThereIsOne) {
    const auto verdict = [](const std::vector<int>& counts) {
        GapOptions options = until(24 * 7 * static_cast<double>(counts.size()));
        options.since = monday;
        return account(results_in_weeks(counts), {}, options).trend.verdict;
    };
    EXPECT_EQ(verdict({1, 2, 3}), TrendVerdict::too_few_weeks);
    EXPECT_EQ(verdict({3, 4, 5, 6}), TrendVerdict::not_told) << "four counts on a line may be chance";
    EXPECT_EQ(verdict({2, 5, 8, 12, 14, 18, 20, 24}), TrendVerdict::rising);
    EXPECT_EQ(verdict({24, 20, 18, 14, 12, 8, 5, 2}), TrendVerdict::falling);
}

TEST(GapWeeks, HoldAllOfThePeriod) {
    const bool held = rc::check("sums over weeks, users, classes and entries are those of the period", [] {
        std::vector<run::PastRun> runs;
        for (int i = *rc::gen::inRange(0, 40); i > 0; --i) {
            run::PastRun run = past(std::to_string(i), *rc::gen::inRange(0, 2000), *rc::gen::inRange(0, 300) / 10.0,
                                    static_cast<Outcome>(*rc::gen::inRange(1, 5)));
            run.user = *rc::gen::arbitrary<bool>() ? "ada" : "ben";
            run.experiment = std::to_string(*rc::gen::inRange(0, 8));
            run.purpose = *rc::gen::inRange(0, 6) == 0 ? Purpose::compare : Purpose::audit;
            runs.push_back(run);
        }
        GapOptions options = until(*rc::gen::inRange(1, 2400));
        if (*rc::gen::arbitrary<bool>()) options.since = options.until - *rc::gen::inRange(3600, 3'000'000);
        const Gap gap = account(runs, {}, options);
        std::uint64_t in_weeks = 0, results = 0, in_classes = 0, of_users = 0;
        double seconds = 0, of_classes = 0, of_entries = std::accumulate(gap.seconds.begin(), gap.seconds.end(), 0.0);
        for (const GapWeek& week : gap.trend.weeks) {
            in_weeks += week.runs;
            results += week.results;
            seconds += week.run_seconds;
        }
        for (const ClassCount& count : gap.classes) {
            in_classes += count.runs;
            of_classes += count.run_seconds;
        }
        for (const GapUser& user : gap.users) of_users += user.runs;
        RC_ASSERT(in_weeks == gap.runs && in_classes == gap.runs && of_users == gap.runs);
        RC_ASSERT(results == gap.results);
        RC_ASSERT(gap.results <= gap.experiments);
        for (const double sum : {seconds, of_classes, of_entries}) {
            RC_ASSERT(std::abs(sum - gap.run_seconds) <= 1e-6 * (1 + gap.run_seconds));
        }
        RC_ASSERT(gap.busy_seconds <= gap.run_seconds + 1e-6);
        RC_ASSERT(gap.busy_seconds <= gap.weeks * base::seconds_of_week + 1e-6);
    });
    EXPECT_TRUE(held);
}

// ---- findings

run::PastFinding finding(const std::string& id, double likely, double low) {
    return {id, "num_workers=2", true, {{1.25, 1.1, 1.5}, {likely, low, 2 * likely}}};
}

Trial trial_of(const std::string& run, const std::string& fix, double measured, double low) {
    Trial trial;
    trial.id = "trial of " + fix;
    trial.run = run;
    trial.started = "2026-11-03T00:00:00Z";
    trial.fixes = {fix};
    trial.fix.workers = 2;
    trial.measured = {measured, low, 2 * measured};
    return trial;
}

TEST(OpenFindings, AreTheBestOfEachProgramsNewestFinishedRun) {
    std::vector<run::PastRun> runs = {past("old", 0, 1), past("new", 2, 1), past("failed", 4, 1, Outcome::failed),
                                      past("other", 6, 2)};
    runs[0].findings = {finding("input.collate", 3000, 3000)};
    runs[1].findings = {finding("input.workers", 720, 360), finding("compute.threads", 900, 180)};
    runs[2].findings = {finding("input.storage", 3000, 3000)};
    runs[3].program = "/team/other.py";
    const Gap gap = account(runs, {}, until(24 * 7));
    ASSERT_EQ(gap.open.size(), 1U);
    const OpenFinding& open = gap.open.front();
    EXPECT_EQ(open.run, "new");
    EXPECT_EQ(open.finding, "input.workers") << "the lower bound counts; and they are not added up";
    EXPECT_EQ(open.runs, 2U);
    EXPECT_FALSE(open.proven);
    EXPECT_DOUBLE_EQ(open.seconds_per_run.likely, 720);
    EXPECT_DOUBLE_EQ(open.run_seconds.likely, 1440);
    EXPECT_DOUBLE_EQ(open.run_seconds.low, 720);
    // Three results of 5 h; without 0.4 h of them as many hours hold 5 / 4.6 times as many.
    EXPECT_NEAR(gap.open_results_per_week->likely, 3 * (5 / 4.6 - 1), 1e-9);
    EXPECT_NEAR(gap.open_results_per_week->low, 3 * (5 / 4.8 - 1), 1e-9);
}

TEST(OpenFindings, SaveTheSameShareOfRunsOfAnotherLength) {
    std::vector<run::PastRun> runs = {past("long", 0, 100), past("short", 101, 1)};
    runs[1].findings = {finding("input.workers", 720, 360)};
    EXPECT_DOUBLE_EQ(account(runs, {}, until(24 * 7)).open.front().run_seconds.likely, 0.2 * 101 * hour);
}

TEST(OpenFindings, AreNotThoseThatATrialDidNotProve) {
    std::vector<run::PastRun> runs = {past("old", 0, 1), past("new", 2, 1)};
    runs[1].findings = {finding("input.workers", 720, 360), finding("compute.threads", 600, 180)};
    const auto found = [&](const std::vector<Trial>& trials) {
        const Gap gap = account(runs, trials, until(24 * 7));
        return gap.open.empty() ? OpenFinding{} : gap.open.front();
    };
    EXPECT_EQ(found({trial_of("new", "input.workers", 1.1, 0.9)}).finding, "compute.threads");
    EXPECT_EQ(found({trial_of("old", "input.workers", 1.1, 0.9)}).finding, "compute.threads")
        << "a trial of an earlier run of the same program";
    Trial other_value = trial_of("new", "input.workers", 1.1, 0.9);
    other_value.fix.workers = 8;
    EXPECT_EQ(found({other_value}).finding, "input.workers") << "something else was tried";
    const OpenFinding proven = found({trial_of("new", "input.workers", 1.6, 1.25)});
    EXPECT_TRUE(proven.proven);
    // 720 s are a fifth of the loop's 3,600 s, by the predicted ratio of 1.25; measured were 1.6 and 1.25.
    EXPECT_NEAR(proven.seconds_per_run.likely, 3600 * (1 - 1 / 1.6), 1e-9);
    EXPECT_NEAR(proven.seconds_per_run.low, 720, 1e-9);
}

TEST(OpenFindings, NeverSaveAWholeRun) {
    std::vector<run::PastRun> runs = {past("one", 0, 1)};
    runs[0].findings = {finding("input.workers", 1e9, 1e8)};
    const Gap gap = account(runs, {}, until(24 * 7));
    EXPECT_DOUBLE_EQ(gap.open.front().run_seconds.likely, 0.95 * hour);
    EXPECT_NEAR(gap.open_results_per_week->likely, 19, 1e-9);
}

TEST(TriedFixes, AreAllUpToTheEnd) {
    GapOptions options = until(24 * 7);
    options.since = monday + 24 * 3 * 3600;
    Trial later = trial_of("one", "compute.threads", 1.2, 1.1);
    later.started = "2026-12-03T00:00:00Z";
    Trial two = trial_of("gone", "input.workers", 1.5, 1.4);
    two.fixes = {"input.workers", "compute.threads"};
    two.predicted = Interval{1.4, 1.2, 1.6};
    two.inside = true;
    const Gap gap = account({past("one", 24 * 4, 1)}, {later, two}, options);
    ASSERT_EQ(gap.fixes.size(), 1U);
    EXPECT_EQ(gap.fixes.front().fix, "input.workers,compute.threads");
    EXPECT_EQ(gap.fixes.front().arguments, "num_workers=2");
    EXPECT_EQ(gap.fixes.front().inside, true);
    options.user = "ada";
    EXPECT_TRUE(account({past("one", 24 * 4, 1)}, {later, two}, options).fixes.empty()) << "of nobody known";
}

}  // namespace
}  // namespace headrace::audit
