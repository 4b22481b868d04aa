// Tells whether a signal went to the whole process group.
#pragma once

#include <sys/types.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string_view>

#include "headrace/run.h"
#include "sys/descriptor.h"

namespace headrace::sys {

// A process that does nothing but get signals: forked from us into our process group, with every descriptor of ours
// closed. The receiver of a signal cannot tell whether it was sent to it alone or to its group; what this process got
// too was sent to the group. It ends with us however we end.
//
// What finds processes by name (pkill, pgrep) must not find it with us, or a signal to us would be taken for one to the
// group. So it is named signal-sentinel, and of our command line it shows only what is the program's: a pattern that
// finds the program and us finds it too, and the program is not sent twice what it has got.
//
// Not safe for several threads. Where it cannot be started or has been killed, it has got nothing.
class GroupSentinel {
public:
    // Call with the signals `watched` blocked; `program` is the program's command, each word ended by a NUL. Null when
    // the system gives no process.
    static std::unique_ptr<GroupSentinel> start(const sigset_t& watched, std::string_view program = {}) noexcept;
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
