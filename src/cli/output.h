// What reaches the terminal and the files that a user names.
#pragma once

#include <string>
#include <string_view>

#include "headrace/report.h"
#include "headrace/result.h"

namespace headrace::cli {

// Takes the descriptors 0, 1 and 2 where they were closed at our start, so that no file of ours becomes one of them.
// A program that we start still finds them closed.
void keep_standard_descriptors() noexcept;

// Writes all of `text`. A reader that went away (`| head`) is no error: there is nobody left to tell.
Result<void> print(int descriptor, std::string_view text);

// Writes `headrace: <sentence>` to standard error, with what is not fit for a terminal made visible; returns `code`.
int tell(std::string_view sentence, int code);

// What fits on the other end of a descriptor: colours by NO_COLOR, TERM and whether it is a terminal; ASCII where the
// locale is not UTF-8; at most 80 columns, less on a narrower terminal.
TextStyle style_of(int descriptor);

// Columns of the terminal, or 0 when it is none.
int terminal_columns(int descriptor);

// Whether `file` could be written, found out without leaving anything behind; `-` is standard output.
Result<void> can_write(const std::string& file);

// Writes a document to a file, whole or not at all, or to standard output for `-`.
Result<void> write_document(const std::string& file, const std::string& content);

}  // namespace headrace::cli
