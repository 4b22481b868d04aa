#include "run/ending.h"

#include <string>
#include <system_error>

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

}  // namespace

bool going_on(const RunInfo& info) {
    return sys::process_alive(info.parent_pid) || (info.child_pid != 0 && sys::process_alive(info.child_pid));
}

void conclude(const Folder& folder, RunInfo& info) {
    info.outcome = any_shut_down(folder.spool(), info.child_pid) ? Outcome::finished : Outcome::killed;
}

}  // namespace headrace::run
