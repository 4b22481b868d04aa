#include "audit/diff.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "audit/edit.h"
#include "base/utc.h"
#include "sys/file.h"

namespace headrace::audit {
namespace {

namespace fs = std::filesystem;

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

// A file of the user's as it was when a run began; none where it has gone or was changed since.
std::optional<std::string> source_of(const fs::path& path, const RunInfo& run) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return std::nullopt;
    const Result<std::string> source = sys::read_whole(path);
    if (!source || status.st_mtime > base::seconds_of_utc(run.started).value_or(0)) return std::nullopt;
    return *source;
}

std::string heading(const fs::path& path, const RunInfo& run) {
    const std::string name = path.lexically_relative(run.directory).string();
    const std::string shown = name.empty() || name.starts_with("..") ? path.string() : name;
    return fmt::format("--- {}\n+++ {}\n", shown, shown);
}

// The file that the command's first word ending in .py names; empty where there is none.
fs::path script_of(const RunInfo& run) {
    const auto word = std::ranges::find_if(run.command, [](const std::string& one) { return one.ends_with(".py"); });
    return word == run.command.end() ? fs::path() : (fs::path(run.directory) / *word).lexically_normal();
}

struct Hunks {
    std::string text;
    bool has_loader = false;
};

// The threads' lines and the loader's call, which stands below them.
Hunks hunks_of(const std::string& source, const std::optional<std::string>& threads,
               const std::optional<LoaderSite>& loader, const Fix& fix) {
    const std::string text = threads ? hunk(source, *threads) : "";
    if (!loader) return {text};
    const std::string& before = threads ? *threads : source;
    const std::size_t added = lines_of(before).size() - lines_of(source).size();
    const std::optional<std::string> after = with_arguments(before, loader->line + added, fix);
    return after ? Hunks{text + hunk(before, *after, added), true} : Hunks{text};
}

}  // namespace

std::string hunk(std::string_view before, std::string_view after, std::size_t shift) {
    const std::vector<std::string_view> old_lines = lines_of(before), new_lines = lines_of(after);
    std::size_t first = 0;
    while (first < std::min(old_lines.size(), new_lines.size()) && old_lines[first] == new_lines[first]) ++first;
    std::size_t same = 0;
    while (same < std::min(old_lines.size(), new_lines.size()) - first &&
           old_lines[old_lines.size() - 1 - same] == new_lines[new_lines.size() - 1 - same]) {
        ++same;
    }
    const std::size_t removed = old_lines.size() - first - same, put = new_lines.size() - first - same;
    std::string text =
        fmt::format("@@ -{},{} +{},{} @@\n", first + (removed > 0 ? 1 : 0) - shift, removed, first + 1, put);
    for (std::size_t i = first; i < first + removed; ++i) text += fmt::format("-{}\n", old_lines[i]);
    for (std::size_t i = first; i < first + put; ++i) text += fmt::format("+{}\n", new_lines[i]);
    return text;
}

std::string diff_of(const Finding& finding, const RunInfo& run) {
    if (!finding.loader || finding.loader->library || !changes_loader(finding.fix)) return "";
    const fs::path path = fs::path(run.directory) / finding.loader->file;
    const std::optional<std::string> source = source_of(path, run);
    const std::optional<std::string> edited =
        source ? edited_call(*source, finding.loader->line, finding.fix) : std::nullopt;
    return edited ? heading(path, run) + *edited : "";
}

std::string diff_of(const Fix& fix, const std::optional<LoaderSite>& loader, const RunInfo& run) {
    const bool has_loader = loader && !loader->library && changes_loader(fix);
    const fs::path of_loader = has_loader ? (fs::path(run.directory) / loader->file).lexically_normal() : fs::path();
    const fs::path script = fix.threads ? script_of(run) : fs::path();
    const std::optional<std::string> main = script.empty() ? std::nullopt : source_of(script, run);
    const std::optional<std::string> threads = main ? with_threads(*main, *fix.threads) : std::nullopt;
    std::string text;
    bool edited = false;
    const auto add = [&](const fs::path& path, const Hunks& hunks) {
        if (!hunks.text.empty()) text += heading(path, run) + hunks.text;
        edited = edited || hunks.has_loader;
    };
    if (threads) add(script, hunks_of(*main, threads, script == of_loader ? loader : std::nullopt, fix));
    if (has_loader && !(threads && script == of_loader)) {
        const std::optional<std::string> source = source_of(of_loader, run);
        if (source) add(of_loader, hunks_of(*source, std::nullopt, loader, fix));
    }
    Fix rest = fix;
    if (threads) rest.threads.reset();
    if (edited) {
        rest.workers.reset();
        rest.prefetch_factor.reset();
        rest.persistent_workers.reset();
        rest.batch_size.reset();
    }
    const std::string words = as_arguments(rest);
    return (words.empty() ? "" : "# by hand: " + words + "\n") + text;
}

}  // namespace headrace::audit
