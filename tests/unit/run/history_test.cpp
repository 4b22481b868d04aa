#include "run/history.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "run/processes.h"
#include "run/trial_file.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;

Trial made_up(const std::string& id, double measured) {
    Trial trial;
    trial.id = id;
    trial.run = "run-of-" + id;
    trial.started = "2026-11-27T00:00:00Z";
    trial.fixes = {"input.workers"};
    trial.fix.workers = 2;
    trial.fix.persistent_workers = true;
    trial.predicted = Interval{1.5, 1.2, 1.875};
    trial.measured = {measured, measured, measured};
    trial.interval_scale = 1.25;
    trial.inside = measured > 1.2 && measured < 1.875;
    trial.pairs = {{0.03, 0.02}, {0.031, 0.0201}};
    trial.steps = 200;
    trial.warm_up = 9;
    trial.host = "here";
    trial.cpu = "a processor";
    trial.cores_usable = 1.5;
    return trial;
}

class HistoryTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "headrace-history-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        home_ = name;
    }
    void TearDown() override { fs::remove_all(home_); }

    std::int64_t rows() const {
        SQLite::Database database((home_ / "history.db").string());
        return database.execAndGet("SELECT count(*) FROM trial").getInt64();
    }
    Folder run() const {
        RunInfo info;
        info.started = "2026-11-27T00:00:00Z";
        const Result<Folder> folder = create(home_, info.started);
        info.id = folder->id();
        EXPECT_TRUE(write_info(*folder, info));
        return *folder;
    }
    std::size_t set_aside() const {
        std::size_t count = 0;
        for (const auto& entry : fs::directory_iterator(home_)) {
            count += entry.path().filename().string().find(".damaged-") != std::string::npos ? 1 : 0;
        }
        return count;
    }

    fs::path home_;
};

TEST(TrialFile, ComesBackAsItWas) {
    Trial trial = made_up("one", 1.4);
    trial.fixes = {"input.workers", "compute.threads"};
    trial.sandbox = false;
    const Result<Trial> back = parse_trial(trial_json(trial));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(trial_json(*back), trial_json(trial));
    EXPECT_EQ(back->fixes, trial.fixes);
    trial.predicted.reset();
    trial.inside.reset();
    EXPECT_EQ(trial_json(*parse_trial(trial_json(trial))), trial_json(trial));
}

TEST(TrialFile, DamageIsTold) {
    const std::string good = trial_json(made_up("one", 1.4));
    for (const std::string& bad : {std::string(), std::string("[]"), good.substr(0, good.size() / 2),
                                   std::string(good).replace(good.find("1.4"), 3, "-1.")}) {
        const Result<Trial> trial = parse_trial(bad);
        ASSERT_FALSE(trial) << bad;
        EXPECT_EQ(trial.error().code, ErrorCode::damaged);
    }
    std::string newer = good;
    newer.replace(newer.find("trial/1"), 7, "trial/2");
    EXPECT_EQ(parse_trial(newer).error().code, ErrorCode::newer_version);
}

TEST_F(HistoryTest, KeepsTrials) {
    ASSERT_TRUE(add_to_history(home_, made_up("one", 1.4)));
    ASSERT_TRUE(add_to_history(home_, made_up("two", 1.6)));
    ASSERT_TRUE(add_to_history(home_, made_up("two", 1.6))) << "a second time changes nothing";
    EXPECT_EQ(rows(), 2);
}

TEST_F(HistoryTest, DamagedIsSetAsideAndMadeAnew) {
    const Folder folder = run();
    ASSERT_TRUE(keep_trial(folder, made_up("one", 1.4)));
    ASSERT_TRUE(add_to_history(home_, made_up("one", 1.4)));
    std::ofstream(home_ / "history.db") << "no database, however one looks at it";
    ASSERT_TRUE(add_to_history(home_, made_up("two", 1.6)));
    EXPECT_EQ(rows(), 2);
    EXPECT_EQ(set_aside(), 1U);
    // Damage in the middle, which SQLite itself would not notice here.
    const auto size = fs::file_size(home_ / "history.db");
    std::fstream file(home_ / "history.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 2));
    file << std::string(static_cast<std::size_t>(size / 2), '\xff');
    file.close();
    ASSERT_TRUE(add_to_history(home_, made_up("three", 1.5)));
    EXPECT_EQ(set_aside(), 2U);
    EXPECT_EQ(rows(), 2) << "one of the run folder, and the new one";
}

TEST_F(HistoryTest, OfANewerHeadraceIsLeftAlone) {
    ASSERT_TRUE(add_to_history(home_, made_up("one", 1.4)));
    {
        SQLite::Database database((home_ / "history.db").string(), SQLite::OPEN_READWRITE);
        database.exec("PRAGMA user_version = 3");
    }
    const Result<void> added = add_to_history(home_, made_up("two", 1.4));
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, ErrorCode::newer_version);
    EXPECT_EQ(rows(), 1);
    EXPECT_EQ(set_aside(), 0U);
}

