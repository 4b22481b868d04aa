// Files of settings that users write, TOML: read with errors that name the file, the line and the key.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#define TOML_EXCEPTIONS 0  // a bad file is a Result
#include <toml++/toml.h>

#include "headrace/result.h"

namespace headrace::base {

// All of these fail with invalid_argument. `file` is how a message names it; `path` is that of the table in it, empty
// or with a dot at its end ("serve.").

Result<toml::table> parse_toml(std::string_view text, const std::string& file);

// Fails at the first key that is none of these: a misspelt one would be silently without effect.
Result<void> only_keys(const toml::table& table, std::initializer_list<std::string_view> keys, const std::string& file,
                       const std::string& path);

// None where the key is absent.
Result<std::optional<double>> number_above_0(const toml::table& table, std::string_view key, const std::string& file,
                                             const std::string& path);
Result<std::optional<std::string>> text_of(const toml::table& table, std::string_view key, const std::string& file,
                                           const std::string& path);

}  // namespace headrace::base
