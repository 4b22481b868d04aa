#include "sys/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <functional>

#include "sys/execute.h"
#include "sys/helpers.h"
#include "sys/python_finder.h"
#include "sys/signal_relay.h"

namespace headrace::sys {
namespace {

constexpr Nanoseconds second = 1'000'000'000;

Exit end_of(Child& child) {
    const auto exit = child.wait(60 * second);
    EXPECT_TRUE(exit) << "still running after a minute";
    return exit.value_or(Exit{});
}

Exit run(const std::vector<std::string>& command,
         const std::vector<std::pair<std::string, std::string>>& environment = {}) {
    auto child = Child::start(command, environment);
    EXPECT_TRUE(child) << (child ? "" : child.error().message);
    return child ? end_of(*child) : Exit{};
}

ErrorCode start_error(const std::vector<std::string>& command,
                      const std::vector<std::pair<std::string, std::string>>& environment = {}) {
    const auto child = Child::start(command, environment);
    EXPECT_FALSE(child);
    if (child) return ErrorCode::internal;
    EXPECT_NE(child.error().message.find(command.empty() ? "no command" : command.front()), std::string::npos);
    return child.error().code;
}

TEST(Child, GivesTheExitCode) {
    for (const int code : {0, 1, 125, 127, 255}) {
        const Exit exit = run({"sh", "-c", "exit " + std::to_string(code)});
        EXPECT_EQ(exit.code, code);
        EXPECT_FALSE(exit.signal);
    }
}

TEST(Child, GivesTheSignal) {
    for (const int number : {SIGTERM, SIGKILL, SIGINT, SIGABRT}) {
        const Exit exit = run({"sh", "-c", "kill -" + std::to_string(number) + " $$"});
        EXPECT_EQ(exit.signal, number);
        EXPECT_FALSE(exit.code);
    }
}

TEST(Child, EndsBetweenItsStartAndTheWait) {
    const Nanoseconds before = monotonic_now();
    auto child = Child::start({"true"}, {});
    ASSERT_TRUE(child);
    const Exit exit = end_of(*child);
    EXPECT_LE(before, child->started());
    EXPECT_LT(child->started(), exit.when);
    EXPECT_LE(exit.when, monotonic_now());
    EXPECT_EQ(child->wait(0)->when, exit.when) << "the end stays known";
}

TEST(Child, IsStillRunningWhenTheTimeIsOver) {
    auto child = Child::start({"sleep", "600"}, {});
    ASSERT_TRUE(child);
    EXPECT_FALSE(child->wait(0));
    EXPECT_FALSE(child->wait(20'000'000));
    EXPECT_TRUE(process_alive(child->pid()));
    (void)::kill(static_cast<pid_t>(child->pid()), SIGKILL);
    EXPECT_EQ(end_of(*child).signal, SIGKILL);
}

TEST(Child, ThatIsStoppedHasNotEnded) {
    auto child = Child::start({"sleep", "600"}, {});
    ASSERT_TRUE(child);
    const auto pid = static_cast<pid_t>(child->pid());
    (void)::kill(pid, SIGSTOP);
    EXPECT_FALSE(child->wait(50'000'000));
    (void)::kill(pid, SIGCONT);
    EXPECT_FALSE(child->wait(50'000'000));
    (void)::kill(pid, SIGKILL);
    EXPECT_EQ(end_of(*child).signal, SIGKILL);
}

TEST(Child, ThatCannotBeFound) {
    const test::Folder folder;
    EXPECT_EQ(start_error({"no-such-command-of-headrace"}), ErrorCode::not_found);
    EXPECT_EQ(start_error({"/no/such/file"}), ErrorCode::not_found);
    EXPECT_EQ(start_error({""}), ErrorCode::not_found);
    const auto script = folder.write("script", "#!/no/such/interpreter\n");
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    EXPECT_EQ(start_error({script.string()}), ErrorCode::not_found);
    EXPECT_EQ(start_error({}), ErrorCode::invalid_argument);
}

TEST(Child, ThatIsAScriptWithoutAFirstLine) {
    const test::Folder folder;
    const auto script = folder.write("script", "test \"$1\" = 'two words' && exit 7\n");
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    auto child = Child::start({script.string(), "two words"}, {});
    ASSERT_TRUE(child);
    EXPECT_EQ(end_of(*child).code, 7);
}

TEST(Child, ThatCannotBeExecuted) {
    const test::Folder folder;
    const auto plain = folder.write("plain", "text");
    EXPECT_EQ(start_error({plain.string()}), ErrorCode::not_executable);
    EXPECT_EQ(start_error({folder.path.string()}), ErrorCode::not_executable);
    const auto garbage = folder.write("garbage", std::string("\x7f"
                                                             "ELF garbage"));
    std::filesystem::permissions(garbage, std::filesystem::perms::owner_all);
    EXPECT_EQ(start_error({garbage.string()}), ErrorCode::not_executable);
    EXPECT_EQ(start_error({plain.string() + "/below"}), ErrorCode::not_executable);
}

// What a user who is not root is told of a command that cannot be executed.
Error refused(const std::string& command, const std::vector<std::pair<std::string, std::string>>& environment = {}) {
    constexpr uid_t nobody = 65534;
    const bool root = ::geteuid() == 0;
    if (root) {
        EXPECT_EQ(::seteuid(nobody), 0);
    }
    Error error = Execution({command}, environment).failure(EACCES);
    if (root) {
        EXPECT_EQ(::seteuid(0), 0);
    }
    return error;
}

std::string refusal(const std::string& command) { return refused(command).message; }

TEST(Child, BehindAFolderThatMayNotBeEntered) {
    using std::filesystem::perms;
    const test::Folder folder;
    std::filesystem::permissions(folder.path, perms::owner_all | perms::group_exec | perms::others_exec);
    const auto program = folder.write("closed/bin/python", "#!/bin/sh\n");
    std::filesystem::permissions(program, perms::owner_all | perms::others_exec | perms::others_read);
    const auto plain = folder.write("plain", "text");
    std::filesystem::create_symlink("closed/bin/python", folder.path / "python3");
    std::filesystem::create_symlink(folder.path / "python3", folder.path / "python");
    const std::filesystem::path closed = folder.path / "closed";
    std::filesystem::permissions(closed, perms::none);
    for (const std::string& command : {program.string(), (folder.path / "python").string()}) {
        EXPECT_NE(refusal(command).find(": the folder " + closed.string() + " on the way to it may not be entered"),
                  std::string::npos)
            << refusal(command);
    }
    EXPECT_NE(refusal(plain.string()).find("make it executable (chmod +x)"), std::string::npos);
    std::filesystem::permissions(closed, perms::owner_all);
}

TEST(Child, IsNotLookedForInAClosedFolderOfPath) {
    using std::filesystem::perms;
    const test::Folder folder;
    std::filesystem::permissions(folder.path, perms::owner_all | perms::group_exec | perms::others_exec);
    folder.write("open/plain", "text");
    std::filesystem::create_directory(folder.path / "open/module");
    const auto hidden = folder.write("closed/bin/hidden", "text");
    std::filesystem::create_symlink(hidden, folder.path / "open/link");
    const std::string closed = (folder.path / "closed").string();
    const std::string open = (folder.path / "open").string();
    std::filesystem::permissions(closed, perms::none);
    const auto along_path = [&](const std::string& command) {
        return refused(command, {{"PATH", closed + "/bin:" + open + ":/usr/bin"}});
    };
    const Error mistyped = along_path("pyhton");
    EXPECT_EQ(mistyped.code, ErrorCode::not_found);
    EXPECT_EQ(mistyped.message,
              "cannot start the command pyhton: it is in no folder of PATH; check its name or give its path (" +
                  closed + "/bin may not be entered)");
    const Error plain = along_path("plain");
    EXPECT_EQ(plain.code, ErrorCode::not_executable);
    EXPECT_EQ(plain.message, "cannot execute the command plain: " + open +
                                 "/plain: Permission denied; make it executable (chmod +x) or start it with its "
                                 "interpreter");
    EXPECT_EQ(along_path("module").message,
              "cannot execute the command module: " + open + "/module is a folder; name a program");
    EXPECT_NE(along_path("link").message.find(": the folder " + closed + " on the way to " + open + "/link may not"),
              std::string::npos)
        << along_path("link").message;
    std::filesystem::permissions(closed, perms::owner_all);
}

TEST(Child, IsSearchedForAlongPath) {
    const test::Folder folder;
    const auto add = [&](const std::string& relative, bool executable) {
        const auto path = folder.write(relative, "#!/bin/sh\nexit 42\n");
        if (executable) std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    };
    add("first/tool", false);
    add("second/tool", true);
    add("first/plain", false);
    const std::string path = (folder.path / "missing").string() + ":" + (folder.path / "first").string() + ":" +
                             (folder.path / "second").string();
    EXPECT_EQ(run({"tool"}, {{"PATH", path}}).code, 42) << "one that may not be executed is passed over";
    EXPECT_EQ(start_error({"plain"}, {{"PATH", path}}), ErrorCode::not_executable);
    EXPECT_EQ(start_error({"neither"}, {{"PATH", path}}), ErrorCode::not_found);
}

TEST(Child, GetsTheEnvironment) {
    const test::Folder folder;
    const auto out = (folder.path / "out").string();
    (void)::setenv("HEADRACE_TEST_OURS", "ours", 1);
    (void)::setenv("HEADRACE_TEST_CHANGED", "before", 1);
    const std::string script = "echo $HEADRACE_TEST_OURS $HEADRACE_TEST_CHANGED $HEADRACE_TEST_NEW > '" + out + "'";
    (void)run({"sh", "-c", script}, {{"HEADRACE_TEST_CHANGED", "after"}, {"HEADRACE_TEST_NEW", "new=1"}});
    EXPECT_EQ(test::content_of(out), "ours after new=1\n");
    EXPECT_STREQ(::getenv("HEADRACE_TEST_CHANGED"), "before") << "our own environment is not touched";
}

// What a command finds that is started as a shell starts it.
std::string found_without_us(const std::string& script, const std::string& out) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        (void)::execlp("sh", "sh", "-c", script.c_str(), nullptr);
        ::_exit(127);
    }
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    return test::content_of(out);
}

