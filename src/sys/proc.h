// The few files of /proc that are read often, without memory allocation where they are read at every look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "headrace/run.h"

namespace headrace::sys {

// /proc/<pid>/stat, as far as it is needed.
struct ProcessStat {
    char state = 0;
    std::uint32_t parent = 0;
    std::uint64_t start_ticks = 0;   // since boot: with the pid it names a process for good
    std::uint64_t cpu_ticks = 0;     // user and system
    std::uint64_t waited_ticks = 0;  // the same of the children that it has waited for, and of theirs
    std::uint64_t resident_pages = 0;
};
std::optional<ProcessStat> read_process_stat(std::uint32_t pid) noexcept;
std::optional<ProcessStat> read_process_stat_at(int descriptor) noexcept;  // of the open file
std::optional<ProcessStat> parse_process_stat(std::string_view text) noexcept;

// /proc/<pid>/io: also what the children did that the process has waited for. Absent where it may not be read.
struct ProcessIo {
    std::uint64_t requested_read = 0;  // bytes, by read and its like, whatever they came from
    std::uint64_t requested_written = 0;
    std::uint64_t storage_read = 0;     // bytes that came from storage and not out of the page cache
    std::uint64_t storage_written = 0;  // bytes of pages that were made dirty, counted when they are
};
std::optional<ProcessIo> read_process_io_at(int descriptor) noexcept;
std::optional<ProcessIo> parse_process_io(std::string_view text) noexcept;

// When a process that began `start_ticks` after boot began, on CLOCK_MONOTONIC. In steps of a tick (10 ms).
Nanoseconds monotonic_of_ticks(std::uint64_t start_ticks) noexcept;

// Its arguments joined by spaces, at most 4096 bytes of valid UTF-8; its name in brackets when it has no arguments.
std::string read_command_line(std::uint32_t pid);

// Where the memory lies that /proc shows as our own arguments: its begin and end, zeros where the kernel does not tell.
std::pair<std::uintptr_t, std::uintptr_t> own_command_line() noexcept;

// The CPU time of a whole process to the nanosecond: the kernel makes a clock of each process. -1 when it has gone.
std::int64_t cpu_time_of(std::uint32_t pid) noexcept;

// The numbers of its threads; empty where there is no such process.
std::vector<std::uint32_t> read_threads(std::uint32_t pid);

// The process ids of the children of all threads of `pid`. Empty optional: the kernel does not tell.
std::optional<std::vector<std::uint32_t>> read_children(std::uint32_t pid);

// The same of every process of the machine, by parent, where the kernel does not tell: all of /proc is read.
std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> scan_children();

// The number that the kernel gave last to a process or thread: unchanged means that none was made since.
std::optional<std::uint64_t> last_process_number(int loadavg_descriptor) noexcept;

// Reads at most `size` bytes from the beginning of a small file; -1 on an error.
long read_small(const char* path, char* buffer, std::size_t size) noexcept;
long read_small_at(int descriptor, char* buffer, std::size_t size) noexcept;

// Bytes that are not UTF-8 become U+FFFD, so that whatever is stored can be shown as JSON.
std::string repaired_utf8(std::string_view text);

}  // namespace headrace::sys
