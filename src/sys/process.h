// Starts a command and watches it and its descendants from outside.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/result.h"
#include "headrace/run.h"

namespace headrace::sys {

// How a process ended.
struct Exit {
    std::optional<int> code;
    std::optional<int> signal;
    Nanoseconds when = 0;         // CLOCK_MONOTONIC
    std::int64_t peak_bytes = 0;  // resident, of the largest process among it and those that it waited for; 0: unknown
};

// A command that runs in our process group with our standard input, output, error, working directory, limits and
// signal dispositions, so that it owns the terminal and job control as without us. While it runs we ignore what the
// terminal sends (SIGINT, SIGQUIT, SIGWINCH: it sends them to the command too) and hand on SIGINT, SIGQUIT, SIGTERM,
// SIGHUP, SIGUSR1, SIGUSR2, SIGCONT and SIGWINCH that another process sends to us alone, 20 ms later. What it sends to
// the whole process group the command has got itself, which a second process that we fork into the group shows
// (sys/group_sentinel.h); where that cannot be started, the command gets such a signal twice. Ctrl-Z stops both. Only
// one Child at a time hands signals on; not safe for several threads.
class Child {
public:
    // Errors: not_found, not_executable (of the command), invalid_argument (no command), io_error (fork failed).
    // `environment` holds the variables to set over our own environment.
    static Result<Child> start(const std::vector<std::string>& command,
                               const std::vector<std::pair<std::string, std::string>>& environment);
    Child(Child&&) noexcept;
    Child& operator=(Child&&) noexcept;
    ~Child();  // restores our signal dispositions; does not wait for the command

    std::uint32_t pid() const noexcept;
    Nanoseconds started() const noexcept;  // CLOCK_MONOTONIC just before the fork

    // What to do once when the command has ended, before its process id is given back: the last moment at which /proc
    // still tells what it used. Called inside wait().
    void before_reaping(std::function<void()> last_look);

    // Waits at most `timeout` for the end; handed-on signals are delivered meanwhile. Empty: still running.
    std::optional<Exit> wait(Nanoseconds timeout);

private:
    struct State;
    explicit Child(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Looks at the tree of processes below `root`.
class ProcessTree {
public:
    // Of the processes that have ended, `most_ended` that were found first and as many that took most CPU time are
    // kept: a program that starts one for each sample makes a million a day.
    explicit ProcessTree(std::uint32_t root, std::size_t most_ended = 4096);
    ~ProcessTree();
    ProcessTree(const ProcessTree&) = delete;
    ProcessTree& operator=(const ProcessTree&) = delete;

    // Looks once: finds new processes, takes CPU times, notes which ended (exactly, by pidfd, when a look came
    // between).
    void look();

    // Takes the peak of the sum of proportional set sizes, after a look. Reading it walks the page tables of the
    // program, which takes milliseconds where there are many: it is read only when the cheap sum of resident sizes has
    // grown by 2 %, or rarely, and the time that it takes is bounded here.
    void look_at_memory();

    // Only notes which processes have ended since: one system call, for exact end times between looks.
    void poll_ends();

    // Whether a look could not be taken because no file could be opened: processes may have been missed then.
    bool lacked_descriptors() const noexcept;

    std::uint64_t forgotten() const noexcept;  // ended processes that are not kept

    std::int64_t peak_bytes() const noexcept;
    std::vector<ProcessRecord> processes() const;
    bool lives(std::uint32_t pid) const noexcept;  // and was found, at the last look

    // What the whole tree had used at the last look. The CPU time of a process that ended between two looks is that
    // of its last look or what its parent got for it by waiting (in steps of 10 ms), whichever is more; so processes
    // too short to be seen are in it. Lost is only what nobody waits for: the last part of a process between looks
    // whose parent had ended or ignores its children.
    OutsidePoint usage() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// From now on a file that reaches the limit of its size (ulimit -f) is an error of its write and not the end of this
// process. A Child gets the default action back. Once, at the start, before there is another thread.
void ignore_file_size_signal() noexcept;

// From now on this process may have as many open files as it can be given (ulimit -Hn). A Child gets back the limit
// that was there before.
void raise_descriptor_limit() noexcept;

Nanoseconds monotonic_now() noexcept;

// Whether there is such a process and it has not ended. With `began_by` one that began later, as far as it is known, is
// taken for another one to which the number was given.
bool process_alive(std::uint32_t pid, Nanoseconds began_by = std::numeric_limits<Nanoseconds>::max()) noexcept;

}  // namespace headrace::sys