void expect_same_with_us(const std::string& what) {
    const test::Folder folder;
    const std::string out = (folder.path / "out").string();
    const std::string script = "exec > '" + out + "'; " + what;
    const std::string without = found_without_us(script, out);
    EXPECT_FALSE(without.empty());
    (void)run({"sh", "-c", script});
    EXPECT_EQ(test::content_of(out), without);
}

TEST(Child, HasTheSameSignalDispositionsAsWithoutUs) {
    expect_same_with_us("exec grep -E '^Sig(Ign|Blk|Pnd|Cgt)' /proc/self/status");
}

// Runs `check` in a process of its own, because it changes what belongs to the whole process.
void in_child_process(const std::function<void()>& check) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        check();
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST(Child, HasTheSameSignalDispositionsWhenSomeAreIgnoredOrBlocked) {
    in_child_process([] {
        for (const int number : {SIGHUP, SIGINT, SIGPIPE}) (void)::signal(number, SIG_IGN);
        sigset_t blocked;
        (void)::sigemptyset(&blocked);
        (void)::sigaddset(&blocked, SIGUSR2);
        (void)::sigprocmask(SIG_BLOCK, &blocked, nullptr);
        expect_same_with_us("exec grep -E '^Sig(Ign|Blk)' /proc/self/status");
        sigset_t now;
        (void)::sigprocmask(SIG_SETMASK, nullptr, &now);
        EXPECT_EQ(::sigismember(&now, SIGUSR2), 1);
        EXPECT_EQ(::sigismember(&now, SIGTERM), 0) << "our own mask is as before";
    });
}

