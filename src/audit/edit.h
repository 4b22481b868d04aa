// The user's own line, with a fix in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/finding.h"

namespace headrace::audit {

// The source with the arguments of a fix in the call of DataLoader that begins on a line of it, numbered from 1. None
// where the line has no such call or several, where its arguments come from elsewhere (**options), or where nothing
// changes.
std::optional<std::string> with_arguments(std::string_view source, std::uint64_t line, const Fix& fix);

// The source with a line that sets the number of intra-op threads behind its first `import torch`; none without that.
std::optional<std::string> with_threads(std::string_view source, std::uint64_t threads);

// The call of DataLoader that begins on a line of a Python source, numbered from 1, with the arguments of a fix, as a
// unified diff without context and without its two heading lines. None where the line has no such call or several,
// where its arguments come from elsewhere (**options), or where nothing changes.
std::optional<std::string> edited_call(std::string_view source, std::uint64_t line, const Fix& fix);

// What stands on a line of a source, numbered from 1: the call of DataLoader that begins there, otherwise the line
// without the spaces around it. Empty where there is no such line or nothing on it.
std::string text_at(std::string_view source, std::uint64_t line);

// Where that text stands now: on the same line still, otherwise on the only one that it begins on. None where it is
// gone or stands on several others.
std::optional<std::uint64_t> line_of(std::string_view source, std::string_view text, std::uint64_t line);

}  // namespace headrace::audit
