#include "base/shell.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace headrace::base {

namespace {

bool is_safe(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
}

std::string single_quoted(std::string_view word) {
    std::string out = "'";
    for (const char c : word) {
        if (c == '\'') {
            out += "'\\''";
        } else {
            out += c;
        }
    }
    return out + "'";
}

// Octal, because it ends after three digits whatever follows, and bytes, because \u depends on the locale.
std::string dollar_quoted(std::string_view word) {
    std::string out = "$'";
    for (const char c : word) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\'' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte >= 0x7F) {
            out += fmt::format("\\{:03o}", byte);
        } else {
            out += c;
        }
    }
    return out + "'";
}

// A first word that the shell would not take for a command's name.
bool is_special_first(std::string_view word) {
    constexpr std::array<std::string_view, 19> reserved{"if",   "then",   "else",   "elif",   "fi",  "do", "done",
                                                        "case", "esac",   "while",  "until",  "for", "in", "function",
                                                        "time", "coproc", "select", "repeat", "end"};
    return word.find('=') != std::string_view::npos || std::ranges::find(reserved, word) != reserved.end();
}

}  // namespace

std::string shell_word(std::string_view word) {
    if (printable(word) != word) return dollar_quoted(word);
    if (!word.empty() && std::ranges::all_of(word, is_safe)) return std::string(word);
    return single_quoted(word);
}

std::string shell_command(std::span<const std::string> argv) {
    std::string out;
    for (const std::string& word : argv) {
        const std::string quoted = shell_word(word);
        const bool quote_anyway = out.empty() && quoted == word && is_special_first(word);
        if (!out.empty()) out += ' ';
        out += quote_anyway ? single_quoted(word) : quoted;
    }
    return out;
}

}  // namespace headrace::base
