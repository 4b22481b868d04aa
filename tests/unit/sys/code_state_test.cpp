// Which state of its code a program is started from.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "sys/command.h"
#include "sys/helpers.h"
#include "sys/machine.h"

namespace headrace::sys {
namespace {

class GitFolder : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(run_command({"git", "--version"}, {})) << "make setup installs git";
        // What a hook of git sets must not lead to another repository.
        (void)::setenv("GIT_DIR", "/nowhere", 1);
        (void)::setenv("GIT_INDEX_FILE", "/nowhere/index", 1);
    }
    void TearDown() override {
        (void)::unsetenv("GIT_DIR");
        (void)::unsetenv("GIT_INDEX_FILE");
    }
    std::string git(std::vector<std::string> arguments) const {
        const std::vector<std::string> first = {"git",         "-C", folder.path.string(), "-c",
                                                "user.name=t", "-c", "user.email=t@t"};
        arguments.insert(arguments.begin(), first.begin(), first.end());
        CommandOptions options;
        options.unset_prefixes = {"GIT_"};
        options.time_limit = 60'000'000'000;
        const auto output = run_command(arguments, options);
        EXPECT_TRUE(output && output->exit_code == 0) << arguments.back();
        return output ? output->text.substr(0, output->text.find('\n')) : "";
    }
    test::Folder folder;
};

TEST_F(GitFolder, OutsideAWorkTreeHasNoState) {
    const CodeState state = describe_code(folder.path);
    EXPECT_FALSE(state.git_commit);
    EXPECT_FALSE(state.dirty);
    EXPECT_FALSE(describe_code(folder.path / "missing").git_commit);
}

TEST_F(GitFolder, HasACommitAndTellsChangesOfTrackedFiles) {
    (void)git({"init", "-q"});
    EXPECT_FALSE(describe_code(folder.path).git_commit) << "nothing is committed";
    folder.write("train.py", "one\n");
    (void)git({"add", "train.py"});
    (void)git({"commit", "-q", "-m", "first"});
    const std::string commit = git({"rev-parse", "HEAD"});
    EXPECT_EQ(describe_code(folder.path).git_commit, commit);
    EXPECT_EQ(describe_code(folder.path).dirty, false);
    folder.write("below/untracked.py", "new\n");
    EXPECT_EQ(describe_code(folder.path / "below").git_commit, commit);
    EXPECT_EQ(describe_code(folder.path).dirty, false) << "an untracked file is no change";
    folder.write("train.py", "two\n");
    EXPECT_EQ(describe_code(folder.path).dirty, true);
}

TEST_F(GitFolder, IsNotWrittenTo) {
    (void)git({"init", "-q"});
    const auto file = folder.write("train.py", "one\n");
    (void)git({"add", "train.py"});
    (void)git({"commit", "-q", "-m", "first"});
    // A new time of the file makes git want to refresh its index.
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
    const std::string index = test::content_of(folder.path / ".git" / "index");
    EXPECT_EQ(describe_code(folder.path).dirty, false) << "the content is the same";
    EXPECT_EQ(test::content_of(folder.path / ".git" / "index"), index);
}

// ---- the digest

TEST_F(GitFolder, TellsStatesThatAreNotCommittedApart) {
    (void)git({"init", "-q"});
    folder.write("train.py", "one\n");
    folder.write("notes.txt", "one\n");
    (void)git({"add", "."});
    (void)git({"commit", "-q", "-m", "first"});
    const auto digest = [&] { return describe_code(folder.path).digest.value_or("unknown"); };
    const std::string clean = digest();
    ASSERT_EQ(clean.size(), 64U);
    folder.write("train.py", "two\n");
    const std::string two = digest();
    EXPECT_NE(two, clean);
    folder.write("train.py", "three\n");
    EXPECT_NE(digest(), clean);
    EXPECT_NE(digest(), two);
    folder.write("train.py", "two\n");
    EXPECT_EQ(digest(), two);
    folder.write("train.py", "one\n");
    EXPECT_EQ(digest(), clean) << "the times of a file do not count";
    std::filesystem::remove(folder.path / "notes.txt");
    EXPECT_NE(digest(), clean);
    folder.write("notes.txt", "one\n");
    folder.write("below/model.py", "one\n");
    const std::string untracked = digest();
    EXPECT_NE(untracked, clean) << "a Python file that git does not know may be what is tried";
    EXPECT_EQ(describe_code(folder.path / "below").digest, untracked) << "from a folder below, too";
    folder.write("below/model.py", "two\n");
    EXPECT_NE(digest(), untracked);
    folder.write(".gitignore", "below\n");
    (void)git({"add", ".gitignore"});
    (void)git({"commit", "-q", "-m", "second"});
    const std::string second = digest();
    EXPECT_NE(second, clean) << "another commit";
    folder.write("below/model.py", "three\n");
    folder.write("output.csv", "1,2\n");
    EXPECT_EQ(digest(), second) << "neither what git ignores nor what is no Python";
}

