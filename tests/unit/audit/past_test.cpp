// Audits as rows of the history: when a result was held, and the run folders that the history does not know.
#include "audit/past.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "audit/figures.h"
#include "audit/made_up.h"
#include "headrace/audit.h"
#include "run/fixture.h"

namespace headrace::audit {
namespace {

using namespace made_up;

constexpr std::uint64_t model = 9;

// Two steps, up to 23 ms.
Thread trained() {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    step(t, 12, train_iterator);
    return t;
}

void evaluate(Thread& thread, double at) {
    thread.moment(Kind::train_mode, at, model, 0)
        .interval(Kind::forward, at + 1, at + 2, model)
        .interval(Kind::forward, at + 3, at + 4, model);
}

TEST(Result, IsHeldAtTheEndOfTheLastEvaluation) {
    Thread t = trained();
    evaluate(t, 30);
    const Audit audit = analyze(run_of({t}, 50));
    ASSERT_TRUE(audit.result_seconds);
    EXPECT_NEAR(*audit.result_seconds, 34e-3, 1e-9);
    EXPECT_FALSE(audit.result_unseen);
    EXPECT_EQ(past_run_of(audit).validated, true);
}

TEST(Result, IsNoneWithoutAnEvaluationAfterTheLastStep) {
    Thread never = trained();
    EXPECT_FALSE(analyze(run_of({never}, 50)).result_seconds);
    EXPECT_EQ(past_run_of(analyze(run_of({never}, 50))).validated, false);
    Thread before = trained();
    evaluate(before, 30);
    before.moment(Kind::train_mode, 35, model, 1);
    step(before, 40, train_iterator);
    const Audit audit = analyze(run_of({before}, 60));
    EXPECT_GT(audit.ranks.front().seconds[static_cast<std::size_t>(Entry::evaluation)], 0);
    EXPECT_FALSE(audit.result_seconds);
}

TEST(Result, IsNoneOfARunThatFailedOrDidNotTrain) {
    Thread t = trained();
    evaluate(t, 30);
    headrace::Run failed = run_of({t}, 50);
    failed.info.outcome = Outcome::failed;
    EXPECT_TRUE(analyze(failed).result_seconds);
    EXPECT_EQ(past_run_of(analyze(failed)).validated, false);
    Thread only(program_pid);
    only.moment(Kind::interpreter, 0);
    evaluate(only, 5);
    const run::PastRun past = past_run_of(analyze(run_of({only}, 50)));
    EXPECT_FALSE(past.trained);
    EXPECT_EQ(past.validated, false);
}

TEST(Result, IsUnknownWhereRecordingHadEndedBefore) {
    Thread t = trained();
    t.moment(Kind::stopped, 24);
    const Audit stopped = analyze(run_of({t}, 500));
    EXPECT_TRUE(stopped.result_unseen);
    EXPECT_EQ(past_run_of(stopped).validated, std::nullopt);
    Thread full = trained();
    full.record().full = true;
    EXPECT_TRUE(analyze(run_of({full}, 500)).result_unseen);
}

TEST(PastRun, HoldsTheWholeTimeOfTheCommand) {
    Audit audit = analyze(run_of({trained()}, 50));
    audit.wall_seconds += 2;  // a launcher, or what was not recorded
    const run::PastRun past = past_run_of(audit);
    const double sum = std::accumulate(past.ledger.begin(), past.ledger.end(), 0.0,
                                       [](double all, const auto& entry) { return all + entry.second; });
    EXPECT_NEAR(sum, past.wall_seconds, 1e-9);
    EXPECT_GE(past.ledger.at("unattributed"), 2 - 1e-9);
    EXPECT_EQ(past.ledger.size(), entry_count);
}

TEST(PastRun, HasTheFindingsThatPromiseAGain) {
    Audit audit = analyze(run_of({trained()}, 50));
    Finding gains, promises_nothing;
    gains.id = "input.workers";
    gains.fix.workers = 2;
    gains.gain = Gain{{1.5, 1.2, 1.8}, {3, 1, 4}};
    promises_nothing.id = "serve.slo";
    audit.findings = {gains, promises_nothing};
    const run::PastRun past = past_run_of(audit);
    ASSERT_EQ(past.findings.size(), 1U);
    EXPECT_EQ(past.findings.front().arguments, "num_workers=2");
    EXPECT_FALSE(past.findings.front().can_be_tried) << "the line of its loader is not known";
    EXPECT_EQ(past.findings.front().gain.seconds_per_run.low, 1);
}

// ---- run folders

class TakeIn : public ::testing::Test {
protected:
    run::Folder put(const std::string& id, headrace::Run run, bool figures = true) const {
        const run::Folder folder{home_.path() / "runs" / id};
        std::filesystem::create_directories(folder.path);
        run.info.id = id;
        run.info.started = "2026-11-27T00:00:00Z";
        const run::Derived derived = figures ? derive(analyze(run)) : run::Derived();
        EXPECT_TRUE(run::write(folder, run, derived));
        return folder;
    }
    static headrace::Run with_result() {
        Thread t = trained();
        evaluate(t, 30);
        return run_of({t}, 50);
    }
    TakenIn taken(const std::set<std::string>& known = {}) const { return take_in(home_.path(), known, {}); }

    run::TemporaryFolder home_;
};

TEST_F(TakeIn, OfNothingIsNothing) { EXPECT_TRUE(taken().runs.empty()); }

TEST_F(TakeIn, GivesTheRunsThatAreNotKnown) {
    put("one", with_result());
    put("two", with_result());
    put("three", run_of({trained()}, 50), false);  // of an earlier headrace: from its spans
    std::filesystem::create_directory(home_.path() / "runs" / "no run");
    const TakenIn found = taken({"two"});
    ASSERT_EQ(found.runs.size(), 2U);
    EXPECT_EQ(found.runs[0].id, "one");
    EXPECT_EQ(found.runs[0].validated, true);
    EXPECT_NEAR(*found.runs[0].result_seconds, 34e-3, 1e-9);
    EXPECT_EQ(found.runs[0].steps, 1U);
    EXPECT_EQ(found.runs[1].id, "three");
    EXPECT_EQ(found.runs[1].validated, false);
    EXPECT_EQ(found.unreadable, 0U);
}

TEST_F(TakeIn, KnowsARunInAFolderOfAnotherName) {
    put("one", with_result());
    std::filesystem::rename(home_.path() / "runs" / "one", home_.path() / "runs" / "kept");
    EXPECT_TRUE(taken({"one"}).runs.empty());
    EXPECT_EQ(taken().runs.size(), 1U);
}

TEST_F(TakeIn, CountsWhatCannotBeReadAndGoesOn) {
    run::put(put("one", with_result()).database(), "no database");
    put("two", with_result());
    const TakenIn found = taken();
    EXPECT_EQ(found.runs.size(), 1U);
    EXPECT_EQ(found.unreadable, 1U);
}

TEST_F(TakeIn, GivesThemInPortions) {
    for (int i = 0; i < 105; ++i) put(std::to_string(1000 + i), run_of({trained()}, 50));
    std::vector<std::size_t> portions, done;
    TakeInOptions options;
    options.keep = [&](std::span<const run::PastRun> runs) { portions.push_back(runs.size()); };
    options.progress = [&](std::size_t so_far, std::size_t all) { done = {so_far, all}; };
    EXPECT_EQ(take_in(home_.path(), {}, options).runs.size(), 105U);
    EXPECT_EQ(portions, (std::vector<std::size_t>{100, 5}));
    EXPECT_EQ(done, (std::vector<std::size_t>{105, 105}));
}

}  // namespace
}  // namespace headrace::audit
