// Files that a user writes for a program, such as slo.toml: where they are looked for.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace headrace::sys {

// The folder of the script that a command runs: of its first word that ends in .py and names a file. None where there
// is none.
std::optional<std::filesystem::path> script_folder(const std::filesystem::path& directory,
                                                   const std::vector<std::string>& command);

// The file of that name in the working directory of a command, or beside its script. None where there is none, or the
// directory is not known.
std::optional<std::filesystem::path> find_user_file(const std::filesystem::path& directory,
                                                    const std::vector<std::string>& command, const std::string& name);

// The folder for the user's own settings of headrace: $XDG_CONFIG_HOME/headrace, or ~/.config/headrace. Empty where
// neither is known.
std::filesystem::path settings_folder();

}  // namespace headrace::sys