TEST_F(GitFolder, IsNotWrittenToByADigestOfChanges) {
    (void)git({"init", "-q"});
    for (const char* name : {"one.py", "two.py", "three.py"}) folder.write(name, "one\n");
    (void)git({"add", "."});
    (void)git({"commit", "-q", "-m", "first"});
    const auto later = std::filesystem::file_time_type::clock::now() + std::chrono::hours(1);
    for (const char* name : {"one.py", "two.py"}) std::filesystem::last_write_time(folder.path / name, later);
    folder.write("three.py", "two\n");
    const std::string index = test::content_of(folder.path / ".git" / "index");
    EXPECT_TRUE(describe_code(folder.path).digest);
    EXPECT_EQ(test::content_of(folder.path / ".git" / "index"), index);
}

TEST_F(GitFolder, HasTheDigestOfItsClone) {
    test::Folder other;
    (void)git({"init", "-q"});
    folder.write("train.py", "one\n");
    (void)git({"add", "."});
    (void)git({"commit", "-q", "-m", "first"});
    (void)git({"clone", "-q", folder.path.string(), (other.path / "clone").string()});
    folder.write("train.py", "two\n");
    other.write("clone/train.py", "two\n");
    EXPECT_EQ(describe_code(other.path / "clone").digest, describe_code(folder.path).digest);
}

TEST_F(GitFolder, IsUnknownWhereAChangeIsTooLargeToRead) {
    (void)git({"init", "-q"});
    folder.write("train.py", "one\n");
    (void)git({"add", "."});
    (void)git({"commit", "-q", "-m", "first"});
    folder.write("train.py", std::string(5 * 1024 * 1024, 'x'));
    const CodeState state = describe_code(folder.path);
    EXPECT_EQ(state.dirty, true);
    EXPECT_FALSE(state.digest);
}

TEST(CodeWithoutGit, IsItsPythonFiles) {
    const test::Folder folder;
    const auto digest = [&] { return describe_code(folder.path).digest.value_or("unknown"); };
    const std::string nothing = digest();
    ASSERT_EQ(nothing.size(), 64U);
    folder.write("train.py", "one\n");
    const std::string one = digest();
    EXPECT_NE(one, nothing);
    folder.write("package/model.py", "two\n");
    const std::string two = digest();
    EXPECT_NE(two, one);
    folder.write(".venv/lib/module.py", "x");
    folder.write("env/lib/site-packages/module.py", "x");
    folder.write("__pycache__/train.py", "x");
    folder.write("data.csv", "x");
    EXPECT_EQ(digest(), two) << "what others wrote, and what is no Python";
    std::filesystem::rename(folder.path / "package", folder.path / "library");
    EXPECT_NE(digest(), two);
}

TEST(CodeWithoutGit, PassesOverFoldersOfData) {
    const test::Folder folder;
    folder.write("train.py", "one\n");
    const auto without = describe_code(folder.path).digest;
    for (int i = 0; i < 1001; ++i) folder.write("data/" + std::to_string(i) + ".txt", "");
    folder.write("data/train.py", "a sample that is a program\n");
    EXPECT_EQ(describe_code(folder.path).digest, without);
}

TEST(CodeWithoutGit, IsUnknownWhereTheFolderIsNotThere) {
    const test::Folder folder;
    EXPECT_FALSE(describe_code(folder.path / "missing").digest);
}

TEST(CodeElsewhere, IsThatOfTheScript) {
    const test::Folder work, code;
    code.write("train.py", "one\n");
    const auto digest = [&] { return describe_code(work.path, code.path).digest; };
    const auto before = digest();
    EXPECT_EQ(before, describe_code(code.path).digest);
    code.write("train.py", "two\n");
    EXPECT_NE(digest(), before);
}

TEST(UserName, IsThatOfThisUser) { EXPECT_FALSE(user_name().empty()); }

}  // namespace
}  // namespace headrace::sys
