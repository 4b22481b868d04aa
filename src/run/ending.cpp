#include "run/ending.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <system_error>

#include "run/spool_file.h"
#include "run/spool_format.h"
#include "run/spool_slots.h"
#include "sys/process.h"

namespace headrace::run {

namespace {

namespace fs = std::filesystem;

bool shut_down(const fs::path& spool_file) {
    const Result<sys::Descriptor> descriptor = open_spool_file(spool_file);
    spool::Header header{};
    if (!descriptor) return false;
    const Result<std::size_t> got = read_at(descriptor->get(), &header, sizeof header, 0);
    return got && *got == sizeof header && header.magic == spool::magic && header.teardown != 0;
}

bool any_shut_down(const fs::path& spool, std::uint32_t pid) {
    const std::string prefix = std::to_string(pid) + "-";
    std::error_code error;
    for (fs::directory_iterator entry(spool, error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        if (entry->path().filename().string().starts_with(prefix) && shut_down(entry->path())) return true;
    }
    return false;
}

// The last fields of the control page.
struct Noted {
    std::uint64_t ended;
    std::uint32_t exit_code;
    std::uint32_t signal;
};
static_assert(offsetof(spool::Control, ended) + sizeof(Noted) == sizeof(spool::Control));

// False: nobody noted it, or what is there cannot be.
bool take_noted_end(const fs::path& control, RunInfo& info) {
    const Result<sys::Descriptor> descriptor = open_spool_file(control);
    spool::Control page{};
    if (!descriptor) return false;
    const Result<std::size_t> got = read_at(descriptor->get(), &page, sizeof page, 0);
    if (!got || *got < sizeof page || page.magic != spool::control_magic) return false;
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

bool going_on(const RunInfo& info) {
    return sys::process_alive(info.parent_pid) || (info.child_pid != 0 && sys::process_alive(info.child_pid));
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
