// Several fixes as one.
#pragma once

#include "headrace/finding.h"

namespace headrace::trial {

// Adds what `from` sets. False, with `into` in an unknown state, where both set the same thing to different values.
bool merge(Fix& into, const Fix& from);

bool same_site(const LoaderSite& x, const LoaderSite& y);

}  // namespace headrace::trial
