// Tells a package's code from the user's own.
#pragma once

#include <string>

namespace headrace::audit {

// Whether a file that Python names as that of some code lies in a package, in the standard library or in no file.
bool is_library(const std::string& file);

}  // namespace headrace::audit
