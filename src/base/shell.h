// Commands as a user would type them. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace headrace::base {

// One word for a shell: as it is where that is safe, in single quotes where it is not, and as $'…' (bash, zsh, ksh)
// where it holds characters that must not reach a terminal. The shell gives the same bytes back.
std::string shell_word(std::string_view word);

// A whole command line that a user can paste: python train.py --name 'two words'.
std::string shell_command(std::span<const std::string> argv);

}  // namespace headrace::base