TEST(Child, ThatOfAParentIgnoringItsChildrenIsWaitedForAllTheSame) {
    in_child_process([] {
        (void)::signal(SIGCHLD, SIG_IGN);
        EXPECT_EQ(run({"sh", "-c", "exit 7"}).code, 7);
        EXPECT_EQ(run({"grep", "-q", "^SigIgn:.*1....$", "/proc/self/status"}).code, 0) << "still ignored there";
    });
}

TEST(Child, FindsTheSameDescriptors) { expect_same_with_us("ls /proc/self/fd"); }

TEST(Child, StaysInTheProcessGroupAndSession) { expect_same_with_us("cut -d ' ' -f 5,6 /proc/self/stat"); }

TEST(Child, RestoresOurDispositionsAtItsEnd) {
    struct sigaction before {};
    (void)::sigaction(SIGTERM, nullptr, &before);
    {
        auto child = Child::start({"true"}, {});
        ASSERT_TRUE(child);
        struct sigaction meanwhile {};
        (void)::sigaction(SIGTERM, nullptr, &meanwhile);
        EXPECT_NE(meanwhile.sa_handler, before.sa_handler);
        (void)end_of(*child);
    }
    EXPECT_EQ(start_error({"/no/such/file"}), ErrorCode::not_found);
    struct sigaction after {};
    (void)::sigaction(SIGTERM, nullptr, &after);
    EXPECT_EQ(after.sa_handler, before.sa_handler);
}

