#include "sys/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "sys/helpers.h"

namespace headrace::sys {
namespace {

std::size_t entries_of(const std::filesystem::path& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(File, IsWrittenWholeAndReadBack) {
    const test::Folder folder;
    const auto path = folder.path / "run.json";
    const std::string binary("a\0b\n", 4);
    ASSERT_TRUE(write_whole(path, binary));
    EXPECT_EQ(read_whole(path).value(), binary);
    const std::string large(300'000, 'x');
    ASSERT_TRUE(write_whole(path, large));
    EXPECT_EQ(read_whole(path).value(), large);
    ASSERT_TRUE(write_whole(path, ""));
    EXPECT_EQ(read_whole(path).value(), "");
    EXPECT_EQ(entries_of(folder.path), 1U) << "no temporary file stays";
}

TEST(File, OfProcIsReadToItsEnd) {
    const auto status = read_whole("/proc/self/status");
    ASSERT_TRUE(status);
    EXPECT_NE(status->find("VmRSS"), std::string::npos);
}

TEST(File, ErrorsNameTheFile) {
    const test::Folder folder;
    const auto missing = read_whole(folder.path / "missing");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::not_found);
    EXPECT_NE(missing.error().message.find("missing"), std::string::npos);
    EXPECT_FALSE(read_whole(folder.path)) << "a folder";
    const auto nowhere = write_whole(folder.path / "no folder" / "file", "content");
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().code, ErrorCode::not_found);
}

// A limit on the size of files is a full disk as far as the writer can tell: writing fails in the middle.
TEST(File, ThatCannotBeWrittenLeavesTheOldOneUnharmed) {
    const test::Folder folder;
    const auto path = folder.write("report.json", "old");
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{4096, 4096};
        (void)::setrlimit(RLIMIT_FSIZE, &limit);
        ::_exit(write_whole(path, std::string(100'000, 'x')) ? 1 : 0);
    }
    int status = 0;
    (void)::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "writing must fail";
    EXPECT_EQ(read_whole(path).value(), "old");
    EXPECT_EQ(entries_of(folder.path), 1U);
}

}  // namespace
}  // namespace headrace::sys
