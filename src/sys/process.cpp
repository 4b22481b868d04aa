#include "sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <deque>
#include <utility>

#include "sys/descriptor.h"
#include "sys/execute.h"
#include "sys/group_sentinel.h"
#include "sys/proc.h"
#include "sys/signal_relay.h"

namespace headrace::sys {
namespace {

// How long one wait lasts at most where the kernel has no pidfd (before 5.3) and only asking again shows the end.
constexpr Nanoseconds without_pidfd = 5'000'000;

// How far apart one signal may come to us and to the rest of the group. `timeout` sends it to us first and then to the
// group, and may have to wait for a core in between.
constexpr Nanoseconds group_spread = 20'000'000;

// The kernel notes the begin of a process in steps of 10 ms, of a clock that is read a moment later than ours.
constexpr Nanoseconds clock_step = 20'000'000;

// Longer than any program runs, and far from overflowing.
constexpr Nanoseconds forever = 1'000'000'000'000'000'000;

timespec to_timespec(Nanoseconds time) noexcept {
    time = std::max<Nanoseconds>(time, 0);
    return {static_cast<time_t>(time / 1'000'000'000), static_cast<long>(time % 1'000'000'000)};
}

// The limit of open files that was there before we raised it.
std::optional<rlimit> descriptor_limit_before;

[[noreturn]] void become_command(const Execution& execution, const SignalRelay& relay, const SignalsBlocked& blocked,
                                 int error_pipe) noexcept {
    relay.restore_in_child();
    if (descriptor_limit_before) (void)::setrlimit(RLIMIT_NOFILE, &*descriptor_limit_before);
    blocked.restore();
    const int error = execution.execute();
    (void)!::write(error_pipe, &error, sizeof error);
    ::_exit(127);
}

// The error of the exec; 0 when the pipe was closed by a successful one.
int read_exec_error(int error_pipe) noexcept {
    int error = 0;
    ssize_t count = -1;
    do count = ::read(error_pipe, &error, sizeof error);
    while (count < 0 && errno == EINTR);
    return count == static_cast<ssize_t>(sizeof error) ? error : 0;
}

Exit exit_of(const siginfo_t& info, Nanoseconds when) {
    Exit exit;
    exit.when = when;
    if (info.si_code == CLD_EXITED)
        exit.code = info.si_status;
    else
        exit.signal = info.si_status;
    return exit;
}

}  // namespace

struct Child::State {
    struct Waiting {
        int number = 0;
        Nanoseconds when = 0;
    };

    std::unique_ptr<SignalRelay> relay;
    std::unique_ptr<GroupSentinel> sentinel;  // goes before the relay, which keeps SIGCHLD as waiting for it needs it
    std::deque<Waiting> waiting;              // signals of which the sentinel may still get its part
    Descriptor pidfd;
    pid_t pid = 0;
    Nanoseconds started = 0;
    std::optional<Exit> exit;

    std::function<void()> last_look;

    void hand_on_signals();
    void poll_once(Nanoseconds timeout);
    std::optional<Exit> reap();
};

void Child::State::hand_on_signals() {
    if (sentinel) sentinel->listen();
    while (const std::optional<ReceivedSignal> received = relay->next()) {
        if (may_hand_on(*received, static_cast<std::uint32_t>(pid)))
            waiting.push_back({received->number, monotonic_now()});
    }
    while (!waiting.empty() && (!sentinel || waiting.front().when + group_spread <= monotonic_now())) {
        const Waiting signal = waiting.front();
        waiting.pop_front();
        // One that has left the group is handed on everything, for of the two signals of `timeout` it got neither.
        const bool in_group = ::getpgid(pid) == ::getpgrp();
        if (in_group && sentinel && sentinel->got_since(signal.number, signal.when - group_spread)) continue;
        // The process id cannot have been given to another process: only reap() frees it.
        (void)::kill(pid, signal.number);
    }
}

void Child::State::poll_once(Nanoseconds timeout) {
    std::array<pollfd, 3> events{{{pidfd.get(), POLLIN, 0},
                                  {relay->descriptor(), POLLIN, 0},
                                  {sentinel ? sentinel->descriptor() : -1, POLLIN, 0}}};
    if (!waiting.empty()) {
        const Nanoseconds until_due = waiting.front().when + group_spread - monotonic_now();
        timeout = std::min(timeout, std::max<Nanoseconds>(until_due, 0));
    }
    const timespec limit = to_timespec(pidfd ? timeout : std::min(timeout, without_pidfd));
    (void)::ppoll(events.data(), events.size(), &limit, nullptr);
}

std::optional<Exit> Child::State::reap() {
    const Nanoseconds when = monotonic_now();
    siginfo_t info{};
    if (last_look) {
        const int seen = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
        if (seen == 0 && info.si_pid != 0) std::exchange(last_look, nullptr)();
        info = {};
    }
    int result = -1;
    rusage used{};  // which the C library's waitid does not give
    do result = static_cast<int>(::syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG, &used));
    while (result != 0 && errno == EINTR);
    if (result == 0 && info.si_pid == 0) return std::nullopt;
    sentinel.reset();
    exit = result == 0 ? exit_of(info, when) : Exit{std::nullopt, std::nullopt, when, 0};
    exit->peak_bytes = std::int64_t{used.ru_maxrss} * 1024;
    return exit;
}