// A command that says when it is ready and ends with the code that a signal stands for.
Child start_trapping(const test::Folder& folder) {
    const std::string ready = (folder.path / "ready").string();
    std::string script;
    for (const int number : {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT}) {
        script += "trap 'exit " + std::to_string(64 + number) + "' " + std::to_string(number) + "; ";
    }
    auto child = Child::start({"sh", "-c", script + ": > '" + ready + "'; while :; do sleep 0.01; done"}, {});
    EXPECT_TRUE(child);
    for (int i = 0; i < 3000 && !std::filesystem::exists(ready); ++i) (void)::usleep(10'000);
    return std::move(*child);
}

TEST(Child, GetsTheSignalsThatAreSentToUsAlone) {
    for (const int number : {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT}) {
        const test::Folder folder;
        Child child = start_trapping(folder);
        (void)::kill(::getpid(), number);
        EXPECT_EQ(end_of(child).code, 64 + number);
    }
}

TEST(Child, ItselfMaySignalItsProcessGroupWithoutGettingItTwice) {
    in_child_process([] {
        (void)::setpgid(0, 0);
        const test::Folder folder;
        const std::string out = (folder.path / "out").string();
        // Without a handler of ours this process would end; were the signal handed on, there would be two lines.
        const Exit exit =
            run({"bash", "-c", "trap 'echo got >> \"" + out + "\"' USR1; kill -USR1 0; sleep 0.2; sleep 0.2"});
        EXPECT_EQ(exit.code, 0);
        EXPECT_EQ(test::content_of(out), "got\n");
    });
}

// Sends from a process that is none of the command's.
void send_from_outside(pid_t target, int number) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(::kill(target, number) == 0 ? 0 : 1);
    (void)::waitpid(pid, nullptr, 0);
}

