#include "sys/kill_tree.h"

#include <sys/types.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "sys/proc.h"

namespace headrace::sys {
namespace {

// A stopped process makes no other one, so this is enough unless they are made faster than they can be listed.
constexpr int most_rounds = 100;

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

// Whether it does nothing but remove what other processes leave behind.
bool cleans_up(std::uint32_t pid) {
    const std::string command = read_command_line(pid);
    const std::string program = command.substr(0, command.find(' '));
    return program.substr(program.rfind('/') + 1) == "torch_shm_manager" ||
           command.find(" -c from multiprocessing.resource_tracker import main;main(") != std::string::npos;
}

}  // namespace

void kill_below(std::uint32_t root) {
    std::set<std::uint32_t> known;
    for (int round = 0; round < most_rounds && stop_below(root, known) > 0; ++round) {
    }
    std::vector<std::uint32_t> helpers;
    std::copy_if(known.begin(), known.end(), std::back_inserter(helpers), cleans_up);
    for (const std::uint32_t pid : helpers) known.erase(pid);
    for (const std::uint32_t pid : known) (void)::kill(static_cast<pid_t>(pid), SIGKILL);
    for (const std::uint32_t pid : helpers) (void)::kill(static_cast<pid_t>(pid), SIGCONT);
}

}  // namespace headrace::sys
