// A fix as the text that the shim's inject.py reads out of HEADRACE_INJECT.
#pragma once

#include <string>
#include <string_view>

#include "headrace/finding.h"

namespace headrace::trial {

// `loader` may be null where no argument of a loader changes. Names and lines: python/headrace/shim/inject.py.
std::string injection_of(const LoaderSite* loader, const Fix& fix);

// One more line of it.
std::string injection_line(std::string_view name, std::string_view value);

}  // namespace headrace::trial
