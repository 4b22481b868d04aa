// Everything for an exec, made before the fork: between fork and exec nothing may allocate memory.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "headrace/result.h"

namespace headrace::sys {

class Execution {
public:
    // `unset_prefixes`: variables of our environment that begin with one of these are not passed on.
    Execution(const std::vector<std::string>& command,
              const std::vector<std::pair<std::string, std::string>>& environment,
              const std::vector<std::string>& unset_prefixes = {});
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    // Becomes the command. Comes back only when that failed, with errno: that of the first candidate along PATH that
    // exists, as execvp gives it. As there, /bin/sh reads a script without a #! line. Async-signal-safe.
    int execute() const noexcept;

    // The failure in words: not_found, not_executable, or io_error when it lies with the system and not the command.
    Error failure(int error_number) const;

private:
    Error refusal() const;  // EACCES in words
    int execute_script(const std::string& path) const noexcept;

    std::string name_;
    std::vector<std::string> candidates_;
    std::vector<std::string> arguments_;
    std::vector<std::string> variables_;
    std::vector<char*> argument_pointers_;
    mutable std::vector<char*> script_pointers_;  // for /bin/sh; which script, is put in when it is known
    std::vector<char*> variable_pointers_;
};

}  // namespace headrace::sys
