// A fix as the text that the shim's inject.py reads out of HEADRACE_INJECT.
#pragma once

#include <string>

#include "headrace/finding.h"

namespace headrace::audit {

// `loader` may be null where no argument of a loader changes. Names and lines: python/headrace/shim/inject.py.
std::string injection_of(const LoaderSite* loader, const LoaderFix& fix);

}  // namespace headrace::audit
