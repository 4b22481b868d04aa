#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <system_error>

#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/machine.h"
#include "sys/proc.h"
#include "sys/process.h"
#include "sys/python_finder.h"
#include "sys/python_stack.h"

namespace headrace::sys {
namespace {

namespace fs = std::filesystem;

std::string words(int error_number) { return std::generic_category().message(error_number); }

Check works(std::string name, std::string detail) { return {std::move(name), true, std::move(detail), ""}; }

Check falls_short(std::string name, std::string detail, std::string remedy) {
    return {std::move(name), false, std::move(detail), std::move(remedy)};
}

Check check_python(const PythonInstallation& python) {
    std::string detail = python.version + " " + python.executable;
    detail += python.torch.empty() ? " (no torch)" : " (torch " + python.torch + ")";
    if (python.implementation != "cpython") {
        return falls_short("python", detail + ": " + python.implementation,
                           "use CPython to have its programs recorded");
    }
    if (python.free_threaded) {
        return falls_short("python", detail + ": free-threaded build",
                           "use the ordinary build of this version; programs of a free-threaded one are seen only from "
                           "outside (processes, CPU time, memory)");
    }
    return works("python", detail);
}

void check_pythons(std::vector<Check>& checks) {
    std::error_code error;
    const std::vector<PythonInstallation> pythons = find_pythons(python_candidates(fs::current_path(error)));
    for (const PythonInstallation& python : pythons) {
        checks.push_back(check_python(python));
        if (checks.back().works && !python_is_known(python.version_hex)) {
            checks.push_back(
                falls_short("python stacks", python.version + " is newer than what headrace knows",
                            "its ledger is complete, the hot lines are absent; use Python 3.10 to 3.14 to have them"));
        }
    }
    if (pythons.empty()) {
        checks.push_back(falls_short("python", "no Python 3.10 or later was found",
                                     "install one, or put its folder on PATH; older versions cannot be recorded"));
    }
}

// The first number of a file of /proc, or what follows `key` on a line of it.
std::optional<std::uint64_t> counter(const char* path, std::string_view key = {}) {
    std::array<char, 1024> buffer;
    const long count = read_small(path, buffer.data(), buffer.size());
    if (count <= 0) return std::nullopt;
    std::string_view text(buffer.data(), static_cast<std::size_t>(count));
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + key.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::uint64_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) return std::nullopt;
    return number;
}

Check check_schedstat() {
    constexpr const char* path = "/proc/thread-self/schedstat";
    const auto before = counter(path);
    // The counter moves at the scheduler's ticks only, which may be 10 ms apart.
    const Nanoseconds until = monotonic_now() + 100'000'000;
    auto after = counter(path);
    while (after && after == before && monotonic_now() < until) after = counter(path);
    const std::string remedy =
        "the time that workers wait for a core cannot be told from other waiting; use a kernel "
        "with CONFIG_SCHED_INFO (those of Debian and Ubuntu have it)";
    if (!before || !after) return falls_short("schedstat", "/proc/thread-self/schedstat cannot be read", remedy);
    if (*after <= *before) return falls_short("schedstat", "/proc/thread-self/schedstat does not count", remedy);
    return works("schedstat", "run-queue delays of each thread");
}

Check check_io() {
    constexpr const char* path = "/proc/thread-self/io";
    const auto before = counter(path, "rchar:");
    const auto after = counter(path, "rchar:");
    if (!before || !after || *after <= *before) {
        return falls_short(
            "io", "/proc/thread-self/io cannot be read or does not count",
            "bytes requested and bytes from storage are absent; use a kernel with CONFIG_TASK_IO_ACCOUNTING");
    }
    return works("io", "bytes requested and bytes from storage of each thread");
}

Check check_memory_reading() {
    if (const Result<void> can = can_read_children(); !can) {
        return falls_short("process memory", can.error().message,
                           "hot lines will be absent; set kernel.yama.ptrace_scope to 0 or 1 with sysctl, and in a "
                           "container allow process_vm_readv (docker run --cap-add SYS_PTRACE)");
    }
    return works("process memory", "Python stacks can be read from outside");
}

Check check_namespaces() {
    const pid_t child = ::fork();
    if (child == 0) {
        const bool inside = ::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
        // Some systems allow the namespaces and then no mount in them.
        const bool mounts = inside && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                            ::mount("headrace", "/tmp", "tmpfs", 0, nullptr) == 0;
        ::_exit(mounts ? 0 : std::clamp(errno, 1, 255));
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        return falls_short("namespaces", "a process to try it could not be made", "free some processes and try again");
    }
    if (const int error = WEXITSTATUS(status); error != 0) {
        return falls_short("namespaces", "user and mount namespaces are refused: " + words(error),
                           "audit does without them, headrace try has no sandbox then (see its --in-place); to have "
                           "them, set user.max_user_namespaces above 0 and "
                           "kernel.apparmor_restrict_unprivileged_userns to 0 with sysctl");
    }
    return works("namespaces", "user and mount namespaces");
}

Check check_accelerators() {
    const std::vector<std::string> found = describe_machine().accelerators;
    if (found.empty()) return works("accelerators", "none found: programs are timed on the host alone");
    std::string list;
    for (const std::string& one : found) list += (list.empty() ? "" : ", ") + one;
    return works("accelerators", list);
}

// A clock read through the kernel (hpet, acpi_pm) costs more than everything else that a hook does.
Check check_clock() {
    constexpr int reads = 2000;
    const Nanoseconds begin = monotonic_now();
    for (int i = 0; i < reads; ++i) (void)monotonic_now();
    const Nanoseconds cost = (monotonic_now() - begin) / reads;
    timespec resolution{};
    (void)::clock_getres(CLOCK_MONOTONIC, &resolution);
    const Result<std::string> content = read_whole("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    std::string source = content ? content->substr(0, content->find('\n')) : "unknown source";
    const std::string detail = source + ", " + std::to_string(cost) + " ns a reading, resolution " +
                               std::to_string(resolution.tv_nsec) + " ns";
    if (resolution.tv_sec > 0 || resolution.tv_nsec > 1000 || cost > 1000) {
        return falls_short("clock", detail,
                           "recording costs more than promised; choose a faster clock source (tsc) at boot");
    }
    return works("clock", detail);
}

// The .headrace folder as an audit from here would use it, or the nearest folder above that exists: nothing is made.
fs::path recording_place() {
    const char* chosen = std::getenv("HEADRACE_DIR");
    std::error_code error;
    fs::path place = fs::absolute(chosen != nullptr && *chosen != '\0' ? chosen : ".headrace", error);
    while (!fs::exists(place, error) && place.has_relative_path()) place = place.parent_path();
    return place;
}

Check check_place(const fs::path& place) {
    std::string name = (place / ".headrace-doctor-XXXXXX").string();
    const Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
    if (!file) {
        return falls_short("recording place", place.string() + ": " + words(errno),
                           "name a folder that you may write to with --dir or HEADRACE_DIR");
    }
    (void)::unlink(name.c_str());
    int result = -1;
    do result = ::fallocate(file.get(), 0, 0, 1 << 20);
    while (result != 0 && errno == EINTR);
    if (result != 0 && errno == ENOSPC) {
        return falls_short("recording place", place.string() + ": the file system is full",
                           "free some space there, or "
                           "name another folder with --dir or HEADRACE_DIR");
    }
    if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        return works("recording place", place.string() + " can be written; it reserves no space, so zeros are written");
    }
    if (result != 0) {
        return falls_short("recording place", place.string() + " cannot reserve space (fallocate): " + words(errno),
                           "programs cannot be recorded there; name a folder on a local file system with --dir or "
                           "HEADRACE_DIR");
    }
    return works("recording place", place.string() + " can be written and reserves space");
}

}  // namespace

std::vector<Check> check_machine() {
    std::vector<Check> checks;
    check_pythons(checks);
    checks.push_back(check_schedstat());
    checks.push_back(check_io());
    checks.push_back(check_memory_reading());
    checks.push_back(check_namespaces());
    checks.push_back(check_accelerators());
    checks.push_back(check_clock());
    checks.push_back(check_place(recording_place()));
    return checks;
}

}  // namespace headrace::sys
