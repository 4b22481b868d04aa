#include "sys/sandbox.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "sys/mounts.h"
#include "sys/side_process.h"

namespace headrace::sys {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
    std::ifstream stream(file);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

void put(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

TEST(Mounts, AreReadFromTheKernelsText) {
    const auto mounts = parse_mounts(
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
        "23 22 0:5 / /dev rw,nosuid - devtmpfs devtmpfs rw,size=1k\n"
        "24 22 8:1 / /my\\040disk rw - xfs /dev/sda1 ro,attr2\n"
        "25 22 8:2 / /mnt rw - ext4 /dev/sda2 rw\n"
        "26 22 0:40 / /mnt ro,noexec master:3 propagate_from:2 - nfs4 server:/x rw\n"
        "no mount at all\n");
    ASSERT_EQ(mounts.size(), 4U);
    EXPECT_EQ(mounts[0].point, "/");
    EXPECT_TRUE(mounts[0].writable);
    EXPECT_FALSE(is_virtual(mounts[0]));
    EXPECT_TRUE(is_virtual(mounts[1]));
    EXPECT_EQ(mounts[2].point, "/my disk");
    EXPECT_FALSE(mounts[2].writable) << "the file system itself is read-only";
    EXPECT_EQ(mounts[3].type, "nfs4") << "the one on top";
    EXPECT_FALSE(mounts[3].writable);
}

// A folder to play in, with a scratch folder and one that is kept.
class SandboxTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "headrace-sandbox-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        fs::create_directories(folder_ / "scratch");
        fs::create_directories(folder_ / "kept");
        fs::create_directories(folder_ / "data" / "below");
        put(folder_ / "data" / "old", "old");
        put(folder_ / "data" / "gone", "gone");
        put(folder_ / "data" / "below" / "file", "file");
    }
    void TearDown() override {
        remove_sandbox(folder_ / "scratch");
        EXPECT_FALSE(fs::exists(folder_ / "scratch"));
        std::error_code error;
        fs::remove_all(folder_, error);
    }

    // Runs `inside` in a sandbox, as `user` where that is not 0; gives what it says, or what kept it out.
    std::string in_sandbox(const std::function<std::string()>& inside, uid_t user = 0) {
        const auto work = [&](const StopSign&) -> std::string {
            if (user != 0 && (::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0))
                return "no user";
            (void)::prctl(PR_SET_DUMPABLE, 1);  // or /proc/self belongs to root
            const Result<Sandbox> sandbox = enter_sandbox({folder_ / "scratch", {folder_ / "kept"}});
            return sandbox ? inside() : "refused: " + sandbox.error().message;
        };
        return run_aside(work, [] { return false; }).value_or("the process ended early");
    }

    // What a program does with files; and what it finds afterwards.
    std::string play() const {
        const fs::path data = folder_ / "data";
        std::error_code error;
        put(data / "old", "new");
        put(data / "made", "made");
        fs::remove(data / "gone", error);
        fs::rename(data / "below" / "file", data / "moved", error);
        if (error) return "cannot rename: " + error.message();
        put(folder_ / "kept" / "file", "kept");
        put("/dev/shm/headrace-sandbox-test", "x");
        const bool right = text_of(data / "old") == "new" && text_of(data / "made") == "made" &&
                           !fs::exists(data / "gone") && text_of(data / "moved") == "file" &&
                           fs::exists("/dev/shm/headrace-sandbox-test");
        return right ? "played" : "does not find what it wrote";
    }

    void expect_untouched() const {
        const fs::path data = folder_ / "data";
        EXPECT_EQ(text_of(data / "old"), "old");
        EXPECT_EQ(text_of(data / "gone"), "gone");
        EXPECT_EQ(text_of(data / "below" / "file"), "file");
        EXPECT_FALSE(fs::exists(data / "made"));
        EXPECT_FALSE(fs::exists(data / "moved"));
        EXPECT_FALSE(fs::exists("/dev/shm/headrace-sandbox-test"));
        EXPECT_EQ(text_of(folder_ / "kept" / "file"), "kept");
    }

    void skip_where_refused(const std::string& said) const {
        if (said.starts_with("refused")) GTEST_SKIP() << said;
    }

    fs::path folder_;
};

TEST_F(SandboxTest, NothingThatIsWrittenStays) {
    const std::string said = in_sandbox([this] { return play(); });
    skip_where_refused(said);
    EXPECT_EQ(said, "played");
    expect_untouched();
}

TEST_F(SandboxTest, TheWorkingDirectoryStaysTheSame) {
    const std::string said = in_sandbox([] { return fs::current_path().string(); });
    skip_where_refused(said);
    EXPECT_EQ(said, fs::current_path());
}

TEST_F(SandboxTest, ItsOnlyNetworkIsALoopbackOfItsOwn) {
    const std::string said = in_sandbox([]() -> std::string {
        const int listener = ::socket(AF_INET, SOCK_STREAM, 0), other = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener, any, size) != 0 || ::listen(listener, 1) != 0) return "cannot listen";
        if (::getsockname(listener, any, &size) != 0 || ::connect(other, any, size) != 0) return "cannot connect";
        address.sin_addr.s_addr = htonl(0x08080808);
        const int outside = ::socket(AF_INET, SOCK_STREAM, 0);
        return ::connect(outside, any, size) == 0 ? "reached the world"
                                                  : std::string("alone: ") + std::to_string(errno);
    });
    skip_where_refused(said);
    EXPECT_EQ(said, "alone: " + std::to_string(ENETUNREACH));
}

#ifndef __SANITIZE_THREAD__  // whose second thread may enter no user namespace
TEST_F(SandboxTest, AUserWithoutRightsHasOneToo) {
    constexpr uid_t nobody = 65534;
    const uid_t user = ::geteuid() == 0 ? nobody : 0;
    if (user != 0) {
        for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
            ASSERT_EQ(::chown(entry.path().c_str(), user, user), 0);
        }
        ASSERT_EQ(::chown(folder_.c_str(), user, user), 0);
    }
    const std::string said = in_sandbox([this] { return play(); }, user);
    skip_where_refused(said);
    EXPECT_EQ(said, "played");
    expect_untouched();
}
#endif

}  // namespace
}  // namespace headrace::sys
