#include "sys/machine.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <system_error>

#include "sys/file.h"
#include "sys/proc.h"

namespace headrace::sys {
namespace {

namespace fs = std::filesystem;

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\n\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\n\r") - first + 1);
}

// The file without surrounding blanks; empty where it cannot be read.
std::string text_of(const fs::path& path) {
    const Result<std::string> content = read_whole(path);
    return content ? repaired_utf8(trimmed(*content)) : std::string();
}

std::optional<std::int64_t> number_of(std::string_view text) {
    text = trimmed(text);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    return number;
}

// The value behind `key` and a colon at the start of a line, as /proc/cpuinfo, meminfo and status have it.
std::string value_of(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && trimmed(line.substr(0, colon)) == key) {
            return std::string(trimmed(line.substr(colon + 1)));
        }
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return {};
}

// How many numbers a list such as "0-3,8" names.
int count_of_list(std::string_view list) {
    std::int64_t count = 0;
    while (!list.empty()) {
        const std::string_view part = list.substr(0, list.find(','));
        const std::size_t dash = part.find('-');
        const auto first = number_of(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number_of(part.substr(dash + 1));
        if (first && last && *last >= *first) count += *last - *first + 1;
        list.remove_prefix(std::min(part.size() + 1, list.size()));
    }
    return static_cast<int>(std::min<std::int64_t>(count, std::numeric_limits<int>::max()));
}

struct Limits {
    double cores = std::numeric_limits<double>::infinity();
    std::int64_t memory = std::numeric_limits<std::int64_t>::max();
};

void limit_cores(Limits& limits, std::optional<std::int64_t> quota, std::optional<std::int64_t> period) {
    if (!quota || !period || *quota <= 0 || *period <= 0) return;
    limits.cores = std::min(limits.cores, static_cast<double>(*quota) / static_cast<double>(*period));
}

void limit_memory(Limits& limits, std::optional<std::int64_t> bytes) {
    if (bytes && *bytes > 0) limits.memory = std::min(limits.memory, *bytes);
}

// The limits of one control group, of version 2 or 1: only the files of one of them exist.
void take_group(const fs::path& group, Limits& limits) {
    const std::string quota = text_of(group / "cpu.max");
    limit_cores(limits, number_of(quota),
                number_of(std::string_view(quota).substr(std::min(quota.find(' '), quota.size()))));
    limit_cores(limits, number_of(text_of(group / "cpu.cfs_quota_us")),
                number_of(text_of(group / "cpu.cfs_period_us")));
    limit_memory(limits, number_of(text_of(group / "memory.max")));
    limit_memory(limits, number_of(text_of(group / "memory.limit_in_bytes")));
}

// A limit of any group above counts too. Inside a container the path may name a group of the host that is not visible
// there, while the container's own group is what is mounted: every level that does not exist is passed over.
void take_groups_above(const fs::path& mount, std::string_view path, Limits& limits) {
    fs::path group = fs::path(path).relative_path().lexically_normal();
    while (!group.empty() && group != ".") {
        take_group(mount / group, limits);
        group = group.parent_path();
    }
    take_group(mount, limits);
}

// Lines of /proc/self/cgroup are "number:controllers:path"; version 2 has the number 0 and no controllers.
Limits limits_of_groups(const fs::path& root) {
    Limits limits;
    const fs::path mounts = root / "sys/fs/cgroup";
    const std::string groups = text_of(root / "proc/self/cgroup");
    std::string_view rest = groups;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string_view::npos || second == std::string_view::npos) continue;
        const std::string controllers(line.substr(first + 1, second - first - 1));
        const std::string_view path = line.substr(second + 1);
        if (controllers.empty()) {
            take_groups_above(mounts, path, limits);
            take_groups_above(mounts / "unified", path, limits);
        } else {
            take_groups_above(mounts / controllers, path, limits);
            if (controllers.find("cpu,") == 0) take_groups_above(mounts / "cpu", path, limits);
        }
    }
    return limits;
}

std::vector<fs::path> entries_of(const fs::path& folder) {
    std::vector<fs::path> entries;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        entries.push_back(entry->path());
    }
    std::sort(entries.begin(), entries.end());
    return entries;
}

std::vector<std::string> accelerators_of(const fs::path& root) {
    std::vector<std::string> accelerators;
    for (const fs::path& device : entries_of(root / "proc/driver/nvidia/gpus")) {
        const std::string model = value_of(text_of(device / "information"), "Model");
        accelerators.push_back(model.empty() ? "NVIDIA GPU" : model);
    }
    for (const fs::path& node : entries_of(root / "sys/class/kfd/kfd/topology/nodes")) {
        // Lines are "key value"; a node without SIMD units is a processor. 90010 means gfx90a.
        std::string properties = text_of(node / "properties");
        std::replace(properties.begin(), properties.end(), ' ', ':');
        if (number_of(value_of(properties, "simd_count")).value_or(0) <= 0) continue;
        const std::int64_t target = number_of(value_of(properties, "gfx_target_version")).value_or(0);
        constexpr std::string_view digits = "0123456789abcdef";
        std::string name = "AMD gfx" + std::to_string(target / 10000);
        name += digits[static_cast<std::size_t>(target / 100 % 100) % digits.size()];
        name += digits[static_cast<std::size_t>(target % 100) % digits.size()];
        accelerators.push_back(target > 0 ? name : "AMD GPU");
    }
    return accelerators;
}

std::string cpu_of(const fs::path& root) {
    const std::string info = text_of(root / "proc/cpuinfo");
    for (const std::string_view key : {"model name", "Model", "cpu model", "uarch", "cpu"}) {
        if (std::string value = value_of(info, key); !value.empty()) return value;
    }
    return "unknown";
}

}  // namespace

std::string host_name(const fs::path& root) { return text_of(root / "proc/sys/kernel/hostname"); }

Machine describe_machine(const fs::path& root) {
    Machine machine;
    machine.host = host_name(root);
    machine.system = text_of(root / "proc/sys/kernel/ostype") + " " + text_of(root / "proc/sys/kernel/osrelease");
    machine.cpu = cpu_of(root);
    machine.cores = count_of_list(text_of(root / "sys/devices/system/cpu/online"));
    const int allowed = count_of_list(value_of(text_of(root / "proc/self/status"), "Cpus_allowed_list"));
    if (machine.cores == 0) machine.cores = allowed;
    const Limits limits = limits_of_groups(root);
    machine.cores_usable = std::min(static_cast<double>(allowed > 0 ? allowed : machine.cores), limits.cores);
    const std::int64_t memory = number_of(value_of(text_of(root / "proc/meminfo"), "MemTotal")).value_or(0) * 1024;
    machine.memory_bytes = memory > 0 ? std::min(memory, limits.memory) : 0;
    machine.accelerators = accelerators_of(root);
    return machine;
}

std::string user_name() {
    const uid_t user = ::geteuid();
    std::string buffer(16 * 1024, '\0');
    passwd entry{};
    passwd* found = nullptr;
    // A container often has no entry for the user that it runs as.
    const bool known = ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
    return known ? repaired_utf8(entry.pw_name) : std::to_string(user);
}

Kernel this_kernel(const fs::path& root) {
    struct stat status {};
    const bool known = ::stat((root / "proc/self/ns/pid").c_str(), &status) == 0;
    return {text_of(root / "proc/sys/kernel/random/boot_id"), known ? static_cast<std::uint64_t>(status.st_ino) : 0};
}

}  // namespace headrace::sys
