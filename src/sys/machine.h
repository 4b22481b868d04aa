// What machine this is and what works on it. One interface; tests give it the root of a made-up /proc and /sys.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "headrace/run.h"

namespace headrace::sys {

// Facts for the run: cores by affinity and cgroup quota (v1 and v2), memory by cgroup limit, CPU model, accelerators.
Machine describe_machine(const std::filesystem::path& root = "/");

std::string host_name(const std::filesystem::path& root = "/");

// The kernel that this process runs on.
Kernel this_kernel(const std::filesystem::path& root = "/");

// The name of the effective user, its number where it has none.
std::string user_name();

// The commit of the git work tree that holds `directory` and whether tracked files differ from it; both absent outside
// one or without git. The digest is that of the code in and around the folder `code`: docs/formats/run.md says of what.
// Runs git with a time limit of 2 s, reads a second more where there is none, and changes nothing (no index refresh is
// written).
CodeState describe_code(const std::filesystem::path& directory, const std::filesystem::path& code);
CodeState describe_code(const std::filesystem::path& directory);

// One thing that headrace uses and whether it works here: for `headrace doctor`.
struct Check {
    std::string name;  // for example "schedstat"
    bool works = false;
    std::string detail;  // what was found, for example "3.11.7 /usr/bin/python3 (torch 2.13.0)"
    std::string remedy;  // empty when it works
};
std::vector<Check> check_machine();

}  // namespace headrace::sys
