#include "base/shell.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

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

// Splits one line; each step takes one character, or the one behind a backslash.
class Splitter {
public:
    explicit Splitter(std::string_view line) : line_(line) {}

    Result<std::vector<std::string>> split();

private:
    enum class Quote : char { none = 0, single = '\'', both = '"' };

    std::optional<std::string> take(char c);
    std::optional<std::string> take_plain(char c);
    std::optional<std::string> escape();
    void end_word();

    std::string_view line_;
    std::size_t at_ = 0;
    Quote quote_ = Quote::none;
    bool in_word_ = false;
    std::string word_;
    std::vector<std::string> words_;
};

bool is_assignment(std::string_view word) {
    const auto of_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    const std::size_t sign = word.find('=');
    return sign != std::string_view::npos && sign > 0 && std::ranges::all_of(word.substr(0, sign), of_name);
}

std::string acted_on(std::string_view what) {
    return fmt::format(
        "holds {} outside of single quotes, which only a shell acts on, and none is started: put the "
        "command into a script, or write sh -c '...'",
        what);
}

void Splitter::end_word() {
    if (in_word_) words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
}

// What stands behind a backslash, itself or, in double quotes, only what would mean something there.
std::optional<std::string> Splitter::escape() {
    if (at_ == line_.size()) return "ends with a backslash";
    const char c = line_[at_++];
    if (quote_ == Quote::both && std::string_view("\\\"$`\n").find(c) == std::string_view::npos) word_ += '\\';
    if (c != '\n') word_ += c;  // a line that goes on
    in_word_ = in_word_ || c != '\n';
    return std::nullopt;
}

std::optional<std::string> Splitter::take_plain(char c) {
    constexpr std::string_view operators = "|&;<>()";
    if (c == ' ' || c == '\t' || c == '\n') {
        end_word();
        return std::nullopt;
    }
    if (operators.find(c) != std::string_view::npos) return acted_on(fmt::format("'{}'", c));
    if (c == '#' && !in_word_) return acted_on("'#', the begin of a comment,");
    in_word_ = true;
    if (c == '\'' || c == '"') {
        quote_ = static_cast<Quote>(c);
    } else {
        word_ += c;
    }
    return std::nullopt;
}

std::optional<std::string> Splitter::take(char c) {
    if (quote_ != Quote::none && c == static_cast<char>(quote_)) {
        quote_ = Quote::none;
        return std::nullopt;
    }
    if (quote_ == Quote::single) {
        word_ += c;
        return std::nullopt;
    }
    if (c == '\\') return escape();
    if (c == '$' || c == '`') return acted_on(fmt::format("'{}'", c));
    if (quote_ == Quote::none) return take_plain(c);
    word_ += c;
    return std::nullopt;
}

Result<std::vector<std::string>> Splitter::split() {
    const auto refuse = [&](const std::string& why) {
        return fail(ErrorCode::invalid_argument, fmt::format("'{}' {}", printable(line_), why));
    };
    while (at_ < line_.size()) {
        if (const std::optional<std::string> wrong = take(line_[at_++])) return refuse(*wrong);
    }
    if (quote_ != Quote::none) return refuse(fmt::format("has a {} that is not closed", static_cast<char>(quote_)));
    end_word();
    if (words_.empty()) return refuse("holds no command");
    if (is_assignment(words_.front())) {
        return refuse(
            "begins with an assignment, which only a shell acts on, and none is started: write env before it");
    }
    return std::move(words_);
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

Result<std::vector<std::string>> split_command(std::string_view line) { return Splitter(line).split(); }

}  // namespace headrace::base
