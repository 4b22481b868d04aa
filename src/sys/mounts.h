// The mounts of this process, as far as a sandbox has to know them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/result.h"

namespace headrace::sys {

struct Mount {
    std::filesystem::path point;
    std::string type;  // ext4, tmpfs, ...
    bool writable = false;
};

// A file system of the kernel's own: its files are no data.
bool is_virtual(const Mount& mount) noexcept;

// Those of a text in the form of /proc/PID/mountinfo (proc_pid_mountinfo(5)), one for each place, the topmost.
std::vector<Mount> parse_mounts(std::string_view mountinfo);

// Those of this process.
Result<std::vector<Mount>> own_mounts();

}  // namespace headrace::sys
