#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "run/ending.h"
#include "run/store.h"
#include "sys/file.h"

namespace headrace::run {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t stamp_seconds = 15;  // 20261124T000319
constexpr std::size_t stamp_length = 20;   // 20261124T000319.482Z
constexpr std::size_t shown_candidates = 5;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "2026-11-24T00:03:19Z" or "2026-11-24T00:03:19.482Z" as "20261124T000319" and its milliseconds, when it has any.
struct Stamp {
    std::string seconds;
    std::optional<int> milliseconds;
};

std::optional<Stamp> parse_started(const std::string& started) {
    constexpr std::string_view form = "0000-00-00T00:00:00";
    if (started.size() < form.size() + 1 || started.back() != 'Z') return std::nullopt;
    Stamp stamp;
    for (std::size_t i = 0; i < form.size(); ++i) {
        const bool fits = form[i] == '0' ? is_digit(started[i]) : started[i] == form[i];
        if (!fits) return std::nullopt;
        if (form[i] != '-' && form[i] != ':') stamp.seconds += started[i];
    }
    std::string fraction = started.substr(form.size(), started.size() - form.size() - 1);
    if (fraction.empty()) return stamp;
    if (fraction.size() < 2 || fraction[0] != '.' || !std::all_of(fraction.begin() + 1, fraction.end(), is_digit))
        return std::nullopt;
    fraction.resize(4, '0');
    stamp.milliseconds = std::stoi(fraction.substr(1));
    return stamp;
}

// The fraction of the present second; 0 where that is another one already: after_others keeps the order.
int milliseconds_in(const std::string& seconds) {
    const auto now = std::chrono::system_clock::now();
    const std::time_t whole = std::chrono::system_clock::to_time_t(now);
    std::tm parts{};
    ::gmtime_r(&whole, &parts);
    char text[32];
    (void)std::strftime(text, sizeof text, "%Y%m%dT%H%M%S", &parts);
    if (seconds != text) return 0;
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
    return static_cast<int>(since % 1000);
}

bool has_stamp(const std::string& name) {
    return name.size() > stamp_length && name[8] == 'T' && name[stamp_length - 1] == 'Z' && is_digit(name[0]);
}

// What a folder is sorted by: its name, or the start of its run where somebody gave it another name.
std::string order_of(const fs::path& path) {
    std::string name = path.filename().string();
    if (has_stamp(name)) return name;
    const Result<RunInfo> info = read_info(Folder{path});
    const std::optional<Stamp> stamp = info ? parse_started(info->started) : std::nullopt;
    return stamp ? stamp->seconds + name : std::string();
}

// An error but for a folder that does not exist, which has no runs.
std::vector<fs::path> folders_in(const fs::path& runs, std::error_code& error) {
    std::vector<std::pair<std::string, fs::path>> folders;
    for (fs::directory_iterator entry(runs, error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        std::error_code ignored;
        if (entry->is_directory(ignored)) folders.emplace_back(order_of(entry->path()), entry->path());
    }
    if (error == std::errc::no_such_file_or_directory) error.clear();
    std::ranges::sort(folders, std::greater{});
    std::vector<fs::path> paths;
    for (auto& [order, path] : folders) paths.push_back(std::move(path));
    return paths;
}

// Later than every run of the same second, so that names sort in the order of creation.
int after_others(const fs::path& runs, const std::string& seconds, int milliseconds) {
    std::error_code ignored;
    for (const fs::path& folder : folders_in(runs, ignored)) {
        const std::string name = folder.filename().string();
        if (!has_stamp(name) || !name.starts_with(seconds)) continue;
        const std::string digits = name.substr(stamp_seconds + 1, 3);
        if (std::ranges::all_of(digits, is_digit)) milliseconds = std::max(milliseconds, std::stoi(digits) + 1);
    }
    return std::min(milliseconds, 999);
}

std::string padded(int value) {
    std::string digits = std::to_string(value);
    return std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

std::string random_id() {
    constexpr std::string_view digits = "0123456789abcdef";
    std::random_device device;
    std::uint32_t bits = device();
    std::string id;
    for (int i = 0; i < 8; ++i, bits >>= 4) id += digits[bits & 15];
    return id;
}

tl::unexpected<Error> with_remedy(Error error) {
    error.message += "; keep runs in another place with --dir or HEADRACE_DIR";
    return tl::unexpected<Error>(std::move(error));
}

// Git passes over what we make. A folder that was there before may hold the user's own files: it stays as it is.
Result<void> make_home(const fs::path& home) {
    const fs::path runs = home / "runs";
    bool hidden = false;
    for (const fs::path& folder : {home, runs}) {
        std::error_code error;
        const bool is_new = !fs::exists(folder, error);
        fs::create_directories(folder, error);
        if (error) return fail_errno(error.value(), "cannot make the folder " + folder.string());
        // Before anything else is made in it. An audit does not fail for it.
        if (is_new && !hidden) hidden = sys::write_whole(folder / ".gitignore", "*\n").has_value();
    }
    return {};
}

// What follows the last hyphen, the whole name where there is none.
std::string digits_of(const Folder& folder) {
    const std::string id = folder.id();
    return id.substr(id.rfind('-') + 1);
}

bool holds_run(const Folder& folder) {
    std::error_code error;
    return fs::exists(folder.database(), error);
}

tl::unexpected<Error> none_found(const fs::path& home, const std::string& run) {
    return fail(ErrorCode::not_found, "there is no run '" + base::printable(run) + "' in " + home.string() +
                                          ": `headrace report --list` shows the runs that there are");
}

Result<Folder> find_path(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status))
        return fail(ErrorCode::not_found, path.string() + " does not exist: `headrace report --list` shows the runs");
    if (fs::is_directory(status)) {
        // Without a slash at its end the last part of the path is the folder's name.
        Folder folder{path.has_filename() ? path : path.parent_path()};
        if (!holds_run(folder))
            return fail(ErrorCode::not_found, folder.path.string() + " is not a run: it holds no run.db");
        return folder;
    }
    if (path.filename() == "run.db") return Folder{path.has_parent_path() ? path.parent_path() : fs::path(".")};
    return fail(ErrorCode::not_found, path.string() + " is not a run: give the folder of a run, or the run.db in it");
}

Result<Folder> find_newest(const fs::path& home, const std::vector<Folder>& folders) {
    const auto newest = std::ranges::find_if(folders, holds_run);
    if (newest != folders.end()) return *newest;
    return fail(ErrorCode::not_found,
                "there is no run in " + home.string() + ": record one with `headrace audit -- COMMAND`");
}

std::optional<Folder> find_name(const std::vector<Folder>& folders, const std::string& run) {
    for (const Folder& folder : folders) {
        const Result<RunInfo> info = read_info(folder);
        if (info && (info->name == run || info->id == run)) return folder;
    }
    return std::nullopt;
}

tl::unexpected<Error> ambiguous(const std::string& run, const std::vector<Folder>& candidates) {
    std::string message = "'" + base::printable(run) + "' is the start of " + std::to_string(candidates.size()) +
                          " runs: give more of one of ";
    for (std::size_t i = 0; i < std::min(candidates.size(), shown_candidates); ++i)
        message += (i == 0 ? "" : ", ") + base::printable(candidates[i].id());
    if (candidates.size() > shown_candidates)
        message += " and " + std::to_string(candidates.size() - shown_candidates) + " more";
    return fail(ErrorCode::invalid_argument, message);
}

Result<std::vector<Folder>> all_folders(const fs::path& home) {
    std::vector<Folder> folders;
    std::error_code error;
    for (const fs::path& path : folders_in(home / "runs", error)) folders.push_back(Folder{path});
    if (error) return fail_errno(error.value(), "cannot read the folder " + (home / "runs").string());
    return folders;
}

// What a name says of a run whose database says nothing.
RunInfo info_from_name(const Folder& folder) {
    RunInfo info;
    info.id = folder.id();
    const std::string name = folder.id();
    if (!has_stamp(name)) return info;
    const auto part = [&](std::size_t at, std::size_t length) { return name.substr(at, length); };
    info.started = part(0, 4) + "-" + part(4, 2) + "-" + part(6, 2) + "T" + part(9, 2) + ":" + part(11, 2) + ":" +
                   part(13, 2) + "Z";
    if (!parse_started(info.started)) info.started.clear();
    return info;
}

Result<Folder> find_in(const fs::path& home, const std::string& run) {
    if (run.find('/') != std::string::npos) return find_path(run);
    const Result<std::vector<Folder>> folders = all_folders(home);
    std::error_code error;
    if (!folders) {
        return !run.empty() && fs::exists(run, error) ? find_path(run)
                                                      : Result<Folder>(tl::unexpected<Error>(folders.error()));
    }
    if (run.empty()) return find_newest(home, *folders);
    std::vector<Folder> starts;
    for (const Folder& folder : *folders) {
        if (folder.id() == run || digits_of(folder) == run) return folder;
        if (folder.id().starts_with(run) || digits_of(folder).starts_with(run)) starts.push_back(folder);
    }
    if (const std::optional<Folder> named = find_name(*folders, run)) return *named;
    if (starts.size() == 1) return starts.front();
    if (fs::exists(run, error)) return find_path(run);
    return starts.empty() ? Result<Folder>(none_found(home, run)) : Result<Folder>(ambiguous(run, starts));
}

}  // namespace

