// headrace.toml: docs/formats/fixes.md is its document.
#pragma once

#include <string>
#include <string_view>

#include "headrace/fixes.h"
#include "headrace/result.h"

namespace headrace::run {

// The whole file, with a comment before each fix that tells its proof, and a final newline. `apply` is the command that
// runs the program so.
std::string fixes_toml(const ProvenFixes& fixes, const std::string& apply);

// Errors, each a sentence with the file, the line and the key: invalid_argument (no TOML, a setting that there is not,
// a value that cannot be, a fix that sets nothing), newer_version.
Result<ProvenFixes> parse_fixes(std::string_view text, const std::string& file);

}  // namespace headrace::run
