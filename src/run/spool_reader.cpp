#include "run/spool_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace headrace::run {

namespace {

struct FileName {
    std::uint32_t pid = 0;
    std::uint32_t number = 0;
};

// <pid>-<tid>-<n>.spool; none for any other name.
std::optional<FileName> parse_name(std::string_view name) {
    constexpr std::string_view ending = ".spool";
    if (!name.ends_with(ending)) return std::nullopt;
    name.remove_suffix(ending.size());
    std::array<std::uint32_t, 3> fields{};
    const char* at = name.data();
    const char* const end = at + name.size();
    for (std::uint32_t& field : fields) {
        const auto [next, error] = std::from_chars(at, end, field);
        if (error != std::errc{}) return std::nullopt;
        const bool last = &field == &fields.back();
        if (last ? next != end : next == end || *next != '-') return std::nullopt;
        at = next + (last ? 0 : 1);
    }
    return FileName{fields[0], fields[2]};
}

struct Numbered {
    std::uint32_t number = 0;
    SpoolFile content;
    auto order() const {
        const ThreadRecord& first = content.threads.front();
        return std::tuple(first.process_start, first.pid, number, first.tid);
    }
};

void read_entry(const std::filesystem::path& path, std::vector<Numbered>& files, Spool& spool) {
    const std::string name = path.filename().string();
    if (name == "control") return;
    const std::string file = "Spool file " + base::printable(name);
    const auto problem = [&](const std::string& why) {
        spool.problems.push_back(file + " was left out: " + why + ".");
    };
    const std::optional<FileName> parsed = parse_name(name);
    if (!parsed) return problem("it is no spool file by its name");
    Result<SpoolFile> content = survey_spool_file(path);
    if (!content) {
        spool.whole = spool.whole && content.error().code == ErrorCode::damaged;  // there is nothing in it then
        return problem(content.error().message);
    }
    files.push_back({parsed->number, std::move(*content)});
    for (const std::string& why : files.back().content.problems) spool.problems.push_back(file + ": " + why + ".");
}

}  // namespace

Result<Spool> open_spool(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    if (error) return fail_errno(error.value(), "cannot read the spool folder " + folder.string());
    std::vector<std::filesystem::path> paths;
    while (entries != std::filesystem::directory_iterator{}) {
        paths.push_back(entries->path());
        entries.increment(error);
        if (error) return fail_errno(error.value(), "cannot read the spool folder " + folder.string());
    }
    // By pid: of a program that goes on, workers are read after the process that started them and waits for their
    // batches, so that there is no wait whose batch is missing.
    std::ranges::sort(paths, {}, [](const std::filesystem::path& path) {
        const std::optional<FileName> name = parse_name(path.filename().string());
        return std::pair(name ? name->pid : 0, path);
    });
    Spool spool;
    spool.whole = true;
    std::vector<Numbered> files;
    for (const std::filesystem::path& path : paths) read_entry(path, files, spool);
    std::ranges::stable_sort(files, {}, &Numbered::order);
    for (Numbered& file : files) {
        std::ranges::move(file.content.threads, std::back_inserter(spool.threads));
        std::ranges::move(file.content.parts, std::back_inserter(spool.parts_));
    }
    return spool;
}

}  // namespace headrace::run
