#include "sys/mounts.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "sys/file.h"

namespace headrace::sys {
namespace {

constexpr std::array<std::string_view, 22> virtual_types = {
    "autofs",   "binfmt_misc", "bpf",        "cgroup",    "cgroup2", "configfs", "debugfs", "devpts",
    "devtmpfs", "efivarfs",    "fusectl",    "hugetlbfs", "mqueue",  "nsfs",     "proc",    "pstore",
    "ramfs",    "rpc_pipefs",  "securityfs", "selinuxfs", "sysfs",   "tracefs"};

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes space, tab, newline and backslash as \ooo.
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
                            is_octal(text[i + 3]);
        if (escape) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

bool has_option(const std::string& options, std::string_view wanted) {
    std::istringstream list(options);
    for (std::string one; std::getline(list, one, ',');) {
        if (one == wanted) return true;
    }
    return false;
}

}  // namespace

bool is_virtual(const Mount& mount) noexcept {
    return std::find(virtual_types.begin(), virtual_types.end(), mount.type) != virtual_types.end();
}

std::vector<Mount> parse_mounts(std::string_view mountinfo) {
    std::vector<Mount> mounts;
    std::istringstream lines{std::string(mountinfo)};
    for (std::string line; std::getline(lines, line);) {
        const std::size_t parted = line.find(" - ");
        if (parted == std::string::npos) continue;
        std::istringstream before(line.substr(0, parted)), behind(line.substr(parted + 3));
        std::string number, parent, device, root, point, options, type, source, super_options;
        before >> number >> parent >> device >> root >> point >> options;
        behind >> type >> source >> super_options;
        if (point.empty() || type.empty()) continue;
        Mount mount{unescaped(point), type, !has_option(options, "ro") && !has_option(super_options, "ro")};
        std::erase_if(mounts, [&](const Mount& hidden) { return hidden.point == mount.point; });
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

Result<std::vector<Mount>> own_mounts() {
    const Result<std::string> text = read_whole("/proc/self/mountinfo");
    if (!text) return tl::unexpected<Error>(text.error());
    return parse_mounts(*text);
}

}  // namespace headrace::sys
