#include "run/experiment.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>

#include "run/fixture.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;

CodeState known_code() { return {"a commit", false, "a digest"}; }

class ExperimentTest : public ::testing::Test {
protected:
    std::string key(const std::vector<std::string>& command, const CodeState& code = known_code()) const {
        return Experiment(command, folder_.path()).key(code).value_or("unknown");
    }
    void write(const std::string& name, const std::string& content) const { put(folder_.path() / name, content); }
    // What the program writes while it runs: a file has its old time where the clock of the file system is coarse.
    void write_later(const std::string& name, const std::string& content) const {
        write(name, content);
        fs::last_write_time(folder_.path() / name, fs::file_time_type::clock::now() + std::chrono::hours(1));
    }

    TemporaryFolder folder_;
};

TEST_F(ExperimentTest, IsEqualForEqualRuns) {
    const std::string one = key({"python", "train.py", "--seed", "1"});
    EXPECT_EQ(one.size(), 32U);
    EXPECT_EQ(key({"python", "train.py", "--seed", "1"}), one);
    EXPECT_NE(key({"python", "train.py", "--seed", "2"}), one) << "another seed is another experiment";
    EXPECT_NE(key({"python", "train.py", "--seed", "1", ""}), one);
    EXPECT_NE(key({"python", "train.py", "--seed1"}), key({"python", "train.py", "--seed", "1"}));
    EXPECT_NE(key({"python", "train.py", "--seed", "1"}, {"a commit", true, "another digest"}), one);
}

TEST_F(ExperimentTest, IsUnknownWhereTheCodeIs) {
    EXPECT_EQ(key({"python", "train.py"}, {"a commit", true, std::nullopt}), "unknown");
}

TEST_F(ExperimentTest, HasTheContentsOfTheFilesThatArgumentsName) {
    write("train.yaml", "rate: 1");
    const std::vector<std::string> separate = {"python", "train.py", "--config", "train.yaml"};
    const std::vector<std::string> joined = {"python", "train.py", "--config=train.yaml"};
    const std::string one = key(separate), other = key(joined);
    write("train.yaml", "rate: 2");
    EXPECT_NE(key(separate), one);
    EXPECT_NE(key(joined), other);
    write("train.yaml", "rate: 1");
    EXPECT_EQ(key(separate), one);
}

TEST_F(ExperimentTest, HasNoContentsOfDataAndFolders) {
    const std::vector<std::string> command = {"python", "train.py", "--data", "data.tar", "."};
    write("data.tar", std::string(1024 * 1024 + 1, '1'));
    const std::string one = key(command);
    write("data.tar", std::string(1024 * 1024 + 1, '2'));
    EXPECT_EQ(key(command), one);
}

TEST_F(ExperimentTest, LeavesOutWhatTheProgramWrites) {
    const std::vector<std::string> command = {"python", "train.py", "--log", "train.log"};
    const Experiment first(command, folder_.path());
    write_later("train.log", "the first run");  // was not there at the start
    const Experiment second(command, folder_.path());
    write_later("train.log", "the second run, which is longer");
    EXPECT_EQ(first.key(known_code()), second.key(known_code()));
}

TEST_F(ExperimentTest, TakesConfigurationAsItWasAtTheStart) {
    const std::vector<std::string> command = {"python", "train.py", "--config", "train.yaml"};
    write("train.yaml", "rate: 1");
    const Experiment first(command, folder_.path());
    write_later("train.yaml", "rate: 2, for the next run");
    const Experiment second(command, folder_.path());
    write_later("train.yaml", "rate: 3, for the one after it");
    EXPECT_NE(first.key(known_code()), second.key(known_code()));
}

TEST_F(ExperimentTest, DoesNotWaitForAPipe) {
    ASSERT_EQ(::mkfifo((folder_.path() / "pipe").c_str(), 0600), 0);
    EXPECT_EQ(key({"python", "pipe"}).size(), 32U);
}

TEST(ProgramOfACommand, IsItsScriptOrModule) {
    EXPECT_EQ(program_of({"python", "-u", "src/../train.py", "other.py"}, "/team"), "/team/train.py");
    EXPECT_EQ(program_of({"torchrun", "--nproc", "2", "/code/train.py"}, "/team"), "/code/train.py");
    EXPECT_EQ(program_of({"python", "-m", "package.train", "--x"}, "/team"), "package.train");
    EXPECT_EQ(program_of({"python", "-m", "torch.distributed.run", "train.py"}, "/team"), "/team/train.py");
    EXPECT_EQ(program_of({"train-model", "-m"}, "/team"), "train-model");
    EXPECT_EQ(program_of({".py"}, "/team"), ".py");
    EXPECT_EQ(program_of({}, "/team"), "");
}

TEST_F(ExperimentTest, FindsTheCodeBesideAScriptThatLiesElsewhere) {
    const TemporaryFolder other;
    put(other.path() / "train.py", "");
    write("train.py", "");
    EXPECT_EQ(code_folder({"python", (other.path() / "train.py").string()}, folder_.path()), other.path());
    EXPECT_EQ(code_folder({"python", "train.py"}, folder_.path()), folder_.path());
    EXPECT_EQ(code_folder({"python", (folder_.path() / "train.py").string()}, folder_.path()), folder_.path());
    EXPECT_EQ(code_folder({"python", "absent.py"}, folder_.path()), folder_.path());
    EXPECT_EQ(code_folder({"true"}, folder_.path()), folder_.path());
}

}  // namespace
}  // namespace headrace::run
