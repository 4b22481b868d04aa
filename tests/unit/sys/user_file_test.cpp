#include "sys/user_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace headrace::sys {
namespace {

namespace fs = std::filesystem;

// A folder that goes with the test.
class UserFolder {
public:
    UserFolder() : path_(fs::temp_directory_path() / ("user_file_test." + std::to_string(::getpid()))) {
        fs::create_directories(path_ / "work");
        fs::create_directories(path_ / "code");
        touch("code/train.py");
    }
    ~UserFolder() { fs::remove_all(path_); }
    UserFolder(const UserFolder&) = delete;
    UserFolder& operator=(const UserFolder&) = delete;

    void touch(const std::string& name) const { std::ofstream(path_ / name) << "\n"; }
    fs::path work() const { return path_ / "work"; }
    std::optional<fs::path> found(const std::string& script) const {
        return find_user_file(work(), {"python", "-u", script, "--config", "other.py"}, "slo.toml");
    }

private:
    fs::path path_;
};

TEST(UserFile, IsLookedForInTheWorkingDirectoryAndBesideTheScript) {
    const UserFolder folder;
    const std::string relative = "../code/train.py", absolute = folder.work().parent_path() / "code/train.py";
    EXPECT_FALSE(folder.found(relative));
    EXPECT_FALSE(folder.found(absolute));
    EXPECT_FALSE(find_user_file("", {}, "slo.toml"));
    folder.touch("code/slo.toml");
    EXPECT_TRUE(folder.found(relative));
    EXPECT_TRUE(folder.found(absolute));
    EXPECT_FALSE(folder.found("missing.py"));
    EXPECT_FALSE(find_user_file(folder.work(), {"torchrun"}, "slo.toml"));
    folder.touch("work/slo.toml");
    EXPECT_TRUE(folder.found(absolute) == folder.work() / "slo.toml");
    EXPECT_TRUE(find_user_file(folder.work(), {"torchrun"}, "slo.toml"));
    EXPECT_FALSE(find_user_file(folder.work(), {"torchrun"}, "prices.toml"));
}

}  // namespace
}  // namespace headrace::sys
