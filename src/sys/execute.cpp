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
constexpr const char* shell = "/bin/sh";

bool has_prefix(std::string_view text, const std::vector<std::string>& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const std::string& prefix) { return text.substr(0, prefix.size()) == prefix; });
}

bool is_path(const std::string& name) { return name.find('/') != std::string::npos; }

// The files to try in turn.
std::vector<std::string> candidates_of(const std::string& name, std::string_view path) {
    if (name.empty() || is_path(name)) return {name};
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

// As shells tell a script from a program for another machine: no zero byte in its beginning, which is no ELF header's.
bool is_text(const char* path) noexcept {
    char head[128];
    const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = descriptor < 0 ? -1 : ::read(descriptor, head, sizeof head);
    if (descriptor >= 0) (void)::close(descriptor);
    const bool elf = length >= 4 && std::memcmp(head,
                                                "\x7f"
                                                "ELF",
                                                4) == 0;
    return length >= 0 && !elf && std::memchr(head, 0, static_cast<std::size_t>(length)) == nullptr;
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

// The outermost folder on the way to a file that may not be entered; empty where that is not the obstacle.
std::string closed_folder(const std::string& path) {
    if (!may_not(path, F_OK)) return {};
    std::filesystem::path folder;
    for (const std::filesystem::path& part : end_of_links(path).parent_path()) {
        folder /= part;
        if (may_not(folder.string(), X_OK)) return folder.string();
    }
    return {};
}

// A link exists too, wherever it leads.
bool is_seen(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Error not_in_path(const std::string& name, const std::string& note = {}) {
    return {ErrorCode::not_found, "cannot start the command " + name +
                                      ": it is in no folder of PATH; check its name or give its path" + note};
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
    script_pointers_ = {const_cast<char*>(shell), nullptr};
    if (!argument_pointers_.empty()) {
        script_pointers_.insert(script_pointers_.end(), argument_pointers_.begin() + 1, argument_pointers_.end());
    }
    variable_pointers_ = pointers_to(variables_);
}

int Execution::execute_script(const std::string& path) const noexcept {
    script_pointers_[1] = const_cast<char*>(path.c_str());
    (void)::execve(shell, script_pointers_.data(), variable_pointers_.data());
    return errno;
}

int Execution::execute() const noexcept {
    int result = ENOENT;
    for (const std::string& candidate : candidates_) {
        (void)::execve(candidate.c_str(), argument_pointers_.data(), variable_pointers_.data());
        const int error = errno;
        if (error == ENOEXEC && is_text(candidate.c_str())) return execute_script(candidate);
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
            if (std::any_of(candidates_.begin(), candidates_.end(), exists)) {
                return {ErrorCode::not_found, "cannot start " + command +
                                                  ": the interpreter that its first line or its "
                                                  "ELF header names does not exist; install it or correct the name"};
            }
            if (!is_path(name_)) return not_in_path(name_);
            return {ErrorCode::not_found, "cannot start " + command + ": no such file; check the path"};
        case EACCES:
            return refusal();
        case ENOMEM:
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case E2BIG:
            return {ErrorCode::io_error, "cannot start " + command + ": " + why};
        case ENOEXEC:
            return {ErrorCode::not_executable,
                    "cannot execute " + command + ": it is neither a program for this machine nor a script"};
        default:
            break;
    }
    return {ErrorCode::not_executable, "cannot execute " + command + ": " + why +
                                           "; make it executable (chmod +x) or start it with its interpreter"};
}

Error Execution::refusal() const {
    const std::string why = std::generic_category().message(EACCES);
    const auto refused = [&](const std::string& reason) {
        return Error{ErrorCode::not_executable, "cannot execute the command " + name_ + ": " + reason};
    };
    std::string closed;  // of PATH
    for (const std::string& candidate : candidates_) {
        if (!may_not(candidate, X_OK) && !is_directory(candidate)) continue;
        const std::string folder = closed_folder(candidate);
        if (!is_path(name_) && !is_seen(candidate)) {  // nothing says that the command is there
            if (closed.empty() && !folder.empty()) closed = std::filesystem::path(candidate).parent_path().string();
            continue;
        }
        const std::string it = candidate == name_ ? "it" : candidate;
        if (is_directory(candidate)) return refused(it + " is a folder; name a program");
        if (!folder.empty()) {
            return refused(
                "the folder " + folder + " on the way to " + it +
                " may not be entered by this user; have that allowed (chmod +x) or name a program elsewhere");
        }
        return refused((candidate == name_ ? "" : candidate + ": ") + why +
                       "; make it executable (chmod +x) or start it with its interpreter");
    }
    if (!is_path(name_)) return not_in_path(name_, closed.empty() ? "" : " (" + closed + " may not be entered)");
    return refused(why + "; make it executable (chmod +x) or start it with its interpreter");
}

}  // namespace headrace::sys
