#include "trial/workplace.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;

TEST(Workplace, LeavesNothingAndTakesAwayWhatOthersLeft) {
    const fs::path home = fs::temp_directory_path() / ("headrace-workplace-" + new_id());
    const fs::path fresh = home / "trials" / ".fresh", old = home / "trials" / ".old", left = home / "trials" / "left";
    for (const fs::path& folder : {fresh, old, left}) fs::create_directories(folder);
    fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::minutes(5));
    {
        const auto first = Workplace::make(home), second = Workplace::make(home);
        ASSERT_TRUE(first && second);
        EXPECT_TRUE(fs::exists(first->folder())) << "it is locked";
        EXPECT_TRUE(fs::exists(second->folder()));
        EXPECT_TRUE(fs::exists(fresh)) << "another one may be making it";
        EXPECT_FALSE(fs::exists(old));
        EXPECT_FALSE(fs::exists(left));
    }
    fs::remove(fresh);
    EXPECT_TRUE(fs::is_empty(home / "trials"));
    fs::remove_all(home);
}

}  // namespace
}  // namespace headrace::trial
