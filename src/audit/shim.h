// Where the Python shim of this installation lies.
#pragma once

#include <filesystem>
#include <string>

#include "headrace/result.h"

namespace headrace::audit {

// HEADRACE_SHIM when it is set; otherwise beside the running executable: in the site-packages of the environment that
// holds its bin folder, or in the folder that pip --target made. Error: not_found, with where it was looked for.
Result<std::filesystem::path> find_shim();

// PYTHONPATH for a program that the shim is to ride in: our own one stands behind it.
std::string python_path(const std::filesystem::path& shim);

}  // namespace headrace::audit
