#include <gtest/gtest.h>

#include <string>

#include "run/fixes_file.h"

namespace headrace::run {
namespace {

ProvenFixes two_fixes() {
    ProvenFixes fixes;
    fixes.command = {"python", "train.py", "--name", "two words"};
    fixes.machine.cpu = "Example \"CPU\"\n";
    fixes.machine.cores_usable = 2;
    fixes.machine.accelerators = {"Example A1"};
    ProvenFix workers;
    workers.id = "input.workers";
    workers.changes = Changes::random_streams;
    workers.fix.workers = 2;
    workers.fix.threads = 1;
    workers.fix.persistent_workers = true;
    ProvenLoader loader;
    loader.site = {"src/train.py", 41, "RandomSampler", false};
    loader.call = "DataLoader(photos,\n    batch_size=32)";
    loader.was = {0, std::nullopt, false, 32};
    workers.loader = loader;
    workers.proof = {Interval{1.52, 1.22, 1.88}, {1.51, 1.45, 1.59}, 4, 175, "2026-12-01", "vm"};
    ProvenFix precision;
    precision.id = "compute.precision";
    precision.changes = Changes::numerics;
    precision.fix.precision = "bfloat16";
    precision.proof = {std::nullopt, {1.1, 1, 1.2}, 5, 200, "2026-12-01", "vm"};
    fixes.fixes = {workers, precision};
    return fixes;
}

TEST(FixesFile, ComesBackAsItWas) {
    const ProvenFixes fixes = two_fixes();
    const std::string text = fixes_toml(fixes, "headrace apply -- python train.py");
    const Result<ProvenFixes> read = parse_fixes(text, "headrace.toml");
    ASSERT_TRUE(read) << read.error().message << "\n" << text;
    EXPECT_EQ(read->machine.cpu, fixes.machine.cpu);
    EXPECT_EQ(read->machine.cores_usable, 2);
    EXPECT_EQ(read->machine.accelerators, fixes.machine.accelerators);
    ASSERT_EQ(read->fixes.size(), 2U);
    const ProvenFix& workers = read->fixes[0];
    EXPECT_EQ(workers.id, "input.workers");
    EXPECT_EQ(workers.changes, Changes::random_streams);
    EXPECT_EQ(workers.fix.workers, 2U);
    EXPECT_EQ(workers.fix.threads, 1U);
    EXPECT_EQ(workers.fix.persistent_workers, true);
    EXPECT_FALSE(workers.fix.batch_size);
    ASSERT_TRUE(workers.loader);
    EXPECT_EQ(workers.loader->site.file, "src/train.py");
    EXPECT_EQ(workers.loader->site.line, 41U);
    EXPECT_EQ(workers.loader->call, fixes.fixes[0].loader->call);
    EXPECT_EQ(workers.loader->was.workers, 0U);
    EXPECT_FALSE(workers.loader->was.prefetch_factor);
    EXPECT_EQ(workers.loader->was.persistent_workers, false);
    ASSERT_TRUE(workers.proof.predicted);
    EXPECT_EQ(workers.proof.predicted->high, 1.88);
    EXPECT_EQ(workers.proof.measured.low, 1.45);
    EXPECT_EQ(workers.proof.pairs, 4U);
    EXPECT_EQ(read->fixes[1].fix.precision, "bfloat16");
    EXPECT_FALSE(read->fixes[1].loader);
    EXPECT_FALSE(read->fixes[1].proof.predicted);
    EXPECT_EQ(read->fixes[1].proof.measured.low, 1);
}

TEST(FixesFile, TellsItsProof) {
    const std::string text = fixes_toml(two_fixes(), "headrace apply -- python train.py");
    EXPECT_NE(text.find("#   python train.py --name 'two words'\n"), std::string::npos) << text;
    EXPECT_NE(text.find("# num_workers=2, persistent_workers=True, threads=1\n# predicted 1.52x (1.22 to 1.88), "
                        "measured 1.51x (1.45 to 1.59): 4 pairs of 175 steps on 2026-12-01, on vm\n"),
              std::string::npos)
        << text;
}

std::string problem_with(const std::string& from, const std::string& to) {
    std::string text = fixes_toml(two_fixes(), "headrace apply");
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    const Result<ProvenFixes> read = parse_fixes(text, "f.toml");
    return read ? "" : read.error().message;
}

TEST(FixesFile, RefusesWhatCannotBe) {
    EXPECT_EQ(problem_with("version = 1", "version = 2"),
              "f.toml was written by a newer headrace (version 2): install that one");
    EXPECT_EQ(problem_with("version = 1", ""), "f.toml: version is to be 1");
    EXPECT_EQ(problem_with("workers = 2", "worker = 2"), "f.toml, line 17: there is no setting fix.set.worker");
    EXPECT_EQ(problem_with("workers = 2", "workers = -1"),
              "f.toml, line 17: fix.set.workers is to be a whole number from 0 on");
    EXPECT_EQ(problem_with("threads = 1", "threads = 0"),
              "f.toml, line 17: fix.set.threads is to be a whole number from 1 on");
    EXPECT_EQ(problem_with("persistent_workers = true", "persistent_workers = 1"),
              "f.toml, line 17: fix.set.persistent_workers is to be true or false");
    EXPECT_EQ(problem_with("\"bfloat16\"", "\"float8\""), "f.toml, line 37: fix.set.precision is to be \"bfloat16\"");
    EXPECT_NE(problem_with("\"random_streams\"", "\"something\"").find("fix.changes is to be nothing, rounding"),
              std::string::npos);
    EXPECT_NE(problem_with("{ precision = \"bfloat16\" }", "{}").find("fix.set sets nothing"), std::string::npos);
    EXPECT_NE(problem_with("{ precision = \"bfloat16\" }", "{ workers = 1 }").find("fix.loader is missing"),
              std::string::npos);
    EXPECT_NE(problem_with("line = 41\n", "").find("fix.loader.line is missing"), std::string::npos);
    EXPECT_NE(problem_with("ratio = 1.51", "ratio = nan").find("is to be a number above 0"), std::string::npos);
    EXPECT_NE(problem_with("[machine]", "[machines]").find("there is no setting machines"), std::string::npos);
    EXPECT_NE(problem_with("[[fix]]", "[[fix").find("it is no TOML"), std::string::npos);
}

TEST(FixesFile, OfNothingIsRead) {
    ProvenFixes none = two_fixes();
    none.fixes.clear();
    const Result<ProvenFixes> read = parse_fixes(fixes_toml(none, "headrace apply"), "f.toml");
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->fixes.empty());
}

}  // namespace
}  // namespace headrace::run
