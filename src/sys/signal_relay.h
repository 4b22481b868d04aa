// Keeps the signals of this process in order while the audited command runs beside it.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>

#include "headrace/result.h"
#include "sys/descriptor.h"

namespace headrace::sys {

// A signal that reached this process and that the command may have to get too.
struct ReceivedSignal {
    int number = 0;
    std::int32_t code = 0;    // si_code: who sent it
    std::int32_t sender = 0;  // process id of the sender, 0 for the kernel
};

// Holds all signals back in this thread for as long as it lives.
class SignalsBlocked {
public:
    SignalsBlocked() noexcept;
    ~SignalsBlocked() { restore(); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    void restore() const noexcept { (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

// From its making until its end, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT and SIGWINCH no longer
// act on this process but can be read from it, and SIGCHLD has its default action (a parent that ignores it would lose
// the exit code). Signals that were ignored at the start stay ignored. Handlers are used and not a signal mask,
// because a mask would have to be set in every thread.
//
// Only one exists in a process at a time; a second one changes nothing and never receives anything.
class SignalRelay {
public:
    static Result<std::unique_ptr<SignalRelay>> install();
    ~SignalRelay();  // restores what was there before
    SignalRelay(const SignalRelay&) = delete;
    SignalRelay& operator=(const SignalRelay&) = delete;

    // Puts the dispositions back that were there before; only async-signal-safe calls, for use between fork and exec.
    void restore_in_child() const noexcept;

    // The signals that can be read from it.
    static sigset_t signals() noexcept;

    // Readable when next() has something to give; -1 for a second relay.
    int descriptor() const noexcept { return read_end_.get(); }
    std::optional<ReceivedSignal> next() noexcept;

private:
    SignalRelay() = default;

    static constexpr int caught[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};
    static constexpr std::size_t caught_count = sizeof caught / sizeof caught[0];
    Descriptor read_end_;
    Descriptor write_end_;
    bool active_ = false;
    struct sigaction before_[caught_count] = {};
    struct sigaction child_before_ = {};
};

// Whether the command may need to be sent what this process received. The terminal and the kernel send to the whole
// process group, so the command has it already; so it has when the sender is part of the command itself (`command`, or
// a descendant of it), which then meant its own process group. What another process sent with kill was sent to us
// alone or to the group: that a GroupSentinel tells.
bool may_hand_on(const ReceivedSignal& signal, std::uint32_t command) noexcept;

}  // namespace headrace::sys
