#include "sys/user_file.h"

#include <cstdlib>
#include <system_error>

namespace headrace::sys {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

// An absolute folder that a variable of the environment names.
fs::path folder_of(const char* variable) {
    const char* value = std::getenv(variable);
    const fs::path path = value != nullptr ? value : "";
    return path.is_absolute() ? path : fs::path();
}

}  // namespace

std::optional<fs::path> script_folder(const fs::path& directory, const std::vector<std::string>& command) {
    for (const std::string& word : command) {
        const fs::path script = directory / word;  // `word` itself where that is absolute
        if (script.extension() == ".py" && is_file(script)) return script.parent_path();  // later words are its own
    }
    return std::nullopt;
}

std::optional<fs::path> find_user_file(const fs::path& directory, const std::vector<std::string>& command,
                                       const std::string& name) {
    if (directory.empty()) return std::nullopt;
    if (is_file(directory / name)) return directory / name;
    const std::optional<fs::path> folder = script_folder(directory, command);
    if (!folder || !is_file(*folder / name)) return std::nullopt;
    return *folder / name;
}

fs::path settings_folder() {
    if (const fs::path folder = folder_of("XDG_CONFIG_HOME"); !folder.empty()) return folder / "headrace";
    const fs::path home = folder_of("HOME");
    return home.empty() ? fs::path() : home / ".config" / "headrace";
}

}  // namespace headrace::sys
