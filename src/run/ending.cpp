#include "run/ending.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <system_error>

#include "run/hold.h"
#include "run/spool_file.h"
#include "run/spool_format.h"
#include "run/spool_slots.h"
#include "sys/machine.h"
#include "sys/process.h"

namespace headrace::run {

namespace {

namespace fs = std::filesystem;

std::optional<spool::Header> header_of(const fs::path& spool_file) {
    const Result<sys::Descriptor> descriptor = open_spool_file(spool_file);
    spool::Header header{};
    if (!descriptor) return std::nullopt;
    const Result<std::size_t> got = read_at(descriptor->get(), &header, sizeof header, 0);
    return got && *got == sizeof header && header.magic == spool::magic ? std::optional(header) : std::nullopt;
}

// Whether `holds` for the process id and the path of a file of the spool folder.
template <class Holds>
bool any_file(const fs::path& spool, Holds holds) {
    std::error_code error;
    for (fs::directory_iterator entry(spool, error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        std::uint32_t pid = 0;
        (void)std::from_chars(name.data(), name.data() + name.size(), pid);
        if (pid != 0 && holds(pid, entry->path())) return true;
    }
    return false;
}

bool any_shut_down(const fs::path& spool, std::uint32_t command) {
    return any_file(spool, [command](std::uint32_t pid, const fs::path& file) {
        const std::optional<spool::Header> header = pid == command ? header_of(file) : std::nullopt;
        return header && header->teardown != 0;
    });
}

// A process that recorded, whatever became of the command.
bool any_lives(const fs::path& spool) {
    return any_file(spool, [](std::uint32_t pid, const fs::path& file) {
        const std::optional<spool::Header> header = sys::process_alive(pid) ? header_of(file) : std::nullopt;
        return header && sys::process_alive(pid, static_cast<Nanoseconds>(
                                                     std::min(header->opened, static_cast<std::uint64_t>(time_max))));
    });
}

enum class Place {
    here,          // the run's process ids mean here what they meant there
    earlier_boot,  // of this machine: all its processes have ended
    elsewhere,     // another machine, or a container beside this process
};

Place place_of(const RunInfo& info) {
    const Kernel kernel = sys::this_kernel();
    const bool same_host = info.machine.host.empty() || info.machine.host == sys::host_name();
    if (info.kernel.boot_id.empty() || kernel.boot_id.empty()) {
        const bool possible = info.started_ns <= sys::monotonic_now();
        return !same_host ? Place::elsewhere : possible ? Place::here : Place::earlier_boot;
    }
    if (info.kernel.boot_id != kernel.boot_id) return same_host ? Place::earlier_boot : Place::elsewhere;
    return info.kernel.pid_namespace == kernel.pid_namespace ? Place::here : Place::elsewhere;
}

// Of a run that was recorded here.
bool headrace_lives(const RunInfo& info) { return sys::process_alive(info.parent_pid, info.started_ns); }
bool program_lives(const Folder& folder, const RunInfo& info) {
    // It was forked right after that time, however busy the machine was.
    return sys::process_alive(info.child_pid, info.started_ns + 1'000'000'000) || any_lives(folder.spool());
}

// The last fields of the control page.
struct Noted {
    std::uint64_t ended;
    std::uint32_t exit_code;
    std::uint32_t signal;
};
static_assert(offsetof(spool::Control, ended) + sizeof(Noted) == offsetof(spool::Control, held));

// False: nobody noted it, or what is there cannot be.
bool take_noted_end(const fs::path& control, RunInfo& info) {
    const Result<sys::Descriptor> descriptor = open_spool_file(control);
    spool::Control page{};
    if (!descriptor) return false;
    const Result<std::size_t> got = read_at(descriptor->get(), &page, sizeof page, 0);
    if (!got || page.magic != spool::control_magic) return false;
    const bool possible = page.ended >= static_cast<std::uint64_t>(info.started_ns) &&
                          page.ended <= static_cast<std::uint64_t>(time_max) && page.exit_code <= 255 &&
                          page.signal < NSIG;
    if (page.ended == 0 || !possible) return false;
    info.ended_ns = static_cast<Nanoseconds>(page.ended);
    info.signal = page.signal == 0 ? std::nullopt : std::optional<int>(static_cast<int>(page.signal));
    info.exit_code = page.signal == 0 ? std::optional<int>(static_cast<int>(page.exit_code)) : std::nullopt;
    info.outcome = outcome_of(info.exit_code, info.signal);
    return true;
}

}  // namespace

Life life_of(const Folder& folder, const RunInfo& info) {
    const std::optional<bool> held = recording_held(folder);
    const Place place = place_of(info);
    // A machine that was started again holds nothing: another one of its name does.
    if (held.value_or(false)) return {true, place == Place::here};
    RunInfo end = info;
    const bool ended = take_noted_end(folder.spool() / "control", end);
    switch (place) {
        case Place::here:
            return {(!held && headrace_lives(info)) || (!ended && program_lives(folder, info)), true};
        case Place::earlier_boot:
            return {false, true};
        case Place::elsewhere:
            break;
    }
    return {!ended && !held, false};
}

Outcome outcome_of(const std::optional<int>& exit_code, const std::optional<int>& signal) {
    constexpr int interrupt = 2;
    if (signal) return *signal == interrupt ? Outcome::interrupted : Outcome::killed;
    const int code = exit_code.value_or(0);
    return code == 0 ? Outcome::finished : code == 128 + interrupt ? Outcome::interrupted : Outcome::failed;
}

void note_end(const Folder& folder, const RunInfo& info) {
    const Noted noted{static_cast<std::uint64_t>(info.ended_ns.value_or(0)),
                      static_cast<std::uint32_t>(info.exit_code.value_or(0)),
                      static_cast<std::uint32_t>(info.signal.value_or(0))};
    const sys::Descriptor page(::open((folder.spool() / "control").c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (page) (void)!::pwrite(page.get(), &noted, sizeof noted, offsetof(spool::Control, ended));
}

bool conclude(const Folder& folder, RunInfo& info) {
    if (take_noted_end(folder.spool() / "control", info)) return true;
    info.outcome = any_shut_down(folder.spool(), info.child_pid) ? Outcome::finished : Outcome::killed;
    return false;
}

}  // namespace headrace::run
