// How a run ended that nobody wrote down as ended.
#include "run/ending.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "run/fixture.h"
#include "run/spool_builder.h"

namespace headrace::run {
namespace {

class Ending : public ::testing::Test {
protected:
    // A run as it is on disk when its headrace was killed.
    Ending() {
        std::filesystem::create_directory(folder.spool());
        info.outcome = Outcome::running;
        info.child_pid = 100;
        info.started_ns = 500;
    }

    Outcome concluded() {
        conclude(folder, info);
        return info.outcome;
    }

    TemporaryFolder temporary;
    Folder folder{temporary.path()};
    RunInfo info;
};

TEST_F(Ending, IsAFinishWhereTheCommandsInterpreterHadBegunToShutDown) {
    SpoolBuilder other;
    other.header.pid = 1000;
    other.header.teardown = 2000;
    put(folder.spool() / "1000-1000-0.spool", other.content());
    put(folder.spool() / "100-100-0.spool", SpoolBuilder().content());
    EXPECT_EQ(concluded(), Outcome::killed);
    SpoolBuilder thread;
    thread.header.teardown = 2000;
    put(folder.spool() / "100-101-1.spool", thread.content());
    EXPECT_EQ(concluded(), Outcome::finished);
}

TEST_F(Ending, IsAKillWhereNothingSaysAnything) {
    put(folder.spool() / "100-100-0.spool", "nonsense");
    EXPECT_EQ(concluded(), Outcome::killed);
    std::filesystem::remove_all(folder.spool());
    EXPECT_EQ(concluded(), Outcome::killed);
}

TEST_F(Ending, HasNotComeWhileHeadraceOrTheCommandLives) {
    constexpr std::uint32_t nobody = 0x7fffffff;
    const auto self = static_cast<std::uint32_t>(::getpid());
    info.parent_pid = nobody;
    info.child_pid = nobody;
    EXPECT_FALSE(going_on(info));
    info.child_pid = 0;
    EXPECT_FALSE(going_on(info));
    info.child_pid = self;
    EXPECT_TRUE(going_on(info));
    info.parent_pid = self;
    info.child_pid = nobody;
    EXPECT_TRUE(going_on(info));
}

}  // namespace
}  // namespace headrace::run