TEST_F(HistoryTest, SeveralProcessesMayWrite) {
    constexpr int writers = 6, each = 5;
    const auto write = [&](int writer) {
        bool good = true;
        for (int i = 0; i < each; ++i) {
            const std::string id = std::to_string(writer) + "-" + std::to_string(i);
            good = add_to_history(home_, made_up(id, 1.4)).has_value() && good;
        }
        return good;
    };
    EXPECT_EQ(processes_that_succeed(writers, write), writers);
    EXPECT_EQ(rows(), writers * each);
}

TEST_F(HistoryTest, ErrorsMakeIntervalsWiderAndHitsNarrower) {
    const std::string later = "2026-11-28T00:00:00Z";
    EXPECT_TRUE(interval_scales(home_, later).empty());
    for (int i = 0; i < 12; ++i) ASSERT_TRUE(add_to_history(home_, made_up("hit" + std::to_string(i), 1.5)));
    // Four of the model's own, and 12 without any error.
    EXPECT_NEAR(interval_scales(home_, later).at("input.workers"), 0.5, 1e-9);
    ASSERT_TRUE(add_to_history(home_, made_up("miss", 0.5)));
    const double deviation = std::log(1.875 / 1.2) / (2 * 1.6449) / 1.25;  // of the model itself
    const double error = std::log(0.5 / 1.5) / deviation;
    EXPECT_NEAR(interval_scales(home_, later).at("input.workers"), std::sqrt((4 + error * error) / 17), 1e-6);
    EXPECT_TRUE(interval_scales(home_, "2026-11-27T00:00:00Z").empty()) << "of a run before them";
}

TEST_F(HistoryTest, OneRunCountsOnceAndTheTrialsOwnNoiseDoesNot) {
    Trial trial = made_up("first", 0.5);
    trial.run = "a run";
    ASSERT_TRUE(add_to_history(home_, trial));
    trial = made_up("second", 1.5);
    trial.run = "a run";
    ASSERT_TRUE(add_to_history(home_, trial));
    EXPECT_NEAR(interval_scales(home_, "2026-11-28T00:00:00Z").at("input.workers"), std::sqrt(4.0 / 5), 1e-9);
    trial = made_up("noisy", 1.3);
    trial.measured = {1.3, 0.9, 1.9};
    ASSERT_TRUE(add_to_history(home_, trial));
    EXPECT_NEAR(interval_scales(home_, "2026-11-28T00:00:00Z").at("input.workers"), std::sqrt(4.0 / 6), 1e-9);
}

TEST_F(HistoryTest, AnEmptyFileIsMadeAnew) {
    const Folder folder = run();
    ASSERT_TRUE(keep_trial(folder, made_up("one", 1.4)));
    std::ofstream(home_ / "history.db").close();
    ASSERT_TRUE(add_to_history(home_, made_up("two", 1.6)));
    EXPECT_EQ(rows(), 2);
}

TEST(ScaledInterval, IsWiderOnBothSides) {
    const Interval wide = scaled({1.5, 1.2, 1.875}, 2);
    EXPECT_DOUBLE_EQ(wide.predicted, 1.5);
    EXPECT_NEAR(wide.low, 1.5 * 0.8 * 0.8, 1e-12);
    EXPECT_NEAR(wide.high, 1.5 * 1.25 * 1.25, 1e-12);
}

TEST(KindOfFinding, LeavesTheNumberOut) {
    EXPECT_EQ(kind_of("input.workers"), "input.workers");
    EXPECT_EQ(kind_of("input.workers.2"), "input.workers");
    EXPECT_EQ(kind_of("odd"), "odd");
}

}  // namespace
}  // namespace headrace::run
