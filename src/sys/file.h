// Files that appear whole or not at all, and reading small files.
#pragma once

#include <cstdint>
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

// Whether so many bytes are free on the file system of `path`; also where that is not known.
bool has_room(const std::filesystem::path& path, std::uint64_t bytes) noexcept;

}  // namespace headrace::sys
