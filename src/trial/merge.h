// Several fixes as one.
#pragma once

#include <set>

#include "headrace/finding.h"

namespace headrace::trial {

// Adds what `from` sets. False, with `into` in an unknown state, where both set the same thing to different values.
bool merge(Fix& into, const Fix& from);

// Whether a fix that changes this may be put in: `allowed` names what needs a word of the user's, numerics and
// semantics.
bool is_allowed(Changes changes, const std::set<Changes>& allowed);

bool same_site(const LoaderSite& x, const LoaderSite& y);

}  // namespace headrace::trial
