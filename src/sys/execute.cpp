#include "sys/execute.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>

namespace headrace::sys {
namespace {

// What execvp takes when PATH is not set.
constexpr std::string_view default_path = "/bin:/usr/bin";

bool has_prefix(std::string_view text, const std::vector<std::string>& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const std::string& prefix) { return text.substr(0, prefix.size()) == prefix; });
}

// The files to try in turn.
std::vector<std::string> candidates_of(const std::string& name, std::string_view path) {
    if (name.empty() || name.find('/') != std::string::npos) return {name};
    std::vector<std::string> candidates;
    for (;;) {
        const std::size_t colon = path.find(':');
        const std::string_view folder = path.substr(0, colon);
        candidates.push_back(folder.empty() ? name : std::string(folder) + "/" + name);
        if (colon == std::string_view::npos) return candidates;
        path.remove_prefix(colon + 1);
    }
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

bool means_next_candidate(int error_number) noexcept {
    switch (error_number) {
        case ENOENT:
        case ENOTDIR:
        case EACCES:
        case ESTALE:
        case ENODEV:
        case ETIMEDOUT:
            return true;
        default:
            return false;
    }
}

bool is_directory(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool may_not(const std::string& path, int wanted) {
    return ::faccessat(AT_FDCWD, path.c_str(), wanted, AT_EACCESS) != 0 && errno == EACCES;
}

// Where the links lead that `path` is, as far as they can be read.
std::filesystem::path end_of_links(std::filesystem::path path) {
    std::error_code error;
    for (int links = 0; links < 40; ++links) {
        const std::filesystem::path target = std::filesystem::read_symlink(path, error);
        if (error) return path;
        path = path.parent_path() / target;  // or `target` where that is absolute
    }
    return path;
}

// The outermost folder on the way to a candidate that may not be entered; empty where that is not the obstacle.
std::string closed_folder(const std::vector<std::string>& candidates) {
    for (const std::string& candidate : candidates) {
        if (!may_not(candidate, F_OK)) continue;
        std::filesystem::path folder;
        for (const std::filesystem::path& part : end_of_links(candidate).parent_path()) {
            folder /= part;
            if (may_not(folder.string(), X_OK)) return folder.string();
        }
    }
    return {};
}

}  // namespace

Execution::Execution(const std::vector<std::string>& command,
                     const std::vector<std::pair<std::string, std::string>>& environment,
                     const std::vector<std::string>& unset_prefixes)
    : name_(command.empty() ? std::string() : command.front()), arguments_(command) {
    std::map<std::string, std::string, std::less<>> set(environment.begin(), environment.end());
    std::string path(default_path);
    if (const char* ours = std::getenv("PATH")) path = ours;
    if (const auto theirs = set.find("PATH"); theirs != set.end()) path = theirs->second;
    // The order of our own environment is kept: a program may print it.
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
        const std::string_view text(*variable);
        const std::string_view key = text.substr(0, text.find('='));
        if (has_prefix(key, unset_prefixes)) continue;
        if (const auto found = set.find(key); found != set.end()) {
            variables_.push_back(found->first + "=" + found->second);
            set.erase(found);
        } else {
            variables_.emplace_back(text);
        }
    }
    for (const auto& [key, value] : set) variables_.push_back(key + "=" + value);
    candidates_ = candidates_of(name_, path);
    argument_pointers_ = pointers_to(arguments_);
    variable_pointers_ = pointers_to(variables_);
}

int Execution::execute() const noexcept {
    int result = ENOENT;
    for (const std::string& candidate : candidates_) {
        (void)::execve(candidate.c_str(), argument_pointers_.data(), variable_pointers_.data());
        const int error = errno;
        if (error == EACCES) result = EACCES;
        if (!means_next_candidate(error)) return error;
        if (error != ENOENT && candidates_.size() == 1) return error;
    }
    return result;
}

Error Execution::failure(int error_number) const {
    const std::string why = std::generic_category().message(error_number);
    const std::string command = "the command " + name_;
    switch (error_number) {
        case ENOENT:
            if (name_.empty())
                return {ErrorCode::not_found, "cannot start a command whose name is empty: name a program"};
            if (candidates_.size() == 1 && ::access(name_.c_str(), F_OK) == 0) {
                return {ErrorCode::not_found, "cannot start " + command +
                                                  ": the interpreter that its first line or its "
                                                  "ELF header names does not exist; install it or correct the name"};
            }
            return {ErrorCode::not_found, "cannot start " + command + ": " +
                                              (candidates_.size() == 1 && name_.find('/') != std::string::npos
                                                   ? "no such file; check the path"
                                                   : "it is in no folder of PATH; check its name or give its path")};
        case ENOMEM:
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case E2BIG:
            return {ErrorCode::io_error, "cannot start " + command + ": " + why};
        case ENOEXEC:
            return {ErrorCode::not_executable, "cannot execute " + command +
                                                   ": it is neither a program for this machine nor a script with a #! "
                                                   "line; start it with its interpreter"};
        default:
            break;
    }
    if (candidates_.size() == 1 && is_directory(name_)) {
        return {ErrorCode::not_executable, "cannot execute " + command + ": it is a folder; name a program"};
    }
    if (const std::string folder = error_number == EACCES ? closed_folder(candidates_) : ""; !folder.empty()) {
        return {ErrorCode::not_executable, "cannot execute " + command + ": the folder " + folder +
                                               " on the way to it may not be entered by this user; have that allowed "
                                               "(chmod +x) or name a program elsewhere"};
    }
    return {ErrorCode::not_executable, "cannot execute " + command + ": " + why +
                                           "; make it executable (chmod +x) or start it with its interpreter"};
}

}  // namespace headrace::sys
