// What a run tries, as a key that is equal for runs that try the same. docs/formats/history.md is the document.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "headrace/run.h"

namespace headrace::run {

// The program of a command: its script with its whole path, or a module, or its first word.
std::string program_of(const std::vector<std::string>& command, const std::filesystem::path& directory);

// Where the code of a command lies: the folder of its script where that is outside `directory`, else `directory`.
std::filesystem::path code_folder(const std::vector<std::string>& command, const std::filesystem::path& directory);

// A file that an argument names.
struct NamedFile {
    std::filesystem::path path;
    std::string digest;  // SHA-256 of its contents
    // When it is looked at again: that of an output, which a program writes, does not count.
    std::uintmax_t bytes = 0;
    std::filesystem::file_time_type changed = {};
};

// What a run tries, as it was when it started. Reads files of up to 1 MiB, at most 100 of them.
class Experiment {
public:
    Experiment(const std::vector<std::string>& command, const std::filesystem::path& directory);

    // The key, without the contents of those files that have changed since and are no configuration by their name: they
    // are outputs. None where the code is not known.
    std::optional<std::string> key(const CodeState& code) const;

private:
    std::vector<std::string> command_;
    std::vector<NamedFile> files_;  // in the order of the arguments
};

}  // namespace headrace::run