// What a command writes that gets what `send` sends while it waits; we lead a process group of our own.
std::string noted_by_command(const std::function<void(Child&)>& send) {
    const test::Folder folder;
    const std::string out = (folder.path / "out").string();
    const std::string script = "trap 'echo one >> " + out + "' USR1; trap 'echo two >> " + out + "' USR2; : > " + out +
                               ".ready; while [ ! -e " + out + ".end ]; do sleep 0.01; done";
    auto child = Child::start({"sh", "-c", script}, {});
    EXPECT_TRUE(child);
    for (int i = 0; i < 3000 && !std::filesystem::exists(out + ".ready"); ++i) (void)::usleep(10'000);
    send(*child);
    (void)child->wait(300'000'000);
    (void)folder.write("out.end", "");
    EXPECT_EQ(end_of(*child).code, 0);
    return test::content_of(out);
}

TEST(Child, GetsASignalToTheGroupOnce) {
    in_child_process([] {
        (void)::setpgid(0, 0);
        EXPECT_EQ(noted_by_command([](Child&) { send_from_outside(-::getpid(), SIGUSR1); }), "one\n");
    });
}

TEST(Child, GetsASignalToUsAndTheGroupAtOnceOnce) {
    in_child_process([] {
        (void)::setpgid(0, 0);
        const auto as_timeout_does = [](Child&) {
            send_from_outside(::getpid(), SIGUSR1);
            send_from_outside(-::getpid(), SIGUSR1);
        };
        EXPECT_EQ(noted_by_command(as_timeout_does), "one\n");
    });
}

TEST(Child, GetsEachSignalThatIsSentToUsAlone) {
    in_child_process([] {
        (void)::setpgid(0, 0);
        const auto several = [](Child& child) {
            for (const int number : {SIGUSR1, SIGUSR2, SIGUSR1}) {
                send_from_outside(::getpid(), number);
                (void)child.wait(100'000'000);
            }
        };
        EXPECT_EQ(noted_by_command(several), "one\ntwo\none\n");
    });
}

// A process that has a terminal of its own as its controlling one; the other end of it is returned.
int with_terminal(const std::function<void()>& work, pid_t& pid) {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) return -1;
    const std::string name = ::ptsname(master);
    pid = ::fork();
    if (pid == 0) {
        (void)::setsid();
        const int terminal = ::open(name.c_str(), O_RDWR);
        (void)::ioctl(terminal, TIOCSCTTY, 0);
        work();
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    return master;
}

TEST(Child, GetsAnInterruptOfTheTerminalOnce) {
    const auto pythons = python_candidates(".");
    if (pythons.empty()) GTEST_SKIP() << "no Python to count signals with";
    const test::Folder folder;
    const auto script = folder.write("count.py", R"(
import os, signal, sys, time
def note(number, frame):
    with open(sys.argv[1], "a") as file:
        file.write("got\n")
signal.signal(signal.SIGINT, note)
open(sys.argv[1] + ".ready", "w").close()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
for _ in range(30):
    time.sleep(0.01)
)");
    const std::string out = (folder.path / "out").string();
    pid_t pid = -1;
    const int master = with_terminal([&] { EXPECT_EQ(run({pythons[0].string(), script.string(), out}).code, 0); }, pid);
    ASSERT_GE(master, 0);
    for (int i = 0; i < 3000 && !std::filesystem::exists(out + ".ready"); ++i) (void)::usleep(10'000);
    (void)!::write(master, "\x03", 1);
    int status = -1;
    (void)::waitpid(pid, &status, 0);
    (void)::close(master);
    EXPECT_EQ(status, 0) << "we ourselves are not interrupted";
    EXPECT_EQ(test::content_of(out), "got\n");
}

TEST(SignalRelay, TellsWhoMustGetASignal) {
    const auto self = static_cast<std::int32_t>(::getpid());
    const auto command = static_cast<std::uint32_t>(::getpid());
    EXPECT_FALSE(may_hand_on({SIGINT, SI_KERNEL, 0}, 1)) << "from the terminal: the command has it already";
    EXPECT_FALSE(may_hand_on({SIGWINCH, SI_KERNEL, 0}, 1));
    EXPECT_TRUE(may_hand_on({SIGINT, SI_USER, ::getppid()}, command));
    EXPECT_TRUE(may_hand_on({SIGTERM, SI_QUEUE, ::getppid()}, command));
    EXPECT_FALSE(may_hand_on({SIGTERM, SI_USER, self}, command)) << "the command sent it itself";
    EXPECT_FALSE(may_hand_on({SIGTERM, SI_USER, self}, static_cast<std::uint32_t>(::getppid()))) << "a child of it";
    EXPECT_TRUE(may_hand_on({SIGTERM, SI_USER, 0}, command)) << "from another process id namespace";
}

TEST(SignalRelay, LeavesWhatIsIgnored) {
    in_child_process([] {
        (void)::signal(SIGHUP, SIG_IGN);
        auto child = Child::start({"sleep", "600"}, {});
        ASSERT_TRUE(child);
        (void)::kill(::getpid(), SIGHUP);
        EXPECT_FALSE(child->wait(50'000'000)) << "as under nohup";
        (void)::kill(static_cast<pid_t>(child->pid()), SIGKILL);
        (void)end_of(*child);
    });
}

TEST(Child, HasTheLimitOfOpenFilesThatWasThereBeforeOursWasRaised) {
    const test::Folder folder;
    const std::string shown = (folder.path / "limits").string();
    const pid_t pid = ::fork();
    if (pid == 0) {
        const rlimit before{123, 456};
        rlimit raised{};
        if (::setrlimit(RLIMIT_NOFILE, &before) != 0) ::_exit(1);
        raise_descriptor_limit();
        if (::getrlimit(RLIMIT_NOFILE, &raised) != 0 || raised.rlim_cur != 456) ::_exit(2);
        ::_exit(run({"sh", "-c", "(ulimit -Sn; ulimit -Hn) > " + shown}).code == 0 ? 0 : 3);
    }
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(test::content_of(shown), "123\n456\n");
}

TEST(ProcessAlive, KnowsZombiesAsEnded) {
    EXPECT_TRUE(process_alive(static_cast<std::uint32_t>(::getpid())));
    EXPECT_FALSE(process_alive(0));
    EXPECT_TRUE(process_alive(static_cast<std::uint32_t>(::getpid()), monotonic_now()));
    EXPECT_FALSE(process_alive(static_cast<std::uint32_t>(::getpid()), 1));  // began later: it is another one
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    siginfo_t info{};
    (void)::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
    EXPECT_FALSE(process_alive(static_cast<std::uint32_t>(pid)));
    (void)::waitpid(pid, nullptr, 0);
    EXPECT_FALSE(process_alive(static_cast<std::uint32_t>(pid)));
}

}  // namespace
}  // namespace headrace::sys
