#include "sys/kill_tree.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sys/proc.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

// How long to wait until what was stopped has stopped. A parent in vfork(2) whose child is stopped never comes to it.
constexpr Nanoseconds most_wait = 1'000'000'000;
constexpr useconds_t look_again = 500;  // microseconds

// Stops what is below and not known yet. How many there were.
std::size_t stop_below(std::uint32_t root, std::set<std::uint32_t>& known) {
    std::size_t found = 0;
    std::vector<std::uint32_t> open{root};
    const bool told = read_children(root).has_value();
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> scanned;
    if (!told) scanned = scan_children();
    while (!open.empty()) {
        const std::uint32_t parent = open.back();
        open.pop_back();
        const std::optional<std::vector<std::uint32_t>> children = told ? read_children(parent) : scanned[parent];
        for (const std::uint32_t child : children.value_or(std::vector<std::uint32_t>())) {
            open.push_back(child);
            if (!known.insert(child).second) continue;
            ++found;
            (void)::kill(static_cast<pid_t>(child), SIGSTOP);
        }
    }
    return found;
}

// Whether no thread of it can make another process: the signal only asks for that, and a thread that is in the middle
// of a fork(2) may end it first.
bool stands_still(std::uint32_t pid) {
    const std::vector<std::uint32_t> threads = read_threads(pid);  // none: it has ended
    return std::none_of(threads.begin(), threads.end(), [](std::uint32_t thread) {
        const std::optional<ProcessStat> stat = read_process_stat(thread);
        return stat && std::string_view("TtZX").find(stat->state) == std::string_view::npos;
    });
}

// Whether it does nothing but remove what other processes leave behind.
bool cleans_up(std::uint32_t pid) {
    const std::string command = read_command_line(pid);
    const std::string program = command.substr(0, command.find(' '));
    return program.substr(program.rfind('/') + 1) == "torch_shm_manager" ||
           command.find(" -c from multiprocessing.resource_tracker import main;main(") != std::string::npos;
}

}  // namespace

void kill_below(std::uint32_t root, bool helpers_too) {
    std::set<std::uint32_t> known;
    const Nanoseconds latest = monotonic_now() + most_wait;
    // In this order: whoever stood still before the last listing can have made nothing that it does not show.
    bool still = false;
    while ((stop_below(root, known) > 0 || !still) && monotonic_now() < latest) {
        still = std::all_of(known.begin(), known.end(), stands_still);
        if (!still) (void)::usleep(look_again);
    }
    std::vector<std::uint32_t> helpers;
    if (!helpers_too) std::copy_if(known.begin(), known.end(), std::back_inserter(helpers), cleans_up);
    for (const std::uint32_t pid : helpers) known.erase(pid);
    for (const std::uint32_t pid : known) (void)::kill(static_cast<pid_t>(pid), SIGKILL);
    for (const std::uint32_t pid : helpers) (void)::kill(static_cast<pid_t>(pid), SIGCONT);
}

}  // namespace headrace::sys
