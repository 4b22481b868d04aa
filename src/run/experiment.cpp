#include "run/experiment.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "base/sha256.h"
#include "sys/file.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t most_named_bytes = 1024 * 1024;
constexpr std::size_t most_named_files = 100, key_digits = 32;

bool is_script(const std::string& argument) { return argument.size() > 3 && argument.ends_with(".py"); }

std::optional<fs::path> script_of(const std::vector<std::string>& command, const fs::path& directory) {
    const auto script = std::find_if(command.begin(), command.end(), is_script);
    if (script == command.end()) return std::nullopt;
    return (directory / *script).lexically_normal();
}

std::optional<NamedFile> file_named(const std::string& argument, const fs::path& directory) {
    std::error_code error;
    NamedFile file;
    file.path = directory / argument;
    if (argument.empty() || !fs::is_regular_file(file.path, error)) return std::nullopt;
    file.bytes = fs::file_size(file.path, error);
    if (error || file.bytes > most_named_bytes) return std::nullopt;
    file.changed = fs::last_write_time(file.path, error);
    const Result<std::string> content = sys::read_whole(file.path);
    if (error || !content) return std::nullopt;
    file.digest = base::sha256(*content);
    return file;
}

// As in --config=train.yaml; empty where there is no such end.
std::string value_in(const std::string& argument) {
    const std::size_t at = argument.find('=');
    return at == std::string::npos ? "" : argument.substr(at + 1);
}

// Configuration counts as it was at the start: who edits it for the next run while this one goes on has not made it an
// output.
bool is_configuration(const fs::path& path) {
    constexpr std::array<std::string_view, 10> endings = {".py",  ".yaml", ".yml",  ".toml", ".json",
                                                          ".ini", ".cfg",  ".conf", ".gin",  ".jsonnet"};
    return std::find(endings.begin(), endings.end(), path.extension().string()) != endings.end();
}

bool is_unchanged(const NamedFile& file) {
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(file.path, error);
    if (error || bytes != file.bytes) return false;
    return fs::last_write_time(file.path, error) == file.changed && !error;
}

// A part of what is hashed that no other parts can be taken for.
void add_part(std::string& text, std::string_view part) {
    text += std::to_string(part.size()) + ':' + std::string(part) + '\n';
}

}  // namespace

std::string program_of(const std::vector<std::string>& command, const fs::path& directory) {
    if (const std::optional<fs::path> script = script_of(command, directory)) return script->string();
    const auto module = std::find(command.begin(), command.end(), "-m");
    if (module != command.end() && module + 1 != command.end()) return *(module + 1);
    return command.empty() ? "" : command.front();
}

fs::path code_folder(const std::vector<std::string>& command, const fs::path& directory) {
    const std::optional<fs::path> script = script_of(command, directory);
    std::error_code error;
    if (!script || !fs::is_regular_file(*script, error)) return directory;
    const fs::path folder = script->parent_path(), top = directory.lexically_normal();
    return folder.lexically_relative(top).string().starts_with("..") ? folder : directory;
}

Experiment::Experiment(const std::vector<std::string>& command, const fs::path& directory) : command_(command) {
    for (const std::string& argument : command) {
        if (files_.size() == most_named_files) return;
        std::optional<NamedFile> file = file_named(argument, directory);
        if (!file) file = file_named(value_in(argument), directory);
        if (file) files_.push_back(std::move(*file));
    }
}

std::optional<std::string> Experiment::key(const CodeState& code) const {
    if (!code.digest) return std::nullopt;
    std::string text;
    add_part(text, *code.digest);
    for (const std::string& argument : command_) add_part(text, argument);
    for (const NamedFile& file : files_) {
        if (is_configuration(file.path) || is_unchanged(file)) add_part(text, file.digest);
    }
    return base::sha256(text).substr(0, key_digits);
}

}  // namespace headrace::run
