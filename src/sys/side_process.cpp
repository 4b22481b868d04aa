#include "sys/side_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <utility>

#include "sys/descriptor.h"
#include "sys/kill_tree.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

constexpr int ask_every = 100;  // milliseconds

// How long what removes the names that others left behind may take.
constexpr Nanoseconds helpers_have = 10'000'000'000;
constexpr useconds_t between_looks = 1000;  // microseconds
constexpr int looks_per_kill = 100;

constexpr std::array<int, 3> endings{SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t seen_signal = 0;
std::array<struct sigaction, endings.size()> before_interrupts;

void note_signal(int number) { seen_signal = number; }

struct Pipe {
    Descriptor read;
    Descriptor write;
};

Result<Pipe> open_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot open a pipe");
    return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// As long as it lives, what orphaned descendants become the children of is this process.
class Subreaper {
public:
    Subreaper() {
        (void)::prctl(PR_GET_CHILD_SUBREAPER, &before_);
        (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
    }
    ~Subreaper() { (void)::prctl(PR_SET_CHILD_SUBREAPER, static_cast<unsigned long>(before_)); }
    Subreaper(const Subreaper&) = delete;
    Subreaper& operator=(const Subreaper&) = delete;

private:
    int before_ = 0;
};

void write_all(int descriptor, const std::string& text) noexcept {
    for (std::size_t written = 0; written < text.size();) {
        const ssize_t count = ::write(descriptor, text.data() + written, text.size() - written);
        if (count < 0 && errno != EINTR) return;
        if (count > 0) written += static_cast<std::size_t>(count);
    }
}

// Whoever waits for the answer tells an empty one, of a process that ended early, from a whole one.
constexpr char whole = '\n';

// What our caller had open is none of the work's: all of ours is closed on exec already.
void close_on_exec() noexcept {
    constexpr unsigned mark = 4;  // CLOSE_RANGE_CLOEXEC, Linux 5.11
    if (::syscall(SYS_close_range, 3U, ~0U, mark) == 0) return;
    const long most = ::sysconf(_SC_OPEN_MAX);
    for (int descriptor = 3; descriptor < most; ++descriptor) (void)::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

// Our own handlers alone: what was ignored before us (nohup) stays ignored.
void restore_signals() noexcept {
    for (const int number : endings) {
        struct sigaction now {};
        if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler == note_signal) (void)::signal(number, SIG_DFL);
    }
}

[[noreturn]] void work_and_end(const std::function<std::string(const StopSign&)>& work, int answer, int stop) {
    restore_signals();
    close_on_exec();
    (void)::setsid();  // a terminal would stop it in the background
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
    try {
        write_all(answer, work(StopSign(stop)) + whole);
    } catch (const std::exception&) {  // the missing answer tells it
    }
    kill_below(static_cast<std::uint32_t>(::getpid()));
    ::_exit(0);
}

// All that comes until the other side closes; the stop sign is shown once it is wanted.
std::string read_answer(int answer, Descriptor& sign, const std::function<bool()>& stopped) {
    std::string text;
    std::array<char, 65536> buffer;
    while (true) {
        pollfd event{answer, POLLIN, 0};
        const int ready = ::poll(&event, 1, ask_every);
        if (sign && stopped()) sign.reset();
        if (ready <= 0) continue;
        const ssize_t count = ::read(answer, buffer.data(), buffer.size());
        if (count == 0) return text;
        if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

void reap_all(pid_t child) noexcept {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    const Nanoseconds patient_until = monotonic_now() + helpers_have;
    for (int looks = 0;;) {
        const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
        if (ended < 0 && errno != EINTR) return;
        if (ended != 0) continue;
        // Again now and then: the kernel's list of children may miss some while others of them end.
        if (looks++ % looks_per_kill == 0) {
            kill_below(static_cast<std::uint32_t>(::getpid()), monotonic_now() > patient_until);
        }
        (void)::usleep(between_looks);
    }
}

}  // namespace

bool StopSign::shown() const noexcept {
    pollfd event{descriptor_, POLLIN, 0};
    return ::poll(&event, 1, 0) > 0;  // the other end was closed
}

Result<std::string> run_aside(const std::function<std::string(const StopSign&)>& work,
                              const std::function<bool()>& stopped) {
    Result<Pipe> answer = open_pipe(), sign = open_pipe();
    if (!answer) return tl::unexpected<Error>(answer.error());
    if (!sign) return tl::unexpected<Error>(sign.error());
    const Subreaper subreaper;
    const pid_t child = ::fork();
    if (child < 0) return fail_errno(errno, "cannot make another process");
    if (child == 0) {
        answer->read.reset();
        sign->write.reset();
        work_and_end(work, answer->write.get(), sign->read.get());
    }
    answer->write.reset();
    sign->read.reset();
    std::string text = read_answer(answer->read.get(), sign->write, stopped);
    const bool interrupted = !sign->write;
    reap_all(child);
    if (interrupted) return fail(ErrorCode::interrupted, "interrupted");
    if (text.empty() || text.back() != whole) {
        return fail(ErrorCode::io_error, "a process of headrace's own ended before it was done");
    }
    text.pop_back();
    return text;
}

Interrupts::Interrupts() {
    seen_signal = 0;
    struct sigaction note {};
    note.sa_handler = note_signal;
    for (std::size_t i = 0; i < endings.size(); ++i) {
        (void)::sigaction(endings[i], &note, &before_interrupts[i]);
        if (before_interrupts[i].sa_handler == SIG_IGN) (void)::sigaction(endings[i], &before_interrupts[i], nullptr);
    }
}

Interrupts::~Interrupts() {
    for (std::size_t i = 0; i < endings.size(); ++i) (void)::sigaction(endings[i], &before_interrupts[i], nullptr);
}

int Interrupts::seen() noexcept { return seen_signal; }

}  // namespace headrace::sys
