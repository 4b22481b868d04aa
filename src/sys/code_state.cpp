// Which state of its code a program is started from.
#include <algorithm>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/sha256.h"
#include "sys/command.h"
#include "sys/file.h"
#include "sys/machine.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

namespace fs = std::filesystem;

constexpr Nanoseconds git_time_limit = 2'000'000'000, walk_time_limit = 1'000'000'000;
constexpr std::size_t most_files = 5'000;
constexpr std::uintmax_t most_file_bytes = 4 * 1024 * 1024, most_bytes = 16 * 1024 * 1024;
constexpr std::size_t most_output = 1024 * 1024;  // of run_command, which cuts what is longer

// A repository's own place in the environment would have git speak of another repository; GIT_CONFIG_* stays, because
// it may hold the user's safe.directory.
CommandOptions git_options(Nanoseconds time_limit) {
    CommandOptions options;
    options.time_limit = time_limit;
    for (const char* prefix :
         {"GIT_DIR",       "GIT_WORK_TREE", "GIT_INDEX",   "GIT_OBJECT",   "GIT_ALTERNATE", "GIT_COMMON",
          "GIT_NAMESPACE", "GIT_TRACE",     "GIT_PREFIX",  "GIT_GRAFT",    "GIT_SHALLOW",   "GIT_REPLACE",
          "GIT_IMPLICIT",  "GIT_INTERNAL",  "GIT_CEILING", "GIT_EXTERNAL", "GIT_LITERAL",   "GIT_GLOB",
          "GIT_ICASE",     "GIT_NOGLOB",    "GIT_PAGER"}) {
        options.unset_prefixes.emplace_back(prefix);
    }
    options.environment = {
        {"GIT_OPTIONAL_LOCKS", "0"}, {"GIT_TERMINAL_PROMPT", "0"}, {"LC_ALL", "C"}, {"PAGER", "cat"}};
    return options;
}

// Asks git about one folder, with one time limit for all questions.
class Git {
public:
    explicit Git(fs::path folder) : folder_(std::move(folder)) {}

    std::optional<std::string> ask(const std::vector<std::string>& question) const {
        std::vector<std::string> command = {"git", "--no-optional-locks", "--no-pager", "-C", folder_.string(),
                                            // A file system monitor would be a process that stays.
                                            "-c", "core.fsmonitor=false"};
        command.insert(command.end(), question.begin(), question.end());
        const Nanoseconds left = deadline_ - monotonic_now();
        if (left <= 0) return std::nullopt;
        Result<CommandOutput> output = run_command(command, git_options(left));
        if (!output || output->exit_code != 0 || output->text.size() >= most_output) return std::nullopt;
        return std::move(output->text);
    }
    // Without the line break that ends it.
    std::optional<std::string> ask_line(const std::vector<std::string>& question) const {
        std::optional<std::string> line = ask(question);
        if (line && line->ends_with('\n')) line->pop_back();
        return line;
    }
    void move_to(fs::path folder) { folder_ = std::move(folder); }

private:
    fs::path folder_;
    Nanoseconds deadline_ = monotonic_now() + git_time_limit;
};

