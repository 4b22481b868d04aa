#include "base/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace headrace::base {

Result<toml::table> parse_toml(std::string_view text, const std::string& file) {
    toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        return fail(ErrorCode::invalid_argument, fmt::format("{}, line {}: it is no TOML: {}", file,
                                                             error.source().begin.line, error.description()));
    }
    return std::move(parsed).table();
}

Result<void> only_keys(const toml::table& table, std::initializer_list<std::string_view> keys, const std::string& file,
                       const std::string& path) {
    for (const auto& [key, value] : table) {
        if (std::find(keys.begin(), keys.end(), key.str()) != keys.end()) continue;
        return fail(ErrorCode::invalid_argument, fmt::format("{}, line {}: there is no setting {}{}", file,
                                                             key.source().begin.line, path, key.str()));
    }
    return {};
}

Result<std::optional<double>> number_above_0(const toml::table& table, std::string_view key, const std::string& file,
                                             const std::string& path) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return std::nullopt;
    const std::optional<double> number = node->is_number() ? node->value<double>() : std::nullopt;
    if (number && std::isfinite(*number) && *number > 0) return number;
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}, line {}: {}{} is to be a number above 0", file, node->source().begin.line, path, key));
}

Result<std::optional<std::string>> text_of(const toml::table& table, std::string_view key, const std::string& file,
                                           const std::string& path) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return std::nullopt;
    if (std::optional<std::string> text = node->value_exact<std::string>(); text && !text->empty()) return text;
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}, line {}: {}{} is to be a text", file, node->source().begin.line, path, key));
}

}  // namespace headrace::base
