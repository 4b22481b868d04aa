#include "trial/ground.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;

class GroundOfFixes : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "ground-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        here_.cpu = "Example CPU";
        here_.cores_usable = 2;
        fixes_.machine = here_;
        write("import torch\nloader = DataLoader(photos,\n    batch_size=32)\n");
    }
    void TearDown() override { fs::remove_all(folder_); }

    void write(const std::string& source) { std::ofstream(folder_ / "train.py") << source; }

    ProvenFix workers() const {
        ProvenFix fix;
        fix.id = "input.workers";
        fix.changes = Changes::random_streams;
        fix.fix.workers = 2;
        fix.fix.threads = 1;
        fix.loader = ProvenLoader{{"train.py", 2, "RandomSampler", false},
                                  "DataLoader(photos,\n    batch_size=32)",
                                  {0, std::nullopt, false, 32}};
        return fix;
    }
    ProvenFix precision() const {
        ProvenFix fix;
        fix.id = "compute.precision";
        fix.changes = Changes::numerics;
        fix.fix.precision = "bfloat16";
        return fix;
    }
    Chosen choose_now(const std::set<Changes>& allowed = {}) const { return choose(fixes_, here_, allowed, folder_); }
    std::string why_not() const {
        const Chosen chosen = choose_now();
        return chosen.left_out.empty() ? "" : chosen.left_out.front().why;
    }

    fs::path folder_;
    Machine here_;
    ProvenFixes fixes_;
};

TEST_F(GroundOfFixes, HoldsWhereNothingChanged) {
    fixes_.fixes = {workers()};
    const Chosen chosen = choose_now();
    ASSERT_EQ(chosen.applied.size(), 1U);
    EXPECT_TRUE(chosen.left_out.empty());
    EXPECT_EQ(injection_of(chosen),
              "file=train.py\nline=2\nsampler=RandomSampler\nworkers=2\nthreads=1\napplied=input.workers\n"
              "was_workers=0\nwas_persistent_workers=0\nwas_batch_size=32\nthreads_with_loader=1\n");
}

TEST_F(GroundOfFixes, FollowsACallThatMoved) {
    fixes_.fixes = {workers()};
    write("import torch\n\n# more\n\nloader = DataLoader(photos,\n    batch_size=32)\n");
    ASSERT_EQ(choose_now().applied.size(), 1U);
    EXPECT_EQ(choose_now().loader->line, 5U);
}

TEST_F(GroundOfFixes, IsGoneWithTheCall) {
    fixes_.fixes = {workers()};
    const std::string gone = "the loader that it is for is no longer made in train.py as it was";
    write("import torch\nloader = DataLoader(photos, batch_size=64)\n");
    EXPECT_EQ(why_not(), gone);
    write("\n\na = DataLoader(photos,\n    batch_size=32)\nb = DataLoader(photos,\n    batch_size=32)\n");
    EXPECT_EQ(why_not(), gone);
    fs::remove(folder_ / "train.py");
    EXPECT_EQ(why_not(), "train.py, where its loader is made, cannot be read");
    EXPECT_EQ(injection_of(choose_now()), "");
}

TEST_F(GroundOfFixes, IsThatOfTheMachine) {
    fixes_.fixes = {workers()};
    here_.cores_usable = 8;
    EXPECT_EQ(why_not(), "it was proven on Example CPU with 2 cores, and this is Example CPU with 8 cores");
    here_.cores_usable = 2;
    here_.accelerators = {"Example A1"};
    EXPECT_NE(why_not().find("Example CPU with 2 cores and Example A1"), std::string::npos);
}

TEST_F(GroundOfFixes, NeedsAWordForNumerics) {
    fixes_.fixes = {workers(), precision()};
    EXPECT_EQ(why_not(), "it changes numerics: give --allow numerics");
    EXPECT_EQ(choose_now().applied.size(), 1U);
    const Chosen both = choose_now({Changes::numerics});
    EXPECT_EQ(both.applied.size(), 2U);
    EXPECT_NE(injection_of(both).find("precision=bfloat16\n"), std::string::npos);
    EXPECT_NE(injection_of(both).find("applied=input.workers\n"), std::string::npos);
    EXPECT_EQ(choose_now({Changes::semantics}).applied.size(), 1U);
}

TEST_F(GroundOfFixes, ThreadsOfTheirOwnDoNotWaitForALoader) {
    ProvenFix threads;
    threads.id = "compute.threads";
    threads.fix.threads = 1;
    fixes_.fixes = {threads};
    EXPECT_EQ(injection_of(choose_now()), "threads=1\napplied=\n");
    fixes_.fixes = {workers(), threads};
    EXPECT_EQ(injection_of(choose_now()).find("threads_with_loader"), std::string::npos);
}

TEST_F(GroundOfFixes, RefusesTwoThatContradict) {
    ProvenFix other = workers();
    other.id = "input.workers.2";
    other.fix.workers = 3;
    fixes_.fixes = {workers(), other};
    EXPECT_EQ(why_not(), "it sets something else than the fixes before it");
    EXPECT_EQ(choose_now().fix.workers, 2U);
}

}  // namespace
}  // namespace headrace::trial
