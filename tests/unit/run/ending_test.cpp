// How a run ended that nobody wrote down as ended.
#include "run/ending.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

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
        EXPECT_FALSE(conclude(folder, info));
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

TEST_F(Ending, IsWhatWasNoted) {
    spool::Control control{};
    control.magic = spool::control_magic;
    control.version = spool::version;
    control.steps = 12;
    std::string page(spool::header_bytes, '\0');
    std::memcpy(page.data(), &control, sizeof control);
    const std::filesystem::path at = folder.spool() / "control";
    put(at, page);
    EXPECT_EQ(concluded(), Outcome::killed);
    RunInfo seen = info;
    seen.ended_ns = 700;
    seen.exit_code = 130;
    note_end(folder, seen);
    EXPECT_TRUE(conclude(folder, info));
    EXPECT_EQ(info.ended_ns, 700);
    EXPECT_EQ(info.exit_code, 130);
    EXPECT_EQ(info.signal, std::nullopt);
    EXPECT_EQ(info.outcome, Outcome::interrupted);
    seen.exit_code.reset();
    seen.signal = 9;
    note_end(folder, seen);
    EXPECT_TRUE(conclude(folder, info));
    EXPECT_EQ(info.exit_code, std::nullopt);
    EXPECT_EQ(info.signal, 9);
    EXPECT_EQ(info.outcome, Outcome::killed);
    EXPECT_EQ(content_of(at).size(), page.size());
    EXPECT_EQ(content_of(at).substr(0, offsetof(spool::Control, ended)),
              page.substr(0, offsetof(spool::Control, ended)));
}

TEST_F(Ending, IsNotTakenFromANoteThatCannotBe) {
    spool::Control control{};
    control.magic = spool::control_magic;
    control.ended = 400;  // before the command began
    const std::filesystem::path at = folder.spool() / "control";
    const auto page = [&](std::size_t size) { return std::string(reinterpret_cast<const char*>(&control), size); };
    put(at, page(sizeof control));
    EXPECT_EQ(concluded(), Outcome::killed);
    control.ended = 600;
    control.signal = 900;
    put(at, page(sizeof control));
    EXPECT_EQ(concluded(), Outcome::killed);
    control.signal = 0;
    put(at, page(32));  // of an earlier headrace
    EXPECT_EQ(concluded(), Outcome::killed);
    put(at, page(sizeof control));
    EXPECT_TRUE(conclude(folder, info));
    std::filesystem::remove(at);
    note_end(folder, info);
    EXPECT_FALSE(std::filesystem::exists(at));
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
