#include "sys/signal_relay.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "sys/proc.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

// The write end of the pipe of the one active relay, -1 without one. A handler can read nothing but such a global.
std::atomic<int> active_pipe{-1};
static_assert(std::atomic<int>::is_always_lock_free);

bool file_size_signal_ignored_here = false;

extern "C" void headrace_note_signal(int number, siginfo_t* info, void* /*context*/) {
    const int saved = errno;
    ReceivedSignal received;
    received.number = number;
    received.code = info->si_code;
    received.sender = info->si_code <= 0 ? info->si_pid : 0;
    const int pipe = active_pipe.load(std::memory_order_relaxed);
    // A full pipe means that thousands of signals wait to be handed on already: one more is no loss.
    if (pipe >= 0) (void)!::write(pipe, &received, sizeof received);
    errno = saved;
}

}  // namespace

SignalsBlocked::SignalsBlocked() noexcept {
    sigset_t all;
    (void)::sigfillset(&all);
    (void)::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

Result<std::unique_ptr<SignalRelay>> SignalRelay::install() {
    std::unique_ptr<SignalRelay> relay(new SignalRelay());
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno(errno, "cannot open a pipe for signals");
    relay->read_end_.reset(ends[0]);
    relay->write_end_.reset(ends[1]);
    int none = -1;
    if (!active_pipe.compare_exchange_strong(none, ends[1])) {
        relay->read_end_.reset();
        relay->write_end_.reset();
        return relay;
    }
    relay->active_ = true;
    for (std::size_t i = 0; i < caught_count; ++i) {
        (void)::sigaction(caught[i], nullptr, &relay->before_[i]);
        if (relay->before_[i].sa_handler == SIG_IGN) continue;
        struct sigaction action {};
        action.sa_sigaction = &headrace_note_signal;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        (void)::sigfillset(&action.sa_mask);
        (void)::sigaction(caught[i], &action, nullptr);
    }
    struct sigaction default_action {};
    default_action.sa_handler = SIG_DFL;
    (void)::sigaction(SIGCHLD, &default_action, &relay->child_before_);
    return relay;
}

SignalRelay::~SignalRelay() {
    if (!active_) return;
    for (std::size_t i = 0; i < caught_count; ++i) (void)::sigaction(caught[i], &before_[i], nullptr);
    (void)::sigaction(SIGCHLD, &child_before_, nullptr);
    active_pipe.store(-1);
}

void SignalRelay::restore_in_child() const noexcept {
    if (!active_) return;
    // A handler of ours would run in the child between here and exec, and exec makes it the default anyway.
    const auto put = [](int number, const struct sigaction& before) {
        struct sigaction action {};
        action.sa_handler = before.sa_handler == SIG_IGN ? SIG_IGN : SIG_DFL;
        (void)::sigaction(number, &action, nullptr);
    };
    for (std::size_t i = 0; i < caught_count; ++i) put(caught[i], before_[i]);
    put(SIGCHLD, child_before_);
    if (file_size_signal_ignored_here) put(SIGXFSZ, {});
}

void ignore_file_size_signal() noexcept {
    struct sigaction before {};
    if (::sigaction(SIGXFSZ, nullptr, &before) == 0 && before.sa_handler == SIG_DFL) {
        file_size_signal_ignored_here = ::signal(SIGXFSZ, SIG_IGN) != SIG_ERR;
    }
}

sigset_t SignalRelay::signals() noexcept {
    sigset_t set;
    (void)::sigemptyset(&set);
    for (const int number : caught) (void)::sigaddset(&set, number);
    return set;
}

std::optional<ReceivedSignal> SignalRelay::next() noexcept {
    ReceivedSignal received;
    if (!read_end_) return std::nullopt;
    // A record is far smaller than PIPE_BUF, so it arrives whole.
    if (::read(read_end_.get(), &received, sizeof received) != static_cast<ssize_t>(sizeof received))
        return std::nullopt;
    return received;
}

bool may_hand_on(const ReceivedSignal& signal, std::uint32_t command) noexcept {
    if (signal.code > 0) {
        // A hang-up of the terminal goes to the session leader alone, where that is us.
        return signal.number == SIGHUP && ::getsid(0) == ::getpid();
    }
    std::uint32_t ancestor = static_cast<std::uint32_t>(signal.sender);
    for (int depth = 0; depth < 64 && ancestor > 1; ++depth) {
        if (ancestor == command) return false;
        const std::optional<ProcessStat> stat = read_process_stat(ancestor);
        if (!stat) break;
        ancestor = stat->parent;
    }
    return true;
}

}  // namespace headrace::sys
