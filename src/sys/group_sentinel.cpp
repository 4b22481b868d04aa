#include "sys/group_sentinel.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include "sys/proc.h"
#include "sys/process.h"
#include "sys/signal_relay.h"

namespace headrace::sys {
namespace {

constexpr std::string_view name = "signal-sentinel";  // the kernel keeps 15 characters
constexpr Nanoseconds patience = 500'000'000;         // how long an answer may take on a busy machine

// What the process says: which signals it has got since it said so last, as bits, and to which question that is the
// answer (0: to none).
struct Message {
    std::uint64_t signals = 0;
    std::uint64_t answer_to = 0;
};

// The program's pipes must end when the program closes them: this process may keep none of their ends.
void keep_only(int descriptor) noexcept {
    (void)::dup2(descriptor, STDIN_FILENO);
    if (::syscall(SYS_close_range, 1U, ~0U, 0U) == 0) return;
    const long limit = std::min<long>(::sysconf(_SC_OPEN_MAX), 65536);  // a kernel before 5.9
    for (int number = 1; number < limit; ++number) (void)::close(number);
}

// Writes our name over what is not the program's in the command line that /proc shows. That memory is the parent's
// until it is written to, and then our own. `program` is as it is kept there: each word ended by a NUL.
void show_own_command_line(std::string_view program) noexcept {
    const auto [begin, end] = own_command_line();
    if (begin == 0 || end <= begin) return;
    char* const text = reinterpret_cast<char*>(begin);
    std::size_t size = end - begin;
    if (program.size() < size && std::string_view(text, size).substr(size - program.size()) == program)
        size -= program.size();
    const std::size_t shown = std::min(name.size(), size - 1);
    // Spaces and not NULs up to the program's words: those would be empty words.
    std::memset(text, ' ', size);
    std::memcpy(text, name.data(), shown);
    text[size - 1] = '\0';
}

// The watched signals wait to be read and the others do nothing, so that they neither end it nor pile up.
void take_no_signal(const sigset_t& watched) noexcept {
    for (int number = 1; number < NSIG; ++number) {
        if (::sigismember(&watched, number) == 0) (void)::signal(number, SIG_IGN);
    }
    (void)::sigprocmask(SIG_SETMASK, &watched, nullptr);
}

std::uint64_t read_signals(int signals, pid_t parent) noexcept {
    std::uint64_t got = 0;
    signalfd_siginfo info{};
    while (::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        // Our own SIGCONT, which wakes it, says nothing about the group.
        if (info.ssi_pid != static_cast<std::uint32_t>(parent)) got |= std::uint64_t{1} << info.ssi_signo;
    }
    return got;
}

[[noreturn]] void serve(const sigset_t& watched, pid_t parent) noexcept {
    constexpr int socket = STDIN_FILENO;
    const int signals = ::signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0) ::_exit(1);
    Message message;
    for (;;) {
        std::array<pollfd, 2> waiting{{{socket, POLLIN, 0}, {signals, POLLIN, 0}}};
        if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) ::_exit(1);
        message.answer_to = 0;
        if (waiting[0].revents != 0) {
            // The end of the other side is our end: a second way beside the signal at the parent's death.
            if (::recv(socket, &message.answer_to, sizeof message.answer_to, 0) <= 0) ::_exit(0);
        }
        message.signals |= read_signals(signals, parent);
        if (message.signals == 0 && message.answer_to == 0) continue;
        // What cannot be said now is said with the next answer.
        if (::send(socket, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) message.signals = 0;
    }
}

[[noreturn]] void become_sentinel(const sigset_t& watched, std::string_view program, pid_t parent,
                                  int socket) noexcept {
    (void)::prctl(PR_SET_NAME, name.data());
    show_own_command_line(program);
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    take_no_signal(watched);
    keep_only(socket);
    serve(watched, parent);
}

}  // namespace

std::unique_ptr<GroupSentinel> GroupSentinel::start(const sigset_t& watched, std::string_view program) noexcept {
    std::unique_ptr<GroupSentinel> sentinel(new (std::nothrow) GroupSentinel());
    int ends[2];
    if (!sentinel || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return nullptr;
    sentinel->socket_.reset(ends[0]);
    const Descriptor other(ends[1]);
    const pid_t parent = ::getpid();
    const SignalsBlocked blocked;  // a signal that comes before it is ready waits, and does not end it
    sentinel->pid_ = ::fork();
    if (sentinel->pid_ == 0) become_sentinel(watched, program, parent, other.get());
    if (sentinel->pid_ < 0) return nullptr;
    return sentinel;
}

GroupSentinel::~GroupSentinel() {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

// False when there was no message.
bool GroupSentinel::take_message(int flags) noexcept {
    Message message;
    const ssize_t count = ::recv(socket_.get(), &message, sizeof message, flags);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (count != static_cast<ssize_t>(sizeof message)) {
        socket_.reset();  // it has gone
        return false;
    }
    for (std::size_t number = 0; number < got_.size(); ++number) {
        if ((message.signals >> number & 1) != 0) got_[number] = monotonic_now();
    }
    answered_ = std::max(answered_, message.answer_to);
    return true;
}

void GroupSentinel::listen() noexcept {
    while (socket_ && take_message(MSG_DONTWAIT)) {
    }
}

void GroupSentinel::ask() noexcept {
    if (!socket_) return;
    // The kernel may still be going through the group. It holds a lock meanwhile for which this call, which changes
    // nothing, has to wait.
    (void)::setpgid(pid_, ::getpgrp());
    // A SIGSTOP stops it with the rest of the group, but a SIGCONT may have been for us alone.
    if (const auto stat = read_process_stat(static_cast<std::uint32_t>(pid_)); stat && stat->state == 'T')
        (void)::kill(pid_, SIGCONT);
    ++asked_;
    if (::send(socket_.get(), &asked_, sizeof asked_, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EPIPE || errno == ECONNRESET) socket_.reset();
        return;
    }
    const Nanoseconds deadline = monotonic_now() + patience;
    while (socket_ && answered_ < asked_) {
        const Nanoseconds left = deadline - monotonic_now();
        if (left <= 0) return;
        pollfd waiting{socket_.get(), POLLIN, 0};
        (void)::poll(&waiting, 1, static_cast<int>(left / 1'000'000) + 1);
        (void)take_message(MSG_DONTWAIT);
    }
}

bool GroupSentinel::got_since(int number, Nanoseconds since) noexcept {
    ask();
    return got_[static_cast<std::size_t>(number)] >= since;
}

}  // namespace headrace::sys
