// What a program that headrace runs again says: its output goes to a file, of which the last line is told.
#pragma once

#include <filesystem>
#include <string>

#include "headrace/result.h"
#include "headrace/run.h"

namespace headrace::trial {

// From now on this process reads nothing from standard input, and what it and its children write goes to the file.
Result<void> redirect_streams(const std::filesystem::path& output);

// The last line that was written, or as much of its end as a sentence can hold; empty where nothing was.
std::string last_words_of(const std::filesystem::path& output);

// How the program ended: "with exit code 1", "by SIGKILL"; empty where nobody saw it.
std::string ending_words(const RunInfo& run);

}  // namespace headrace::trial
