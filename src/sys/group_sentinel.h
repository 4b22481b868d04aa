// Tells whether a signal went to the whole process group.
#pragma once

#include <sys/types.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <memory>

#include "headrace/run.h"
#include "sys/descriptor.h"

namespace headrace::sys {

// A process that does nothing but get signals: forked from us into our process group, with every descriptor of ours
// closed. The receiver of a signal cannot tell whether it was sent to it alone or to its group; what this process got
// too was sent to the group. It is named headrace-signal, and ends with us however we end.
//
// Not safe for several threads. Where it cannot be started or has been killed, it has got nothing.
class GroupSentinel {
public:
    // Call with the signals `watched` blocked. Null when the system gives no process.
    static std::unique_ptr<GroupSentinel> start(const sigset_t& watched) noexcept;
    ~GroupSentinel();  // ends it and waits for it
    GroupSentinel(const GroupSentinel&) = delete;
    GroupSentinel& operator=(const GroupSentinel&) = delete;

    pid_t pid() const noexcept { return pid_; }

    // Readable when listen() has something to note; -1 once the process has gone.
    int descriptor() const noexcept { return socket_.get(); }
    void listen() noexcept;

    // Whether it got the signal at `since` (CLOCK_MONOTONIC) or later. Answers for every signal that we ourselves have
    // got before the call. Takes as long as the process needs to answer: microseconds, half a second at most.
    bool got_since(int number, Nanoseconds since) noexcept;

private:
    GroupSentinel() = default;
    void ask() noexcept;
    bool take_message(int flags) noexcept;

    Descriptor socket_;
    pid_t pid_ = 0;
    std::uint64_t asked_ = 0;
    std::uint64_t answered_ = 0;
    std::array<Nanoseconds, 64> got_ = {};  // by signal number: when we heard of it last
};

}  // namespace headrace::sys
