// Commands as a user would type them. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/result.h"

namespace headrace::base {

// One word for a shell: as it is where that is safe, in single quotes where it is not, and as $'…' (bash, zsh, ksh)
// where it holds characters that must not reach a terminal. The shell gives the same bytes back.
std::string shell_word(std::string_view word);

// A whole command line that a user can paste: python train.py --name 'two words'.
std::string shell_command(std::span<const std::string> argv);

// The words of a command line as a POSIX shell would split it: spaces, quotes and backslashes. What else a shell would
// act on is refused, because no shell is there to do it: pipes, redirections, several commands, variables (unless in
// single quotes), substitutions, assignments before the command. Patterns, braces and ~ stay as they are.
// Errors: invalid_argument, a sentence that quotes the line.
Result<std::vector<std::string>> split_command(std::string_view line);

}  // namespace headrace::base