bool is_commit(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<std::string> commit_of(const Git& git) {
    std::optional<std::string> commit = git.ask_line({"rev-parse", "--verify", "--quiet", "HEAD^{commit}"});
    return commit && is_commit(*commit) ? commit : std::nullopt;
}

std::vector<std::string> parts_of(std::string_view text) {
    std::vector<std::string> parts;
    for (std::size_t end = text.find('\0'); end != std::string_view::npos; end = text.find('\0')) {
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    return parts;
}

// Names and contents of files, until they are too many.
class CodeFiles {
public:
    explicit CodeFiles(fs::path top) : top_(std::move(top)) {}

    // False where it is too much or cannot be read: then the state is not known.
    bool add(const std::string& name) {
        if (++files_ > most_files) return false;
        std::error_code error;
        const fs::path path = top_ / name;
        const fs::file_status status = fs::symlink_status(path, error);
        if (!fs::exists(status)) return note(name, "none");
        if (fs::is_symlink(status)) return note(name, "link " + fs::read_symlink(path, error).string());
        if (!fs::is_regular_file(status)) return false;
        const std::uintmax_t bytes = fs::file_size(path, error);
        if (error || bytes > most_file_bytes || (bytes_ += bytes) > most_bytes) return false;
        const Result<std::string> content = read_whole(path);
        return content && note(name, base::sha256(*content));
    }

    std::string digest(std::string_view commit) const { return base::sha256(std::string(commit) + '\0' + text_); }

private:
    bool note(const std::string& name, const std::string& what) {
        text_ += name + '\0' + what + '\0';
        return true;
    }

    fs::path top_;
    std::size_t files_ = 0;
    std::uintmax_t bytes_ = 0;
    std::string text_;
};

// Tracked files that differ from the commit, by their names below the top. None: git did not say.
std::optional<std::vector<std::string>> changed_files(const Git& git) {
    const auto status = git.ask({"status", "--porcelain", "-z", "--no-renames", "--untracked-files=no"});
    if (!status) return std::nullopt;
    std::vector<std::string> names = parts_of(*status);
    for (std::string& name : names) name.erase(0, 3);  // two letters for what changed, and a space
    return names;
}

std::optional<std::string> digest_of_files(const fs::path& top, std::vector<std::string> names,
                                           std::string_view commit) {
    std::sort(names.begin(), names.end());
    CodeFiles files(top);
    const bool all = std::all_of(names.begin(), names.end(), [&](const std::string& name) { return files.add(name); });
    return all ? std::optional<std::string>(files.digest(commit)) : std::nullopt;
}

// `changed`: as changed_files gave it for this work tree.
std::optional<std::string> digest_of_work_tree(Git& git, const std::string& commit, std::vector<std::string> changed) {
    const auto top = git.ask_line({"rev-parse", "--show-toplevel"});
    if (!top) return std::nullopt;
    git.move_to(*top);
    const auto untracked = git.ask({"ls-files", "--others", "--exclude-standard", "-z", "--", "*.py"});
    if (!untracked) return std::nullopt;
    for (std::string& name : parts_of(*untracked)) changed.push_back(std::move(name));
    return digest_of_files(*top, std::move(changed), commit);
}

bool is_left_out(const std::string& folder) {
    return folder.starts_with('.') || folder == "site-packages" || folder == "node_modules" || folder == "__pycache__";
}

// The Python files below a folder where there is no git.
class PythonWalk {
public:
    explicit PythonWalk(const fs::path& top) : top_(top) {}

    std::optional<std::vector<std::string>> names() {
        if (!look_into(top_)) return std::nullopt;
        return std::move(names_);
    }

private:
    // A folder with so many entries holds data.
    static constexpr std::size_t most_of_a_folder = 1'000, most_entries = 50'000;

    bool look_into(const fs::path& folder) {
        std::vector<fs::directory_entry> entries;
        std::error_code error;
        for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator{};
             entry.increment(error)) {
            if (++entries_ > most_entries || monotonic_now() > deadline_) return false;
            entries.push_back(*entry);
            if (entries.size() > most_of_a_folder) return folder != top_;
        }
        if (error && folder == top_) return false;
        return std::all_of(entries.begin(), entries.end(), [this](const auto& entry) { return take(entry); });
    }
    bool take(const fs::directory_entry& entry) {
        std::error_code error;
        const fs::file_status status = entry.symlink_status(error);
        if (fs::is_directory(status)) {
            return is_left_out(entry.path().filename().string()) || look_into(entry.path());
        }
        if (fs::is_regular_file(status) && entry.path().extension() == ".py") {
            names_.push_back(entry.path().lexically_relative(top_).string());
        }
        return names_.size() <= most_files;
    }

    const fs::path& top_;
    Nanoseconds deadline_ = monotonic_now() + walk_time_limit;
    std::size_t entries_ = 0;
    std::vector<std::string> names_;
};

std::optional<std::string> digest_without_git(const fs::path& folder) {
    std::error_code error;
    if (!fs::is_directory(folder, error)) return std::nullopt;
    std::optional<std::vector<std::string>> names = PythonWalk(folder).names();
    return names ? digest_of_files(folder, std::move(*names), "") : std::nullopt;
}

}  // namespace

CodeState describe_code(const fs::path& directory) {
    CodeState state;
    Git git(directory);
    state.git_commit = commit_of(git);
    if (!state.git_commit) {
        state.digest = digest_without_git(directory);
        return state;
    }
    const auto changed = changed_files(git);
    if (!changed) return state;
    state.dirty = !changed->empty();
    state.digest = digest_of_work_tree(git, *state.git_commit, *changed);
    return state;
}

CodeState describe_code(const fs::path& directory, const fs::path& code) {
    CodeState state = describe_code(directory);
    if (code != directory) state.digest = describe_code(code).digest;
    return state;
}

}  // namespace headrace::sys
