#include "sys/python_finder.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "sys/command.h"
#include "sys/file.h"
#include "sys/proc.h"

namespace headrace::sys {
namespace {

namespace fs = std::filesystem;

constexpr Nanoseconds answer_limit = 5'000'000'000;
constexpr std::uint32_t oldest = 0x030a0000;

// One fact a line. torch is looked for, never imported: its import takes seconds and may claim an accelerator.
constexpr std::string_view question = R"(
import os, re, sys, sysconfig
torch = ""
for place in sys.path:
    try:
        with open(os.path.join(place, "torch", "version.py"), encoding="utf-8") as file:
            found = re.search(r"__version__ *(?::[^=]*)?= *['\"]([^'\"]+)['\"]", file.read())
    except OSError:
        continue
    torch = found.group(1) if found else "of unknown version"
    break
facts = (sys.executable, sys.prefix, sys.implementation.name, "%d.%d.%d" % sys.version_info[:3], sys.hexversion,
         int(bool(sysconfig.get_config_var("Py_GIL_DISABLED"))), torch)
sys.stdout.buffer.write("\n".join(map(str, facts)).encode("utf-8", "replace") + b"\n")
)";

std::optional<std::string> variable(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
    std::vector<fs::path> entries;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        entries.push_back(entry->path());
    }
    std::sort(entries.begin(), entries.end());
    return entries;
}

// python3 and python3.N, not python3-config, python3.11-dbg-config and the like.
bool is_interpreter_name(std::string_view name) {
    constexpr std::string_view stem = "python3";
    if (name.substr(0, stem.size()) != stem) return false;
    name.remove_prefix(stem.size());
    if (name.empty()) return true;
    return name.front() == '.' && name.size() > 1 &&
           name.substr(1).find_first_not_of("0123456789") == std::string_view::npos;
}

class Candidates {
public:
    void add(const fs::path& path) {
        if (::access(path.c_str(), X_OK) == 0 && seen_.insert(path).second) found_.push_back(path);
    }
    void add_environment(const fs::path& prefix) { add(prefix / "bin" / "python"); }
    void add_environments_in(const fs::path& folder) {
        for (const fs::path& prefix : sorted_entries(folder)) add_environment(prefix);
    }
    std::vector<fs::path> take() { return std::move(found_); }

private:
    std::set<fs::path> seen_;
    std::vector<fs::path> found_;
};

void add_path(Candidates& candidates, std::string_view path) {
    while (!path.empty()) {
        const std::string_view folder = path.substr(0, path.find(':'));
        path.remove_prefix(std::min(folder.size() + 1, path.size()));
        // pyenv's shims only start what is found among its versions.
        if (folder.empty() || folder.find("/shims") != std::string_view::npos) continue;
        for (const fs::path& entry : sorted_entries(folder)) {
            if (is_interpreter_name(entry.filename().string())) candidates.add(entry);
        }
    }
}

void add_conda(Candidates& candidates, const fs::path& home) {
    if (const auto prefix = variable("CONDA_PREFIX")) candidates.add_environment(*prefix);
    // conda notes every environment that it makes there, one a line.
    if (const Result<std::string> list = read_whole(home / ".conda" / "environments.txt")) {
        std::string_view rest = *list;
        while (!rest.empty()) {
            const std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(line.size() + 1, rest.size()));
            if (!line.empty()) candidates.add_environment(line);
        }
    }
    for (const char* folder : {"miniconda3", "anaconda3", "miniforge3", "mambaforge"}) {
        candidates.add_environment(home / folder);
        candidates.add_environments_in(home / folder / "envs");
    }
}

std::optional<PythonInstallation> ask(const fs::path& executable) {
    CommandOptions options;
    options.time_limit = answer_limit;
    const Result<CommandOutput> answer = run_command({executable.string(), "-I", "-c", std::string(question)}, options);
    if (!answer || answer->exit_code != 0) return std::nullopt;
    std::vector<std::string> facts;
    std::string_view rest = answer->text;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        facts.push_back(repaired_utf8(line));
    }
    if (facts.size() != 7) return std::nullopt;
    PythonInstallation python{facts[0], facts[1], facts[2], facts[3], 0, facts[5] == "1", facts[6]};
    const std::string& hex = facts[4];
    if (std::from_chars(hex.data(), hex.data() + hex.size(), python.version_hex).ec != std::errc()) return std::nullopt;
    return python;
}

}  // namespace

std::vector<fs::path> python_candidates(const fs::path& directory) {
    Candidates candidates;
    if (const auto active = variable("VIRTUAL_ENV")) candidates.add_environment(*active);
    candidates.add_environment(directory / ".venv");
    std::error_code error;
    const fs::path own = fs::read_symlink("/proc/self/exe", error);  // of the environment that headrace is installed in
    if (!error) candidates.add(own.parent_path() / "python3");
    if (const auto path = variable("PATH")) add_path(candidates, *path);
    const fs::path home = variable("HOME").value_or("");
    if (home.empty()) return candidates.take();
    const fs::path pyenv = variable("PYENV_ROOT").value_or((home / ".pyenv").string());
    for (const fs::path& prefix : sorted_entries(pyenv / "versions")) candidates.add(prefix / "bin" / "python3");
    add_conda(candidates, home);
    return candidates.take();
}

std::vector<PythonInstallation> find_pythons(const std::vector<fs::path>& candidates) {
    std::vector<PythonInstallation> pythons;
    std::set<std::pair<std::string, std::uint32_t>> seen;
    for (const fs::path& candidate : candidates) {
        std::optional<PythonInstallation> python = ask(candidate);
        if (!python || python->version_hex < oldest) continue;
        if (seen.emplace(python->prefix, python->version_hex).second) pythons.push_back(std::move(*python));
    }
    return pythons;
}

}  // namespace headrace::sys