Result<Child> Child::start(const std::vector<std::string>& command,
                           const std::vector<std::pair<std::string, std::string>>& environment) {
    if (command.empty()) return fail(ErrorCode::invalid_argument, "no command was given to start: name a program");
    const Execution execution(command, environment);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot open a pipe to start " + command.front());
    Descriptor read_end(ends[0]);
    Descriptor write_end(ends[1]);
    auto state = std::make_unique<State>();
    std::string words;  // joined here: once the program runs, want of memory may not end us
    for (const std::string& word : command) words.append(word).push_back('\0');
    {
        const SignalsBlocked blocked;  // none acts on the child before its dispositions are restored
        auto relay = SignalRelay::install();
        if (!relay) return tl::unexpected<Error>(relay.error());
        state->relay = std::move(*relay);
        state->started = monotonic_now();
        state->pid = ::fork();
        if (state->pid == 0) become_command(execution, *state->relay, blocked, write_end.get());
        if (state->pid < 0) {
            const int error = errno;
            state->relay.reset();
            return fail(ErrorCode::io_error, execution.failure(error == ENOMEM ? ENOMEM : EAGAIN).message);
        }
        state->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, state->pid, 0)));
        write_end.reset();
        // After the command: a signal that the sentinel gets, the command has got too.
        if (state->relay->descriptor() >= 0) state->sentinel = GroupSentinel::start(SignalRelay::signals(), words);
    }
    if (const int error = read_exec_error(read_end.get()); error != 0) {
        (void)::waitpid(state->pid, nullptr, 0);
        return tl::unexpected<Error>(execution.failure(error));
    }
    return Child(std::move(state));
}

Child::Child(std::unique_ptr<State> state) : state_(std::move(state)) {}
Child::Child(Child&&) noexcept = default;
Child& Child::operator=(Child&&) noexcept = default;
Child::~Child() = default;

std::uint32_t Child::pid() const noexcept { return static_cast<std::uint32_t>(state_->pid); }
Nanoseconds Child::started() const noexcept { return state_->started; }

void Child::before_reaping(std::function<void()> last_look) { state_->last_look = std::move(last_look); }

std::optional<Exit> Child::wait(Nanoseconds timeout) {
    const Nanoseconds deadline = monotonic_now() + std::clamp<Nanoseconds>(timeout, 0, forever);
    while (!state_->exit) {
        state_->poll_once(deadline - monotonic_now());
        if (state_->reap()) break;
        state_->hand_on_signals();
        if (monotonic_now() >= deadline) return std::nullopt;
    }
    return state_->exit;
}

void raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) descriptor_limit_before = limit;
}

Nanoseconds monotonic_now() noexcept {
    timespec now{};
    (void)::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<Nanoseconds>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

bool process_alive(std::uint32_t pid, Nanoseconds began_by) noexcept {
    if (pid == 0) return false;
    if (const auto stat = read_process_stat(pid)) {
        // A zombie has ended: only its parent has not asked yet.
        if (stat->state == 'Z' || stat->state == 'X') return false;
        // A time on which the machine slept makes the begin look earlier, never later.
        return monotonic_of_ticks(stat->start_ticks) - clock_step <= began_by;
    }
    return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM;
}

}  // namespace headrace::sys
