// Fixes as diffs of the user's own files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "headrace/finding.h"
#include "headrace/run.h"

namespace headrace::audit {

// From the first line that differs to the last one, as a hunk of a unified diff without context. `shift`: lines that
// hunks before it have added, so that it can stand behind them.
std::string hunk(std::string_view before, std::string_view after, std::size_t shift = 0);

// Of a finding's loader, as a unified diff that names the file. Empty where there is none, where the file has gone or
// was changed since the run began, or lies in a package.
std::string diff_of(const Finding& finding, const RunInfo& run);

// Of several fixes as one: the call of the loader, and the number of threads behind the `import torch` of the command's
// script. What no diff can say stands before it, in lines that begin with #: there is nothing that patch(1) would read.
std::string diff_of(const Fix& fix, const std::optional<LoaderSite>& loader, const RunInfo& run);

}  // namespace headrace::audit
