// The user's own line, with a fix in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/finding.h"
#include "headrace/run.h"

namespace headrace::audit {

// The call of DataLoader that begins on a line of a Python source, numbered from 1, with the arguments of a fix, as a
// unified diff without context and without its two heading lines. None where the line has no such call or several,
// where its arguments come from elsewhere (**options), or where nothing changes.
std::optional<std::string> edited_call(std::string_view source, std::uint64_t line, const Fix& fix);

// Of a finding's loader, as a unified diff that names the file. Empty where there is none, where the file has gone or
// was changed since the run began, or lies in a package.
std::string diff_of(const Finding& finding, const RunInfo& run);

}  // namespace headrace::audit
