// Files that appear whole or not at all, and reading small files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "headrace/result.h"

namespace headrace::sys {

// Writes `content` under a temporary name beside `path`, syncs it and renames it over `path`. On an error nothing of
// it is left and an older file at `path` is unharmed.
Result<void> write_whole(const std::filesystem::path& path, std::string_view content);

// The whole file. Files of /proc, whose size is not known, are read to their end.
Result<std::string> read_whole(const std::filesystem::path& path);

}  // namespace headrace::sys
