// A view of the file system in which everything can be written and nothing of it stays.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "headrace/result.h"

namespace headrace::sys {

struct SandboxOptions {
    // An existing empty folder. What is written in the sandbox lies below it, on the same disk where its file system
    // can hold the upper layer of an overlay and in memory otherwise; leave it to remove_sandbox afterwards.
    std::filesystem::path scratch;
    // Existing folders, absolute, that are in the sandbox what they are outside: what is written there stays.
    std::vector<std::filesystem::path> kept;
    bool network = false;  // that of the machine; otherwise only the loopback, a new one
};

struct Sandbox {
    // Places whose file system takes no overlay: they can be read and not written.
    std::vector<std::string> read_only;
    // Places that could not be shown: empty inside.
    std::vector<std::string> hidden;
};

// Takes this process, which must have one thread alone, and all that it starts from now on, into a mount namespace
// (with a user namespace around it where it may not have one otherwise). Every writable file system is covered by an
// overlay, /dev/shm is a new one of the same size, and so is System V shared memory; /proc, /sys, devices and process
// ids stay.
//
// Errors: permission_denied where the system allows no namespaces or no mounts in them, io_error for all else. After an
// error the process may be half inside: end it.
Result<Sandbox> enter_sandbox(const SandboxOptions& options);

// Takes away the scratch folder of a sandbox whose processes have all ended. Nothing is said of what cannot go.
void remove_sandbox(const std::filesystem::path& scratch) noexcept;

}  // namespace headrace::sys
