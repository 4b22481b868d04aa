#include "input/storage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace headrace::input {
namespace {

namespace fs = std::filesystem;

class Storage : public testing::Test {
protected:
    void SetUp() override {
        // Not in memory: the pages of a tmpfs cannot be dropped.
        std::string pattern = (fs::current_path() / "storage-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { fs::remove_all(folder_); }

    fs::path file(const std::string& name, std::size_t bytes) const {
        std::ofstream(folder_ / name, std::ios::binary) << std::string(bytes, 'x');
        return folder_ / name;
    }

    fs::path folder_;
};

TEST_F(Storage, MeasuresFilesThatAreThere) {
    std::vector<fs::path> files{folder_ / "gone", folder_, file("empty", 0)};
    for (int i = 0; i < 20; ++i) files.push_back(file(std::to_string(i), 10000 + 100 * static_cast<std::size_t>(i)));
    files.push_back(files.back());
    ::sync();
    const Result<SampleFiles> measured = measure_storage(files);
    ASSERT_TRUE(measured) << measured.error().message;
    EXPECT_EQ(measured->files, 20U);
    EXPECT_DOUBLE_EQ(measured->bytes_per_file, 10950);
    EXPECT_GT(measured->cached.seconds_per_file, 0);
    EXPECT_NEAR(measured->cached.bytes_per_second / measured->cached.files_per_second, 10950, 200);
    if (measured->uncached) {
        EXPECT_GT(measured->uncached->files_per_second, 0);
    }
    EXPECT_EQ(fs::file_size(files.back()), 11900U);
}

TEST_F(Storage, ReadsOnlyTheBeginningOfLargeFiles) {
    const Result<SampleFiles> measured = measure_storage({file("large", 1000000)}, {.most_bytes = 400000});
    ASSERT_TRUE(measured);
    EXPECT_DOUBLE_EQ(measured->bytes_per_file, 100000);
}

TEST_F(Storage, HasNothingToSayWithoutFiles) {
    for (const std::vector<fs::path>& files : {std::vector<fs::path>{}, {folder_ / "gone"}, {folder_}}) {
        const Result<SampleFiles> measured = measure_storage(files);
        ASSERT_FALSE(measured);
        EXPECT_EQ(measured.error().code, ErrorCode::not_found);
    }
}

}  // namespace
}  // namespace headrace::input
