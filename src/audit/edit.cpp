#include "audit/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "audit/diff.h"

namespace headrace::audit {
namespace {

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

// A line of a source, numbered from 1, without its line break.
std::optional<Extent> line_at(std::string_view source, std::uint64_t line) {
    std::size_t begin = 0;
    for (std::uint64_t number = 1; number < line; ++number) {
        begin = source.find('\n', begin);
        if (begin == std::string_view::npos) return std::nullopt;
        ++begin;
    }
    return Extent{begin, std::min(source.find('\n', begin), source.size())};
}

struct Place {
    std::size_t callee;
    std::size_t arguments;  // behind the opening bracket
};

// The only call of a line.
std::optional<Place> place_of_call(std::string_view source, Extent line) {
    std::optional<Place> found;
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
        const std::size_t begin = i;
        i += callee.size();
        while (i < line.end && (source[i] == ' ' || source[i] == '\t')) ++i;
        if (i >= line.end || source[i] != '(') continue;
        if (found) return std::nullopt;
        found = Place{begin, i + 1};
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

}  // namespace

std::optional<std::string> with_arguments(std::string_view source, std::uint64_t line, const Fix& fix) {
    const std::optional<Extent> extent = line_at(source, line);
    const std::optional<Place> place = extent ? place_of_call(source, *extent) : std::nullopt;
    const std::optional<Call> call = place ? call_at(source, place->arguments) : std::nullopt;
    if (!call) return std::nullopt;
    const auto edits = edits_of(source, *call, fix);
    if (!edits || edits->empty()) return std::nullopt;
    return applied(source, *edits);
}

std::optional<std::string> with_threads(std::string_view source, std::uint64_t threads) {
    constexpr std::string_view import = "import torch";
    for (std::size_t begin = 0; begin < source.size();) {
        const std::size_t end = std::min(source.find('\n', begin), source.size());
        const std::string_view line = source.substr(begin, end - begin);
        const std::string_view behind = line.starts_with(import) ? line.substr(import.size()) : "x";
        if (behind.find_first_not_of(" \t\r") == std::string_view::npos || behind.starts_with("  #")) {
            return fmt::format("{}\n\ntorch.set_num_threads({}){}", source.substr(0, end), threads,
                               end < source.size() ? source.substr(end) : "\n");
        }
        begin = end + 1;
    }
    return std::nullopt;
}

std::optional<std::string> edited_call(std::string_view source, std::uint64_t line, const Fix& fix) {
    const std::optional<std::string> edited = with_arguments(source, line, fix);
    return edited ? std::optional(hunk(source, *edited)) : std::nullopt;
}

std::string text_at(std::string_view source, std::uint64_t line) {
    const std::optional<Extent> extent = line_at(source, line);
    if (!extent) return "";
    if (const std::optional<Place> place = place_of_call(source, *extent)) {
        if (const std::optional<Call> call = call_at(source, place->arguments)) {
            return std::string(source.substr(place->callee, call->end + 1 - place->callee));
        }
    }
    Extent text = *extent;
    while (text.begin < text.end && is_space(source[text.begin])) ++text.begin;
    while (text.begin < text.end && is_space(source[text.end - 1])) --text.end;
    return std::string(source.substr(text.begin, text.end - text.begin));
}

std::optional<std::uint64_t> line_of(std::string_view source, std::string_view text, std::uint64_t line) {
    if (text.empty()) return std::nullopt;
    if (text_at(source, line) == text) return line;
    const std::size_t at = source.find(text);
    if (at == std::string_view::npos || source.find(text, at + 1) != std::string_view::npos) return std::nullopt;
    return static_cast<std::uint64_t>(std::ranges::count(source.substr(0, at), '\n')) + 1;
}

}  // namespace headrace::audit
