#include "sys/group_sentinel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <functional>

#include "sys/helpers.h"
#include "sys/proc.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

constexpr std::array watched_numbers = {SIGTERM, SIGUSR1, SIGUSR2, SIGCONT};

sigset_t watched() {
    sigset_t set;
    (void)::sigemptyset(&set);
    for (const int number : watched_numbers) (void)::sigaddset(&set, number);
    return set;
}

// Runs `check` as the leader of a process group of its own, in which the watched signals wait and do nothing.
void in_group(const std::function<void(GroupSentinel&)>& check) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        (void)::setpgid(0, 0);
        const sigset_t set = watched();
        (void)::sigprocmask(SIG_BLOCK, &set, nullptr);
        if (const auto sentinel = GroupSentinel::start(set))
            check(*sentinel);
        else
            ADD_FAILURE() << "no sentinel";
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

// Sends from another process: what we send ourselves says nothing.
void send(pid_t target, int number) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(::kill(target, number) == 0 ? 0 : 1);
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

char state_of(pid_t pid) {
    const auto stat = read_process_stat(static_cast<std::uint32_t>(pid));
    return stat ? stat->state : '-';
}

void wait_for_state(pid_t pid, char state) {
    for (int i = 0; i < 3000 && state_of(pid) != state; ++i) (void)::usleep(10'000);
    EXPECT_EQ(state_of(pid), state);
}

TEST(GroupSentinel, TellsAGroupFromOneProcess) {
    in_group([](GroupSentinel& sentinel) {
        const Nanoseconds begin = monotonic_now();
        for (const int number : watched_numbers) {
            EXPECT_FALSE(sentinel.got_since(number, begin));
            send(::getpid(), number);
            EXPECT_FALSE(sentinel.got_since(number, begin));
            send(-::getpid(), number);
            EXPECT_TRUE(sentinel.got_since(number, begin));
            EXPECT_FALSE(sentinel.got_since(number, monotonic_now())) << "an old one says nothing of a new one";
        }
    });
}

TEST(GroupSentinel, SaysByItselfWhatItHasGot) {
    in_group([](GroupSentinel& sentinel) {
        send(-::getpid(), SIGUSR1);
        pollfd waiting{sentinel.descriptor(), POLLIN, 0};
        EXPECT_EQ(::poll(&waiting, 1, 60'000), 1);
        sentinel.listen();
        EXPECT_EQ(::poll(&waiting, 1, 0), 0) << "once";
        const Nanoseconds heard = monotonic_now();
        EXPECT_FALSE(sentinel.got_since(SIGUSR1, heard)) << "the time is that of hearing, not of asking";
        EXPECT_TRUE(sentinel.got_since(SIGUSR1, heard - 60'000'000'000));
    });
}

TEST(GroupSentinel, IsNotMovedByOtherSignals) {
    in_group([](GroupSentinel& sentinel) {
        const Nanoseconds begin = monotonic_now();
        for (const int number : {SIGTSTP, SIGTTIN, SIGALRM, SIGPIPE, SIGHUP, SIGRTMIN}) send(sentinel.pid(), number);
        send(-::getpid(), SIGUSR2);
        EXPECT_TRUE(sentinel.got_since(SIGUSR2, begin));
        EXPECT_EQ(test::content_of("/proc/" + std::to_string(sentinel.pid()) + "/comm"), "signal-sentinel\n");
    });
}

TEST(GroupSentinel, IsNotFoundByOurName) {
    const std::string ours = test::content_of("/proc/self/cmdline");
    in_group([&](GroupSentinel& sentinel) {
        (void)sentinel.got_since(SIGUSR1, 0);  // it has answered, so it is past its beginning
        const std::string shown = test::content_of("/proc/" + std::to_string(sentinel.pid()) + "/cmdline");
        EXPECT_EQ(shown.substr(0, 15), std::string("signal-sentinel").substr(0, ours.size() - 1));
        EXPECT_EQ(shown.find("test"), std::string::npos) << shown;
        EXPECT_EQ(test::content_of("/proc/self/cmdline"), ours);
    });
}

TEST(GroupSentinel, ThatWasStoppedAnswers) {
    in_group([](GroupSentinel& sentinel) {
        const Nanoseconds begin = monotonic_now();
        send(sentinel.pid(), SIGSTOP);
        wait_for_state(sentinel.pid(), 'T');
        send(-::getpid(), SIGUSR1);
        EXPECT_TRUE(sentinel.got_since(SIGUSR1, begin));
        EXPECT_FALSE(sentinel.got_since(SIGCONT, begin)) << "what wakes it is ours";
    });
}

TEST(GroupSentinel, ThatWasKilledHasGotNothing) {
    in_group([](GroupSentinel& sentinel) {
        send(sentinel.pid(), SIGKILL);
        wait_for_state(sentinel.pid(), 'Z');
        send(-::getpid(), SIGUSR1);
        EXPECT_FALSE(sentinel.got_since(SIGUSR1, 1));
        EXPECT_EQ(sentinel.descriptor(), -1);
    });
}

TEST(GroupSentinel, KeepsNoPipeOpen) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    in_group([&](GroupSentinel& sentinel) {
        (void)::close(ends[1]);
        (void)sentinel.got_since(SIGUSR1, 0);  // it has answered, so it is past its beginning
        int count = 0;
        for (const auto& entry :
             std::filesystem::directory_iterator("/proc/" + std::to_string(sentinel.pid()) + "/fd")) {
            const auto target = std::filesystem::read_symlink(entry.path()).string();
            EXPECT_EQ(target.find("pipe:"), std::string::npos) << target;
            ++count;
        }
        EXPECT_EQ(count, 2);
    });
    (void)::close(ends[0]);
    (void)::close(ends[1]);
}

TEST(GroupSentinel, EndsWithItsOwner) {
    pid_t sentinel = 0;
    {
        const auto owned = GroupSentinel::start(watched());
        ASSERT_TRUE(owned);
        sentinel = owned->pid();
        EXPECT_TRUE(process_alive(static_cast<std::uint32_t>(sentinel)));
    }
    EXPECT_EQ(state_of(sentinel), '-') << "not a zombie either";
}

}  // namespace
}  // namespace headrace::sys
