#include "sys/side_process.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "sys/kill_tree.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

bool never() { return false; }

TEST(SideProcess, GivesWhatItsWorkReturned) {
    const std::string long_text(1 << 20, 'x');
    EXPECT_EQ(run_aside([&](const StopSign&) { return long_text; }, never).value_or(""), long_text);
    EXPECT_EQ(run_aside([](const StopSign&) { return std::string(); }, never).value_or("none"), "");
}

TEST(SideProcess, HasAGroupOfItsOwn) {
    const pid_t ours = ::getpgrp();
    const auto said =
        run_aside([&](const StopSign&) { return std::string(::getpgrp() == ours ? "same" : "own"); }, never);
    EXPECT_EQ(said.value_or(""), "own");
}

TEST(SideProcess, ThatEndsEarlyIsAnError) {
    EXPECT_FALSE(run_aside([](const StopSign&) -> std::string { ::_exit(0); }, never));
    EXPECT_FALSE(run_aside([](const StopSign&) -> std::string { throw std::runtime_error("x"); }, never));
}

TEST(SideProcess, SeesTheStopSign) {
    int asked = 0;
    const auto said = run_aside(
        [](const StopSign& stop) -> std::string {
            while (!stop.shown()) ::usleep(1000);
            return "saw it";
        },
        [&] { return ++asked > 2; });
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error().code, ErrorCode::interrupted);
}

TEST(SideProcess, LeavesNoProcessBehind) {
    const auto said = run_aside(
        [](const StopSign&) -> std::string {
            const pid_t child = ::fork();
            if (child == 0) {
                if (::fork() == 0) ::setsid();
                while (true) ::pause();
            }
            return std::to_string(child);
        },
        never);
    ASSERT_TRUE(said) << said.error().message;
    EXPECT_FALSE(process_alive(static_cast<std::uint32_t>(std::stoul(*said))));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    int subreaper = -1;
    ASSERT_EQ(::prctl(PR_GET_CHILD_SUBREAPER, &subreaper), 0);
    EXPECT_EQ(subreaper, 0) << "it is as it was";
}

// They are in the middle of a fork when they are to stop.
TEST(KillTree, LeavesNoneOfThoseThatAreMadeMeanwhile) {
    for (int round = 0; round < 20; ++round) {
        const auto said = run_aside(
            [](const StopSign&) -> std::string {
                for (int i = 0; i < 3; ++i) {
                    if (::fork() != 0) continue;
                    for (int below = 0; below < 100 && ::fork() == 0; ++below) {
                    }
                    while (true) ::pause();
                }
                ::usleep(3'000);
                return "done";
            },
            never);
        ASSERT_EQ(said.value_or(""), "done");
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    }
}

// A parent that writes a line when it is told of its child's end, as torch's loader raises an error then.
TEST(KillTree, NoneSeesAnotherOneEnd) {
    std::string name = (std::filesystem::temp_directory_path() / "headrace-kill-XXXXXX").string();
    const int file = ::mkstemp(name.data());
    ASSERT_GE(file, 0);
    const auto said = run_aside(
        [&](const StopSign&) -> std::string {
            const pid_t parent = ::fork();
            if (parent == 0) {
                for (int i = 0; i < 8; ++i) {
                    if (::fork() == 0) {
                        while (true) ::pause();
                    }
                }
                (void)!::write(file, "ready\n", 6);
                while (true) {
                    if (::waitpid(-1, nullptr, 0) > 0) (void)!::write(file, "saw an end\n", 11);
                }
            }
            while (std::filesystem::file_size(name) == 0) ::usleep(1000);
            kill_below(static_cast<std::uint32_t>(::getpid()));
            return "done";
        },
        never);
    ::close(file);
    std::ifstream stream(name);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    std::filesystem::remove(name);
    EXPECT_EQ(said.value_or(""), "done");
    EXPECT_EQ(text, "ready\n");
}

TEST(InterruptSignals, AreNotedWhileItLives) {
    const auto said = run_aside(
        [](const StopSign&) -> std::string {
            const Interrupts interrupts;
            const int before = Interrupts::seen();
            (void)::raise(SIGTERM);
            return std::to_string(before) + " " + std::to_string(Interrupts::seen());
        },
        never);
    EXPECT_EQ(said.value_or(""), "0 " + std::to_string(SIGTERM));
}

}  // namespace
}  // namespace headrace::sys
