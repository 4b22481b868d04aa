#include "audit/edit.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <filesystem>
#include <utility>
#include <vector>

#include "sys/file.h"

namespace headrace::audit {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view callee = "DataLoader";
constexpr std::size_t most_positional = 2;  // dataset and batch_size: what stands behind them has a name

bool in_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The end of what begins at `at` and is no code: a comment, a string. `at` itself where there is none.
std::size_t past_text(std::string_view source, std::size_t at) {
    const char c = source[at];
    if (c == '#') return std::min(source.find('\n', at), source.size());
    if (c != '"' && c != '\'') return at;
    const std::string_view three = source.substr(at, 3);
    const bool triple = three.size() == 3 && three[1] == c && three[2] == c;
    const std::size_t length = triple ? 3 : 1;
    for (std::size_t i = at + length; i < source.size(); ++i) {
        if (source[i] == '\\') {
            ++i;
        } else if (source.compare(i, length, three.substr(0, length)) == 0) {
            return i + length;
        }
    }
    return source.size();
}

struct Extent {
    std::size_t begin;
    std::size_t end;
};

struct Argument {
    Extent whole;
    std::string_view name;  // empty: positional
    Extent value;
};

struct Call {
    std::vector<Argument> arguments;
    std::size_t end = 0;  // its closing bracket
    bool unpacks = false;
    bool trailing_comma = false;
};

// Where the arguments of the only call of a line begin.
std::optional<std::size_t> begin_of_call(std::string_view source, Extent line) {
    std::optional<std::size_t> found;
    for (std::size_t i = line.begin; i < line.end;) {
        if (const std::size_t next = past_text(source, i); next != i) {
            i = next;
            continue;
        }
        const bool here = source.compare(i, callee.size(), callee) == 0 && (i == 0 || !in_name(source[i - 1]));
        if (!here) {
            ++i;
            continue;
        }
        i += callee.size();
        while (i < line.end && (source[i] == ' ' || source[i] == '\t')) ++i;
        if (i >= line.end || source[i] != '(') continue;
        if (found) return std::nullopt;
        found = i + 1;
    }
    return found;
}

// What stands between two commas, without the spaces and comments around it.
Argument argument_of(std::string_view source, Extent range) {
    while (range.begin < range.end) {
        if (is_space(source[range.begin])) {
            ++range.begin;
        } else if (source[range.begin] == '#') {
            range.begin = std::min(past_text(source, range.begin), range.end);
        } else {
            break;
        }
    }
    // A comment behind the last argument belongs to no argument.
    std::size_t end = range.begin;
    for (std::size_t i = range.begin; i < range.end;) {
        const std::size_t next = past_text(source, i);
        if (source[i] != '#' && !is_space(source[i])) end = next == i ? i + 1 : next;
        i = next == i ? i + 1 : next;
    }
    Argument argument{{range.begin, end}, {}, {range.begin, end}};
    std::size_t i = range.begin;
    while (i < end && in_name(source[i])) ++i;
    const std::size_t name_end = i;
    while (i < end && is_space(source[i])) ++i;
    if (name_end > range.begin && i < end && source[i] == '=' && (i + 1 == end || source[i + 1] != '=')) {
        argument.name = source.substr(range.begin, name_end - range.begin);
        for (++i; i < end && is_space(source[i]); ++i) continue;
        argument.value = {i, end};
    }
    return argument;
}

std::optional<Call> call_at(std::string_view source, std::size_t begin) {
    Call call;
    std::size_t depth = 0, start = begin;
    for (std::size_t i = begin; i < source.size();) {
        if (const std::size_t next = past_text(source, i); next != i) {
            i = next;
            continue;
        }
        const char c = source[i];
        const bool closes = c == ')' || c == ']' || c == '}';
        if (depth == 0 && (c == ',' || closes)) {
            const Argument argument = argument_of(source, {start, i});
            const bool empty = argument.whole.begin == argument.whole.end;
            if (!empty) call.arguments.push_back(argument);
            if (!empty && source[argument.whole.begin] == '*') call.unpacks = true;
            if (closes) {
                call.trailing_comma = empty && !call.arguments.empty();
                call.end = i;
                return call;
            }
            start = i + 1;
        } else if (closes) {
            --depth;
        } else if (c == '(' || c == '[' || c == '{') {
            ++depth;
        }
        ++i;
    }
    return std::nullopt;
}

struct Edit {
    Extent range;
    std::string text;
};

Argument* find(Call& call, std::string_view name) {
    const auto found = std::find_if(call.arguments.begin(), call.arguments.end(),
                                    [&](const Argument& argument) { return argument.name == name; });
    return found == call.arguments.end() ? nullptr : &*found;
}

bool unpacks(std::string_view source, const Argument& argument) { return source[argument.whole.begin] == '*'; }

// The second argument without a name; null where arguments that are unpacked may stand for it.
Argument* positional_batch(std::string_view source, Call& call) {
    if (call.arguments.size() < 2 || !call.arguments[1].name.empty()) return nullptr;
    const bool unpacked = unpacks(source, call.arguments[0]) || unpacks(source, call.arguments[1]);
    return unpacked ? nullptr : &call.arguments[1];
}

std::vector<std::pair<std::string, std::string>> settings_of(const Fix& fix, Call& call) {
    std::vector<std::pair<std::string, std::string>> settings;
    if (fix.batch_size) settings.emplace_back("batch_size", std::to_string(*fix.batch_size));
    if (fix.workers) settings.emplace_back("num_workers", std::to_string(*fix.workers));
    if (fix.prefetch_factor) settings.emplace_back("prefetch_factor", std::to_string(*fix.prefetch_factor));
    if (fix.persistent_workers) {
        settings.emplace_back("persistent_workers", *fix.persistent_workers ? "True" : "False");
    }
    if (fix.workers == 0U) {  // torch refuses what only workers have
        if (find(call, "prefetch_factor") != nullptr) settings.emplace_back("prefetch_factor", "None");
        if (find(call, "persistent_workers") != nullptr) settings.emplace_back("persistent_workers", "False");
        if (find(call, "multiprocessing_context") != nullptr) {
            settings.emplace_back("multiprocessing_context", "None");
        }
        if (find(call, "timeout") != nullptr) settings.emplace_back("timeout", "0");
    }
    return settings;
}

// What is put behind the last argument: on its own line where the closing bracket has one.
std::string addition(std::string_view source, const Call& call, const std::string& setting) {
    const Extent last = call.arguments.back().whole;
    const std::size_t line = source.rfind('\n', last.begin);
    const std::size_t text = line == std::string_view::npos ? 0 : line + 1;
    const bool bracket_apart = source.substr(last.end, call.end - last.end).find('\n') != std::string_view::npos;
    if (!bracket_apart) return ", " + setting;
    std::size_t indented = text;
    while (indented < last.begin && (source[indented] == ' ' || source[indented] == '\t')) ++indented;
    return ",\n" + std::string(source.substr(text, indented - text)) + setting;
}

std::optional<std::vector<Edit>> edits_of(std::string_view source, Call call, const Fix& fix) {
    const auto unnamed =
        static_cast<std::size_t>(std::count_if(call.arguments.begin(), call.arguments.end(), [&](const Argument& one) {
            return one.name.empty() && !unpacks(source, one);
        }));
    if (call.arguments.empty() || unnamed > most_positional) return std::nullopt;
    if (fix.workers == 0U && call.unpacks) return std::nullopt;  // what only workers have may be in there
    std::vector<Edit> edits;
    std::string added;
    for (const auto& [name, value] : settings_of(fix, call)) {
        const Argument* present = find(call, name);
        if (present == nullptr && name == "batch_size") present = positional_batch(source, call);
        if (present == nullptr) {
            if (call.unpacks) return std::nullopt;
            added += addition(source, call, fmt::format("{}={}", name, value));
        } else if (source.substr(present->value.begin, present->value.end - present->value.begin) != value) {
            edits.push_back({present->value, value});
        }
    }
    if (!added.empty()) {
        const std::size_t end = call.arguments.back().whole.end;
        edits.push_back({{end, end}, added});
    }
    std::stable_sort(edits.begin(), edits.end(),
                     [](const Edit& x, const Edit& y) { return x.range.begin < y.range.begin; });
    return edits;
}

std::string applied(std::string_view source, const std::vector<Edit>& edits) {
    std::string text;
    std::size_t at = 0;
    for (const Edit& edit : edits) {
        text += source.substr(at, edit.range.begin - at);
        text += edit.text;
        at = edit.range.end;
    }
    return text + std::string(source.substr(at));
}

// Since 1970, of an ISO 8601 time in UTC; 0 where it is none.
std::time_t seconds_of(const std::string& started) {
    std::tm time{};
    return ::strptime(started.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time) != nullptr ? ::timegm(&time) : 0;
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

// From the first line that differs to the last one: an edit touches one call.
std::string hunk(std::string_view before, std::string_view after) {
    const std::vector<std::string_view> old_lines = lines_of(before), new_lines = lines_of(after);
    std::size_t first = 0;
    while (first < std::min(old_lines.size(), new_lines.size()) && old_lines[first] == new_lines[first]) ++first;
    std::size_t same = 0;
    while (same < std::min(old_lines.size(), new_lines.size()) - first &&
           old_lines[old_lines.size() - 1 - same] == new_lines[new_lines.size() - 1 - same]) {
        ++same;
    }
    const std::size_t removed = old_lines.size() - first - same, put = new_lines.size() - first - same;
    std::string text = fmt::format("@@ -{},{} +{},{} @@\n", first + (removed > 0 ? 1 : 0), removed, first + 1, put);
    for (std::size_t i = first; i < first + removed; ++i) text += fmt::format("-{}\n", old_lines[i]);
    for (std::size_t i = first; i < first + put; ++i) text += fmt::format("+{}\n", new_lines[i]);
    return text;
}

}  // namespace

std::optional<std::string> edited_call(std::string_view source, std::uint64_t line, const Fix& fix) {
    std::size_t begin = 0;
    for (std::uint64_t number = 1; number < line; ++number) {
        begin = source.find('\n', begin);
        if (begin == std::string_view::npos) return std::nullopt;
        ++begin;
    }
    const std::size_t end = std::min(source.find('\n', begin), source.size());
    const std::optional<std::size_t> arguments = begin_of_call(source, {begin, end});
    const std::optional<Call> call = arguments ? call_at(source, *arguments) : std::nullopt;
    if (!call) return std::nullopt;
    const auto edits = edits_of(source, *call, fix);
    if (!edits || edits->empty()) return std::nullopt;
    return hunk(source, applied(source, *edits));
}

std::string diff_of(const Finding& finding, const RunInfo& run) {
    if (!finding.loader || finding.loader->library || !changes_loader(finding.fix)) return "";
    const fs::path path = fs::path(run.directory) / finding.loader->file;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return "";
    const Result<std::string> source = sys::read_whole(path);
    if (!source || status.st_mtime > seconds_of(run.started)) return "";
    const std::optional<std::string> edited = edited_call(*source, finding.loader->line, finding.fix);
    if (!edited) return "";
    const std::string name = path.lexically_relative(run.directory).string();
    const std::string shown = name.empty() || name.starts_with("..") ? path.string() : name;
    return fmt::format("--- {}\n+++ {}\n{}", shown, shown, *edited);
}

}  // namespace headrace::audit
