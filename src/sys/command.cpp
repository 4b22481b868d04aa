#include "sys/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "sys/descriptor.h"
#include "sys/execute.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

constexpr std::size_t output_limit = 1024 * 1024;

[[noreturn]] void become_helper(const Execution& execution, int output, int error_pipe) noexcept {
    // A group of its own, so that the time limit ends what the helper has started too.
    (void)::setpgid(0, 0);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)::dup2(null, STDIN_FILENO);
    (void)::dup2(output, STDOUT_FILENO);
    (void)::dup2(null, STDERR_FILENO);
    const int error = execution.execute();
    (void)!::write(error_pipe, &error, sizeof error);
    ::_exit(127);
}

// Reads until the end of the output; false when the deadline came first.
bool read_output(int descriptor, Nanoseconds deadline, std::string& text) {
    std::array<char, 8192> buffer;
    for (;;) {
        const Nanoseconds left = deadline - monotonic_now();
        pollfd waiting{descriptor, POLLIN, 0};
        const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left / 1'000'000) + 1) : 0;
        if (ready == 0) return false;
        if (ready < 0 && errno == EINTR) continue;
        const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return true;
        const std::size_t room = output_limit - std::min(output_limit, text.size());
        text.append(buffer.data(), std::min(room, static_cast<std::size_t>(count)));
    }
}

// Waits for the end until the deadline; the exit code, -1 for a signal, or empty when it still runs.
std::optional<int> wait_until(pid_t pid, Nanoseconds deadline) {
    for (;;) {
        int status = 0;
        const pid_t ended = ::waitpid(pid, &status, WNOHANG);
        if (ended == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (ended < 0 && errno != EINTR) return -1;
        if (monotonic_now() >= deadline) return std::nullopt;
        // The output has ended, so the process is about to: no need for anything finer.
        (void)::poll(nullptr, 0, 1);
    }
}

}  // namespace

Result<CommandOutput> run_command(const std::vector<std::string>& command, const CommandOptions& options) {
    const Execution execution(command, options.environment, options.unset_prefixes);
    int output[2];
    int errors[2];
    if (::pipe2(output, O_CLOEXEC) != 0) return fail_errno(errno, "cannot open a pipe to run a helper command");
    Descriptor output_read(output[0]);
    Descriptor output_write(output[1]);
    if (::pipe2(errors, O_CLOEXEC) != 0) return fail_errno(errno, "cannot open a pipe to run a helper command");
    Descriptor error_read(errors[0]);
    Descriptor error_write(errors[1]);
    const Nanoseconds deadline = monotonic_now() + options.time_limit;
    const pid_t pid = ::fork();
    if (pid == 0) become_helper(execution, output_write.get(), error_write.get());
    if (pid < 0) return fail_errno(errno, "cannot start a helper command");
    (void)::setpgid(pid, pid);
    output_write.reset();
    error_write.reset();
    int exec_error = 0;
    if (::read(error_read.get(), &exec_error, sizeof exec_error) == static_cast<ssize_t>(sizeof exec_error)) {
        (void)::waitpid(pid, nullptr, 0);
        return tl::unexpected<Error>(execution.failure(exec_error));
    }
    CommandOutput result;
    const bool complete = read_output(output_read.get(), deadline, result.text);
    const std::optional<int> code = complete ? wait_until(pid, deadline) : std::nullopt;
    if (code) {
        result.exit_code = *code;
        return result;
    }
    result.timed_out = true;
    (void)::kill(-pid, SIGKILL);
    (void)::waitpid(pid, nullptr, 0);
    return result;
}

}  // namespace headrace::sys
