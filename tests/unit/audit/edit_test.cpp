#include "audit/edit.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <filesystem>
#include <fstream>

#include "audit/diff.h"

namespace headrace::audit {
namespace {

Fix two_workers() {
    Fix fix;
    fix.workers = 2;
    return fix;
}

std::string edited(std::string_view source, const Fix& fix, std::uint64_t line = 1) {
    return edited_call(source, line, fix).value_or("none");
}

TEST(EditedCall, ReplacesAnArgument) {
    EXPECT_EQ(edited("x = 1\nloader = DataLoader(data, 8, num_workers=args.workers)  # slow\n", two_workers(), 2),
              "@@ -2,1 +2,1 @@\n"
              "-loader = DataLoader(data, 8, num_workers=args.workers)  # slow\n"
              "+loader = DataLoader(data, 8, num_workers=2)  # slow\n");
}

TEST(EditedCall, AddsWhatIsNotThere) {
    Fix fix = two_workers();
    fix.prefetch_factor = 4;
    fix.persistent_workers = true;
    EXPECT_EQ(edited("for x in DataLoader(Data(1, [2, 3]), shuffle=True):", fix),
              "@@ -1,1 +1,1 @@\n"
              "-for x in DataLoader(Data(1, [2, 3]), shuffle=True):\n"
              "+for x in DataLoader(Data(1, [2, 3]), shuffle=True, num_workers=2, prefetch_factor=4, "
              "persistent_workers=True):\n");
}

TEST(EditedCall, KeepsTheShapeOfALongCall) {
    const std::string source =
        "def make():\n"
        "    return torch.utils.data.DataLoader(\n"
        "        data,\n"
        "        batch_size=8,  # small, (for now\n"
        "        collate_fn=lambda b: \")\" + str(b),\n"
        "    )\n";
    EXPECT_EQ(edited(source, two_workers(), 2),
              "@@ -5,0 +6,1 @@\n"
              "+        num_workers=2,\n");
    Fix batch;
    batch.batch_size = 16;
    EXPECT_EQ(edited(source, batch, 2),
              "@@ -4,1 +4,1 @@\n"
              "-        batch_size=8,  # small, (for now\n"
              "+        batch_size=16,  # small, (for now\n");
}

TEST(EditedCall, KnowsABatchSizeWithoutItsName) {
    Fix fix;
    fix.batch_size = 64;
    EXPECT_EQ(edited("DataLoader(data, 32)", fix), "@@ -1,1 +1,1 @@\n-DataLoader(data, 32)\n+DataLoader(data, 64)\n");
}

TEST(EditedCall, TakesAwayWhatOnlyWorkersHave) {
    Fix none;
    none.workers = 0;
    EXPECT_EQ(edited("DataLoader(data, num_workers=2, prefetch_factor=8, persistent_workers=True)", none),
              "@@ -1,1 +1,1 @@\n-DataLoader(data, num_workers=2, prefetch_factor=8, persistent_workers=True)\n"
              "+DataLoader(data, num_workers=0, prefetch_factor=None, persistent_workers=False)\n");
}

TEST(EditedCall, IsLeftToTheUserWhereItIsNotPlain) {
    for (const char* source :
         {"loader = make_loader(data)", "DataLoader(data, **options)", "a, b = DataLoader(x), DataLoader(y)",
          "# DataLoader(data)", "'DataLoader(data)'", "MyDataLoader(data)", "DataLoader(data, 8, True, None)",
          "DataLoader(data", "DataLoader()", "DataLoader", "", "loader = DataLoader(data, num_workers=2)"}) {
        EXPECT_EQ(edited(source, two_workers()), "none") << source;
    }
    Fix larger;
    larger.batch_size = 128;
    for (const char* source : {"DataLoader(data, **options)", "DataLoader(data, *rest)", "DataLoader(*rest, 64)"}) {
        EXPECT_EQ(edited(source, larger), "none") << source;
    }
    EXPECT_NE(edited("DataLoader(data, 64, **options)", larger).find("+DataLoader(data, 128, **options)"),
              std::string::npos);
    Fix none;
    none.workers = 0;
    EXPECT_EQ(edited("DataLoader(data, num_workers=2, **options)", none), "none") << "what only workers have";
    EXPECT_NE(edited("DataLoader(data, num_workers=2, timeout=9, multiprocessing_context=\"spawn\")", none)
                  .find("+DataLoader(data, num_workers=0, timeout=0, multiprocessing_context=None)"),
              std::string::npos);
    EXPECT_EQ(edited("DataLoader(data)", two_workers(), 2), "none");
    EXPECT_EQ(
        edited("DataLoader(data, num_workers=0, **options)", two_workers()),
        "@@ -1,1 +1,1 @@\n-DataLoader(data, num_workers=0, **options)\n+DataLoader(data, num_workers=2, **options)\n");
}

TEST(TextAt, IsTheCallOrTheLine) {
    const std::string source =
        "import torch\n  loader = DataLoader(data,  # all of it\n      batch_size=8)\n  train( )  \n";
    EXPECT_EQ(text_at(source, 2), "DataLoader(data,  # all of it\n      batch_size=8)");
    EXPECT_EQ(text_at(source, 4), "train( )");
    EXPECT_EQ(text_at(source, 5), "");
    EXPECT_EQ(text_at(source, 9), "");
}

TEST(LineOf, FindsATextThatMoved) {
    const std::string text = "DataLoader(data)", source = "a\nb = DataLoader(data)\nc\nd = DataLoader(data)\n";
    EXPECT_EQ(line_of(source, text, 2), 2U) << "where it was, though it stands twice";
    EXPECT_EQ(line_of(source, text, 4), 4U);
    EXPECT_FALSE(line_of(source, text, 1)) << "which of the two";
    EXPECT_EQ(line_of("\n\n\nb = DataLoader(data)\n", text, 2), 4U);
    EXPECT_FALSE(line_of("b = DataLoader(data, 2)\n", text, 1));
    EXPECT_FALSE(line_of(source, "", 1));
}

TEST(WithThreads, StandsBehindTheImport) {
    EXPECT_EQ(with_threads("import os\nimport torch\n\nx = 1\n", 2),
              "import os\nimport torch\n\ntorch.set_num_threads(2)\n\nx = 1\n");
    EXPECT_EQ(with_threads("import torch  # all\nx = 1\n", 1),
              "import torch  # all\n\ntorch.set_num_threads(1)\nx = 1\n");
    EXPECT_EQ(with_threads("import torch", 1), "import torch\n\ntorch.set_num_threads(1)\n");
    EXPECT_FALSE(with_threads("import torchvision\nfrom torch import nn\n    import torch\nimport torch as t\n", 1));
}

TEST(DiffOf, IsOfAFileThatIsAsItWas) {
    std::string pattern = (std::filesystem::temp_directory_path() / "edit-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    const std::filesystem::path folder = pattern;
    std::ofstream(folder / "train.py") << "loader = DataLoader(data)\n";
    Finding finding;
    finding.fix = two_workers();
    finding.loader = LoaderSite{"train.py", 1, "RandomSampler", false};
    RunInfo run;
    run.directory = folder.string();
    run.started = "2100-01-01T00:00:00Z";
    EXPECT_EQ(diff_of(finding, run),
              "--- train.py\n+++ train.py\n@@ -1,1 +1,1 @@\n-loader = DataLoader(data)\n+loader = DataLoader(data, "
              "num_workers=2)\n");
    run.started = "2001-01-01T00:00:00Z";
    EXPECT_EQ(diff_of(finding, run), "") << "it was changed after the run";
    run.started = "2100-01-01T00:00:00Z";
    finding.loader->library = true;
    EXPECT_EQ(diff_of(finding, run), "");
    finding.loader.reset();
    EXPECT_EQ(diff_of(finding, run), "");
    std::filesystem::remove_all(folder);
}

class DiffOfFixes : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "diff-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        run_.directory = folder_.string();
        run_.started = "2100-01-01T00:00:00Z";
        run_.command = {"python", "train.py"};
        fix_ = two_workers();
        fix_.threads = 1;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    void write(const std::string& name, const std::string& source) { std::ofstream(folder_ / name) << source; }

    std::filesystem::path folder_;
    RunInfo run_;
    Fix fix_;
};

TEST_F(DiffOfFixes, HasBothHunksOfOneFile) {
    write("train.py", "import torch\nx = 1\nloader = DataLoader(data)\n");
    const LoaderSite site{"train.py", 3, "RandomSampler", false};
    EXPECT_EQ(diff_of(fix_, site, run_),
              "--- train.py\n+++ train.py\n@@ -1,0 +2,2 @@\n+\n+torch.set_num_threads(1)\n@@ -3,1 +5,1 @@\n-loader = "
              "DataLoader(data)\n+loader = DataLoader(data, num_workers=2)\n");
}

TEST_F(DiffOfFixes, NamesBothFiles) {
    write("train.py", "import torch\n");
    write("data.py", "loader = DataLoader(data)\n");
    const std::string diff = diff_of(fix_, LoaderSite{"data.py", 1, "RandomSampler", false}, run_);
    EXPECT_NE(diff.find("--- train.py\n"), std::string::npos) << diff;
    EXPECT_NE(diff.find("--- data.py\n+++ data.py\n@@ -1,1 +1,1 @@\n"), std::string::npos) << diff;
}

TEST_F(DiffOfFixes, LeavesTheRestToTheUser) {
    write("train.py", "from torch import nn\nloader = make(data)\n");
    fix_.cache_bytes = 1000;
    EXPECT_EQ(diff_of(fix_, LoaderSite{"train.py", 2, "RandomSampler", false}, run_),
              "# by hand: num_workers=2, threads=1, cache_bytes=1000\n");
    fix_ = {};
    EXPECT_EQ(diff_of(fix_, std::nullopt, run_), "");
}

}  // namespace
}  // namespace headrace::audit
