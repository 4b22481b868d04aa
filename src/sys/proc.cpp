#include "sys/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>

#include "base/utf8.h"
#include "sys/descriptor.h"

namespace headrace::sys {
namespace {

constexpr std::size_t command_line_limit = 4096;

Nanoseconds read_clock(clockid_t clock) noexcept {
    timespec now{};
    (void)::clock_gettime(clock, &now);
    return static_cast<Nanoseconds>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// The next number of a text of numbers between spaces; `text` moves behind it.
std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(" \n\t"), text.size()));
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

void take_word(std::string_view& text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    text.remove_prefix(std::min(text.find(' '), text.size()));
}

void append_children(const std::string& path, std::vector<std::uint32_t>& children) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return;
    std::string text;
    std::array<char, 4096> buffer;
    for (;;) {
        const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
        if (count <= 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    std::string_view rest = text;
    while (const auto number = take_number(rest)) children.push_back(static_cast<std::uint32_t>(*number));
}

}  // namespace

long read_small_at(int descriptor, char* buffer, std::size_t size) noexcept {
    ssize_t count = -1;
    do count = ::pread(descriptor, buffer, size, 0);
    while (count < 0 && errno == EINTR);
    return count;
}

long read_small(const char* path, char* buffer, std::size_t size) noexcept {
    const Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
    return file ? read_small_at(file.get(), buffer, size) : -1;
}

std::optional<ProcessStat> parse_process_stat(std::string_view text) noexcept {
    // The name stands in parentheses and may hold any character, parentheses and spaces too: the last one ends it.
    const std::size_t name_end = text.rfind(") ");
    if (name_end == std::string_view::npos || name_end + 3 >= text.size()) return std::nullopt;
    ProcessStat stat;
    stat.state = text[name_end + 2];
    std::string_view rest = text.substr(name_end + 3);
    const auto parent = take_number(rest);
    for (int field = 5; field < 14; ++field) take_word(rest);
    const auto user = take_number(rest);
    const auto system = take_number(rest);
    const auto waited_user = take_number(rest);
    const auto waited_system = take_number(rest);
    for (int field = 18; field < 22; ++field) take_word(rest);
    const auto start = take_number(rest);
    take_word(rest);
    const auto resident = take_number(rest);
    if (!parent || !user || !system || !waited_user || !waited_system || !start || !resident) return std::nullopt;
    stat.parent = static_cast<std::uint32_t>(*parent);
    stat.cpu_ticks = *user + *system;
    stat.waited_ticks = *waited_user + *waited_system;
    stat.start_ticks = *start;
    stat.resident_pages = *resident;
    return stat;
}

std::optional<ProcessStat> read_process_stat(std::uint32_t pid) noexcept {
    std::array<char, 64> path;
    (void)std::snprintf(path.data(), path.size(), "/proc/%u/stat", pid);
    std::array<char, 1024> buffer;
    const long count = read_small(path.data(), buffer.data(), buffer.size());
    if (count <= 0) return std::nullopt;
    return parse_process_stat({buffer.data(), static_cast<std::size_t>(count)});
}

std::optional<ProcessStat> read_process_stat_at(int descriptor) noexcept {
    std::array<char, 1024> buffer;
    const long count = read_small_at(descriptor, buffer.data(), buffer.size());
    if (count <= 0) return std::nullopt;
    return parse_process_stat({buffer.data(), static_cast<std::size_t>(count)});
}

std::pair<std::uintptr_t, std::uintptr_t> own_command_line() noexcept {
    std::array<char, 1024> buffer;
    const long count = read_small("/proc/self/stat", buffer.data(), buffer.size());
    if (count <= 0) return {};
    std::string_view rest(buffer.data(), static_cast<std::size_t>(count));
    const std::size_t name_end = rest.rfind(") ");
    if (name_end == std::string_view::npos) return {};
    rest.remove_prefix(name_end + 2);
    for (int field = 3; field < 48; ++field) take_word(rest);
    const auto begin = take_number(rest);
    const auto end = take_number(rest);
    if (!begin || !end) return {};
    return {*begin, *end};
}

std::optional<ProcessIo> parse_process_io(std::string_view text) noexcept {
    ProcessIo io;
    const auto take = [&](std::string_view name, std::uint64_t& value) {
        const std::size_t at = text.find(name);
        if (at == std::string_view::npos || (at > 0 && text[at - 1] != '\n')) return false;
        std::string_view rest = text.substr(at + name.size());
        const auto number = take_number(rest);
        value = number.value_or(0);
        return number.has_value();
    };
    const bool whole = take("rchar:", io.requested_read) && take("wchar:", io.requested_written) &&
                       take("read_bytes:", io.storage_read) && take("write_bytes:", io.storage_written);
    return whole ? std::optional<ProcessIo>(io) : std::nullopt;
}

std::optional<ProcessIo> read_process_io_at(int descriptor) noexcept {
    std::array<char, 512> buffer;
    const long count = read_small_at(descriptor, buffer.data(), buffer.size());
    if (count <= 0) return std::nullopt;
    return parse_process_io({buffer.data(), static_cast<std::size_t>(count)});
}

Nanoseconds monotonic_of_ticks(std::uint64_t start_ticks) noexcept {
    const long ticks_per_second = ::sysconf(_SC_CLK_TCK);
    const Nanoseconds tick = 1'000'000'000 / (ticks_per_second > 0 ? ticks_per_second : 100);
    // CLOCK_BOOTTIME counts the time in which the machine was suspended, CLOCK_MONOTONIC does not.
    const Nanoseconds suspended = read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC);
    return static_cast<Nanoseconds>(start_ticks) * tick - suspended;
}

