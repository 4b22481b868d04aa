// Tells a package's code from the user's own.
#pragma once

#include <string>

#include "headrace/run.h"

namespace headrace::audit {

// Whether a file that Python names as that of some code lies in a package, in the standard library or in no file.
bool is_library(const std::string& file);

// Whether a name such as "train.pad" is of the program's own: of its script, or of a module in the script's folder or
// in the working directory.
bool is_own(const std::string& name, const RunInfo& run);

}  // namespace headrace::audit
