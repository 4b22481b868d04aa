// Which runs are completed from their spools when they are shown, and which are left alone.
#include "audit/record.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "run/fixture.h"
#include "run/hold.h"
#include "run/spool_builder.h"
#include "sys/machine.h"
#include "sys/process.h"

namespace headrace::audit {
namespace {

constexpr std::uint32_t nobody = 0x7fffffff;

// A run as it is on disk when its headrace was killed: a thread recorded one forward.
class Load : public ::testing::Test {
protected:
    Load() {
        info.outcome = Outcome::running;
        info.id = "the-run";
        info.parent_pid = info.child_pid = nobody;
        info.started_ns = sys::monotonic_now();
        info.machine.host = sys::host_name();
        info.kernel = sys::this_kernel();
        std::filesystem::create_directory(folder.spool());
        std::string page(spool::header_bytes, '\0');
        spool::Control control{};
        control.magic = spool::control_magic;
        std::memcpy(page.data(), &control, sizeof control);
        run::put(folder.spool() / "control", page);
        spool.header.pid = spool.header.tid = nobody;
        spool.header.opened = static_cast<std::uint64_t>(info.started_ns);
        spool.record(spool::Kind::forward, spool.header.opened + 10, 1000);
        put_spool();
        EXPECT_TRUE(run::write_info(folder, info));
    }

    void put_spool() {
        const std::string pid = std::to_string(spool.header.pid);
        run::put(folder.spool() / (pid + "-" + pid + "-0.spool"), spool.content());
    }

    Audit shown() {
        Result<Audit> audit = load(folder);
        EXPECT_TRUE(audit) << audit.error().message;
        return audit ? std::move(*audit) : Audit{};
    }

    // The run on disk, which nobody may have touched.
    void expect_unchanged() const {
        EXPECT_EQ(run::read_info(folder)->outcome, Outcome::running);
        EXPECT_TRUE(std::filesystem::exists(folder.spool() / "control"));
    }

    void expect_completed() const {
        const auto stored = run::read(folder);
        ASSERT_TRUE(stored);
        EXPECT_EQ(stored->info.outcome, Outcome::killed);
        EXPECT_EQ(stored->threads.size(), 1U);
        EXPECT_FALSE(std::filesystem::exists(folder.spool()));
    }

    static bool has_limit(const Audit& audit, const std::string& words) {
        return std::any_of(audit.limits.begin(), audit.limits.end(),
                           [&](const std::string& limit) { return limit.find(words) != std::string::npos; });
    }

    run::TemporaryFolder temporary;
    run::Folder folder{temporary.path()};
    RunInfo info;
    run::SpoolBuilder spool;
};

TEST_F(Load, CompletesARunThatNothingLivesOf) {
    EXPECT_EQ(shown().run.outcome, Outcome::killed);
    expect_completed();
}

TEST_F(Load, LeavesARunAloneWhoseHeadraceHoldsItsLock) {
    {
        const sys::Descriptor hold = run::hold_recording(folder);
        ASSERT_TRUE(hold);
        EXPECT_EQ(shown().run.outcome, Outcome::running);
        expect_unchanged();
        info.kernel.boot_id = "another-boot";  // of a machine that shares the folder
        info.machine.host = "another-host";
        ASSERT_TRUE(run::write_info(folder, info));
        const Audit far = shown();
        EXPECT_EQ(far.run.outcome, Outcome::running);
        EXPECT_NEAR(far.wall_seconds, 1010e-9, 1e-12);  // its clock is not ours
        EXPECT_TRUE(has_limit(far, "may still be running on another-host"));
        expect_unchanged();
    }
    EXPECT_EQ(shown().run.outcome, Outcome::killed);
    expect_unchanged();
}

TEST_F(Load, LeavesARunOfAnotherMachineAlone) {
    info.kernel.boot_id = "another-boot";
    info.machine.host = "another-host";
    ASSERT_TRUE(run::write_info(folder, info));
    EXPECT_TRUE(has_limit(shown(), "may still be running on another-host"));
    expect_unchanged();
    spool::Control ended{};
    ended.magic = spool::control_magic;
    ended.ended = static_cast<std::uint64_t>(info.started_ns) + 5000;
    run::put(folder.spool() / "control", std::string(reinterpret_cast<const char*>(&ended), sizeof ended));
    const Audit audit = shown();
    EXPECT_EQ(audit.run.outcome, Outcome::finished);
    EXPECT_TRUE(has_limit(audit, "headrace report does that on another-host"));
    expect_unchanged();
}

TEST_F(Load, LeavesARunAloneWhoseRanksOutlivedHeadrace) {
    spool.header.pid = spool.header.tid = static_cast<std::uint32_t>(::getpid());
    spool.header.opened = static_cast<std::uint64_t>(sys::monotonic_now());
    put_spool();
    EXPECT_EQ(shown().run.outcome, Outcome::running);
    expect_unchanged();
}

TEST_F(Load, IsDoneOnceByTwoAtATime) {
    std::optional<sys::Descriptor> first = run::hold_completion(folder);
    ASSERT_TRUE(*first);
    Audit second;
    std::thread waiting([&] { second = shown(); });
    headrace::Run stored;  // by the first, while the second waits
    stored.info = info;
    stored.info.outcome = Outcome::failed;
    stored.info.exit_code = 3;
    stored.info.ended_ns = info.started_ns + 1'000'000'000;
    ::usleep(50'000);
    ASSERT_TRUE(run::write(folder, stored));
    std::filesystem::remove_all(folder.spool());
    first.reset();
    waiting.join();
    EXPECT_EQ(second.run.outcome, Outcome::failed);
    EXPECT_EQ(run::read_info(folder)->exit_code, 3);
}

TEST_F(Load, StoresNothingWithoutASpool) {
    std::filesystem::remove_all(folder.spool());
    EXPECT_TRUE(has_limit(shown(), "The run was not completed on disk"));
    EXPECT_EQ(run::read_info(folder)->outcome, Outcome::running);
}

TEST_F(Load, KeepsASpoolOfWhichAFileCouldNotBeRead) {
    run::SpoolBuilder newer;
    newer.header.version = spool::version + 1;
    run::put(folder.spool() / "7-7-0.spool", newer.content());
    const Audit audit = shown();
    EXPECT_EQ(audit.run.outcome, Outcome::killed);
    EXPECT_TRUE(has_limit(audit, "has version 2"));
    EXPECT_TRUE(has_limit(audit, "not all of its spool could be read"));
    expect_unchanged();
    std::filesystem::remove(folder.spool() / "7-7-0.spool");
    run::put(folder.spool() / "7-7-0.spool", "");  // was never begun: there is nothing to keep
    (void)shown();
    expect_completed();
}

}  // namespace
}  // namespace headrace::audit
