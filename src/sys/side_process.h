// Work that has to be done in a process of its own: it may not come back, or changes what it cannot change back.
#pragma once

#include <functional>
#include <string>

#include "headrace/result.h"

namespace headrace::sys {

// What the work may ask: whether it should end early, because it was stopped or the process that began it has gone.
class StopSign {
public:
    explicit StopSign(int descriptor) noexcept : descriptor_(descriptor) {}
    bool shown() const noexcept;

private:
    int descriptor_;
};

// Forks, which only a process of one thread may do, runs `work` there and gives what it returned. The new process has a
// session of its own without a terminal (Ctrl-C does not reach it), passes no open file on to what it starts, and is
// the subreaper of that. `stopped` is asked ten times a second; the work then sees the stop sign, and the answer is
// interrupted. Processes that the work has left behind are killed, for which this process is a subreaper meanwhile:
// call it where there are no children that should live on.
//
// Errors: interrupted; io_error where the process could not be made or ended without an answer.
Result<std::string> run_aside(const std::function<std::string(const StopSign&)>& work,
                              const std::function<bool()>& stopped);

// While it lives, SIGINT, SIGTERM and SIGHUP are noted and do not end this process; one that was ignored before (nohup)
// stays ignored. One at a time.
class Interrupts {
public:
    Interrupts();
    ~Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

    // The signal that came last; 0: none.
    static int seen() noexcept;
};

}  // namespace headrace::sys