std::string Folder::id() const { return path.filename().string(); }

fs::path home(const std::string& dir) {
    if (!dir.empty()) return dir;
    const char* set = std::getenv("HEADRACE_DIR");
    return set != nullptr && *set != '\0' ? fs::path(set) : fs::path(".headrace");
}

Result<Folder> create(const fs::path& home, const std::string& started) {
    const std::optional<Stamp> stamp = parse_started(started);
    if (!stamp)
        return fail(ErrorCode::invalid_argument, "'" + base::printable(started) + "' is no ISO 8601 time in UTC");
    try {
        if (const Result<void> made = make_home(home); !made) return with_remedy(made.error());
        const fs::path runs = home / "runs";
        const int wanted = stamp->milliseconds ? *stamp->milliseconds : milliseconds_in(stamp->seconds);
        const int milliseconds = after_others(runs, stamp->seconds, wanted);
        for (int attempt = 0;; ++attempt) {
            const Folder folder{runs / (stamp->seconds + "." + padded(milliseconds) + "Z-" + random_id())};
            if (::mkdir(folder.path.c_str(), 0777) == 0) return folder;
            if (errno != EEXIST || attempt == 100)
                return with_remedy(fail_errno(errno, "cannot make the folder " + folder.path.string()).value());
        }
    } catch (const std::exception& exception) {
        return fail(ErrorCode::io_error, "cannot make a run in " + home.string() + ": " + exception.what());
    }
}

Result<Folder> find(const fs::path& home, const std::string& run) {
    try {
        return find_in(home, run);
    } catch (const std::exception& exception) {
        return fail(ErrorCode::io_error, "cannot look for runs in " + home.string() + ": " + exception.what());
    }
}

Result<std::vector<Listed>> list(const fs::path& home) {
    const Result<std::vector<Folder>> folders = all_folders(home);
    if (!folders) return tl::unexpected<Error>(folders.error());
    std::vector<Listed> runs;
    for (const Folder& folder : *folders) {
        Listed listed{folder, {}, {}};
        if (Result<RunInfo> info = read_info(folder)) {
            listed.info = std::move(*info);
            if (listed.info.outcome == Outcome::running && !life_of(folder, listed.info).going_on)
                conclude(folder, listed.info);
        } else {
            listed.info = info_from_name(folder);
            listed.problem = info.error().message;
        }
        runs.push_back(std::move(listed));
    }
    return runs;
}

}  // namespace headrace::run
