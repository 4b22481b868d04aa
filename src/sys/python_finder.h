// Finds the Python interpreters of this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace headrace::sys {

struct PythonInstallation {
    std::string executable;
    std::string prefix;          // sys.prefix: it tells a virtual environment from the Python that it was made of
    std::string implementation;  // "cpython"
    std::string version;         // "3.11.7"
    std::uint32_t version_hex = 0;
    bool free_threaded = false;
    std::string torch;  // its version, read from the package's file; empty without torch
};

// Where interpreters are looked for: PATH (python3, python3.N), the active virtual environment, .venv in `directory`,
// pyenv's versions, conda's environments. Existing files only.
std::vector<std::filesystem::path> python_candidates(const std::filesystem::path& directory);

// Asks every candidate what it is (-I -c, at most 5 s each, importing nothing of the user's); each environment once,
// in the order of the candidates; those older than 3.10 are left out.
std::vector<PythonInstallation> find_pythons(const std::vector<std::filesystem::path>& candidates);

}  // namespace headrace::sys
