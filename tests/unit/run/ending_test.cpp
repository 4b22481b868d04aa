// How a run ended that nobody wrote down as ended.
#include "run/ending.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "run/fixture.h"
#include "run/hold.h"
#include "run/spool_builder.h"
#include "sys/machine.h"
#include "sys/process.h"

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

constexpr std::uint32_t nobody = 0x7fffffff;

// Of a run that is stored as running, recorded here and just now.
class Lives : public Ending {
protected:
    Lives() {
        info.parent_pid = info.child_pid = nobody;
        info.started_ns = sys::monotonic_now();
        info.machine.host = sys::host_name();
        info.kernel = sys::this_kernel();
        put_control({});
    }

    void put_control(spool::Control control) {
        control.magic = spool::control_magic;
        put(folder.spool() / "control", std::string(reinterpret_cast<const char*>(&control), sizeof control));
    }

    bool going_on() const { return life_of(folder, info).going_on; }
    bool here() const { return life_of(folder, info).here; }

    const std::uint32_t self = static_cast<std::uint32_t>(::getpid());
};

TEST_F(Lives, WhileHeadraceOrTheCommandLives) {
    EXPECT_FALSE(going_on());
    info.child_pid = 0;
    EXPECT_FALSE(going_on());
    info.child_pid = self;
    EXPECT_TRUE(going_on());
    info.parent_pid = self;
    info.child_pid = nobody;
    EXPECT_TRUE(going_on());
    info.kernel = {};  // of an earlier headrace
    EXPECT_TRUE(going_on());
    EXPECT_TRUE(here());
}

TEST_F(Lives, NotWhereTheirNumbersAreOthersByNow) {
    info.parent_pid = info.child_pid = self;
    info.started_ns = 1;  // long before this process began
    EXPECT_FALSE(going_on());
    info.started_ns = sys::monotonic_now() + 3'600'000'000'000;  // on the clock of an earlier boot
    info.kernel = {};
    EXPECT_FALSE(going_on());
    EXPECT_TRUE(here());
}

TEST_F(Lives, WhileHeadraceHoldsItsLock) {
    {
        const sys::Descriptor hold = hold_recording(folder);
        ASSERT_TRUE(hold);
        EXPECT_NE(::fcntl(hold.get(), F_GETFD) & FD_CLOEXEC, 0);
        EXPECT_TRUE(going_on());
        EXPECT_TRUE(here());
        info.kernel.boot_id = "another";
        EXPECT_TRUE(going_on());
        EXPECT_FALSE(here());
    }
    info.kernel = sys::this_kernel();
    info.parent_pid = self;  // another process has headrace's number
    EXPECT_FALSE(going_on());
}

TEST_F(Lives, WhileAProcessThatRecordedDoes) {
    SpoolBuilder rank;
    rank.header.pid = rank.header.tid = self;
    rank.header.opened = static_cast<std::uint64_t>(sys::monotonic_now());
    const std::string name = std::to_string(self) + "-" + std::to_string(self) + "-0.spool";
    put(folder.spool() / name, rank.content());
    EXPECT_TRUE(going_on());
    spool::Control control{};
    control.ended = static_cast<std::uint64_t>(info.started_ns) + 1;
    put_control(control);  // the command has ended, whatever it left behind
    EXPECT_FALSE(going_on());
    put_control({});
    rank.header.opened = 1;
    put(folder.spool() / name, rank.content());
    EXPECT_FALSE(going_on());
}

TEST_F(Lives, ElsewhereAsFarAsNothingSaysThatItEnded) {
    info.kernel.pid_namespace = 1;  // a container
    info.parent_pid = self;
    EXPECT_FALSE(here());
    EXPECT_TRUE(going_on());
    info.kernel = {"another", 1};
    info.machine.host = "another";
    EXPECT_FALSE(here());
    EXPECT_TRUE(going_on());
    info.kernel = {};
    EXPECT_FALSE(here());
    EXPECT_TRUE(going_on());
    (void)hold_recording(folder);  // was held, and is no longer
    EXPECT_FALSE(here());
    EXPECT_FALSE(going_on());
}

TEST_F(Lives, NotAfterTheMachineWasStartedAgain) {
    info.parent_pid = info.child_pid = self;
    info.kernel.boot_id = "an earlier boot";
    EXPECT_FALSE(going_on());
    EXPECT_TRUE(here());
}

}  // namespace
}  // namespace headrace::run