std::int64_t cpu_time_of(std::uint32_t pid) noexcept {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(static_cast<pid_t>(pid), &clock) != 0 || ::clock_gettime(clock, &time) != 0) return -1;
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::string read_command_line(std::uint32_t pid) {
    const std::string folder = "/proc/" + std::to_string(pid);
    std::array<char, command_line_limit> buffer;
    long count = read_small((folder + "/cmdline").c_str(), buffer.data(), buffer.size());
    if (count > 0) {
        std::string_view text(buffer.data(), static_cast<std::size_t>(count));
        while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
        std::string joined = repaired_utf8(text);
        std::replace(joined.begin(), joined.end(), '\0', ' ');
        return joined;
    }
    count = read_small((folder + "/comm").c_str(), buffer.data(), buffer.size());
    if (count <= 1) return {};
    return "[" + repaired_utf8({buffer.data(), static_cast<std::size_t>(count - 1)}) + "]";
}

std::vector<std::uint32_t> read_threads(std::uint32_t pid) {
    const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(tasks.c_str()), &::closedir);
    std::vector<std::uint32_t> threads;
    while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
        std::uint32_t thread = 0;
        const char* end = entry->d_name + std::strlen(entry->d_name);
        if (std::from_chars(entry->d_name, end, thread).ptr == end) threads.push_back(thread);
    }
    return threads;
}

std::optional<std::vector<std::uint32_t>> read_children(std::uint32_t pid) {
    const std::string tasks = "/proc/" + std::to_string(pid) + "/task/";
    std::vector<std::uint32_t> children;
    bool known = false;
    for (const std::uint32_t thread : read_threads(pid)) {
        const std::string path = tasks + std::to_string(thread) + "/children";
        if (!known && ::access(path.c_str(), R_OK) != 0) {
            // The thread may just have ended; only a kernel that offers the file for no thread does not tell.
            if (::access(("/proc/thread-self/children"), R_OK) != 0) return std::nullopt;
            continue;
        }
        known = true;
        append_children(path, children);
    }
    return children;
}

std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> scan_children() {
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> children;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), &::closedir);
    while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
        std::uint32_t pid = 0;
        const char* end = entry->d_name + std::strlen(entry->d_name);
        if (const auto parsed = std::from_chars(entry->d_name, end, pid); parsed.ptr != end) continue;
        if (const auto stat = read_process_stat(pid)) children[stat->parent].push_back(pid);
    }
    return children;
}

std::optional<std::uint64_t> last_process_number(int loadavg_descriptor) noexcept {
    std::array<char, 128> buffer;
    const long count = read_small_at(loadavg_descriptor, buffer.data(), buffer.size());
    if (count <= 0) return std::nullopt;
    std::string_view text(buffer.data(), static_cast<std::size_t>(count));
    const std::size_t space = text.find_last_of(' ');
    if (space == std::string_view::npos) return std::nullopt;
    text.remove_prefix(space);
    return take_number(text);
}

std::string repaired_utf8(std::string_view text) {
    std::string repaired;
    repaired.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const base::CodePoint point = base::decode_utf8(text, at);
        if (point.valid)
            repaired += text.substr(at, point.length);
        else
            repaired += "\xef\xbf\xbd";
        at += point.length;
    }
    return repaired;
}

}  // namespace headrace::sys
