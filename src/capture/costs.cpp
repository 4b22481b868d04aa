#include "capture/costs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

namespace headrace::capture {
namespace {

// Descriptors are moved up here, so that the numbers that the program's own files get stay the same.
constexpr int high_descriptor = 800;

void open_high(const char* path, ProcFile* file) {
    file->descriptor = -1;
    const int low = open(path, O_RDONLY | O_CLOEXEC);
    if (low < 0) {
        return;
    }
    struct stat status {};
    if (fstat(low, &status) == 0) {
        file->descriptor = fcntl(low, F_DUPFD_CLOEXEC, high_descriptor);
        file->device = status.st_dev;
        file->inode = status.st_ino;
    }
    close(low);
}

// Reads the whole small file into text. 0: it is not there.
std::size_t read_small(ProcFile* file, const char* path, char* text, std::size_t capacity) {
    if (file->descriptor == 0) {
        open_high(path, file);
    }
    if (file->descriptor < 0) {
        return 0;
    }
    const ssize_t length = pread(file->descriptor, text, capacity - 1, 0);
    if (length <= 0) {
        file->descriptor = -1;  // the program closed it: go without
        return 0;
    }
    text[length] = 0;
    return static_cast<std::size_t>(length);
}

constexpr const char* schedstat_path = "/proc/thread-self/schedstat";
constexpr std::size_t schedstat_bytes = 128;

// Its text: time on a core, time in the run queue, times that it got a core.
Scheduled scheduled_in(const char* text) {
    const char* at = strchr(text, ' ');
    if (at == nullptr) {
        return {0, 0};
    }
    char* next = nullptr;
    const std::uint64_t run_queue = strtoull(at, &next, 10);
    return {run_queue, strtoull(next, nullptr, 10)};
}

std::uint64_t number_after(const char* text, const char* key) {
    const char* at = strstr(text, key);
    return at == nullptr ? 0 : strtoull(at + strlen(key), nullptr, 10);
}

// The kernel's numbers for clocks of the calling thread, as clock_getcpuclockid(3) makes them for those of processes:
// all its ticks, and those in user mode.
constexpr clockid_t own_ticks = static_cast<clockid_t>(~0U << 3 | 4U);
constexpr clockid_t own_user_ticks = own_ticks | 1;

// For a kernel that has no such clocks. It scales the ticks of the thread's whole life to its CPU time, and lets
// neither part go back: what a thread that trains has used in user mode before a short fetch shows up in the fetch.
CpuTotals scaled_cpu_totals() noexcept {
    rusage usage{};
    if (getrusage(RUSAGE_THREAD, &usage) != 0) {
        return {0, 0};
    }
    const auto nanoseconds_of = [](const timeval& t) {
        return static_cast<std::uint64_t>(t.tv_sec) * 1000000000U + static_cast<std::uint64_t>(t.tv_usec) * 1000U;
    };
    return {nanoseconds_of(usage.ru_utime), nanoseconds_of(usage.ru_stime)};
}

}  // namespace

void close_ours(ProcFile* file) noexcept {
    struct stat status {};
    if (file->descriptor > 0 && fstat(file->descriptor, &status) == 0 && status.st_dev == file->device &&
        status.st_ino == file->inode) {
        close(file->descriptor);
    }
    file->descriptor = 0;
}

Scheduled scheduled(Thread* t) noexcept {
    char text[schedstat_bytes];
    const std::size_t length = read_small(&t->schedstat, schedstat_path, text, sizeof text);
    t->own_reads += length;
    return length == 0 ? Scheduled{} : scheduled_in(text);
}

std::uint64_t run_queue_once(Thread* t) noexcept {
    if (t->schedstat.descriptor > 0) {
        return scheduled(t).run_queue;
    }
    const int file = open(schedstat_path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return 0;
    }
    char text[schedstat_bytes];
    const ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) {
        return 0;
    }
    t->own_reads += static_cast<std::uint64_t>(length);
    text[length] = 0;
    return scheduled_in(text).run_queue;
}

Bytes bytes_read(Thread* t) noexcept {
    char text[512];
    const std::size_t length = read_small(&t->io, "/proc/thread-self/io", text, sizeof text);
    if (length == 0) {
        return {0, 0};
    }
    const std::uint64_t requested = number_after(text, "rchar: ");
    const Bytes bytes{requested - t->own_reads, number_after(text, "read_bytes: ")};
    t->own_reads += length;  // this read is counted from the next one on
    return bytes;
}

CpuTotals cpu_totals() noexcept {
    timespec user{}, all{};
    if (clock_gettime(own_user_ticks, &user) != 0 || clock_gettime(own_ticks, &all) != 0) {
        return scaled_cpu_totals();
    }
    return {nanoseconds(user), nanoseconds(all) - nanoseconds(user)};  // the later one is never less
}

}  // namespace headrace::capture
