// Which proven fixes still hold here: what `headrace apply` puts into a program. Reads the sources that the fixes name.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "headrace/fixes.h"

namespace headrace::trial {

struct LeftOut {
    std::string id;
    std::string why;  // the end of a sentence: "train.py has no such loader any more"
};

struct Chosen {
    std::vector<ProvenFix> applied;
    std::vector<LeftOut> left_out;
    Fix fix;                           // of all that are applied together
    std::optional<LoaderSite> loader;  // where it is made now
    LoaderBefore was;                  // what the program gives to it; otherwise the fix is left out when it is made
};

// `directory`: where the program is started. `allowed`: what may change in its results beside what always may (nothing,
// rounding, the random streams of augmentation).
Chosen choose(const ProvenFixes& fixes, const Machine& here, const std::set<Changes>& allowed,
              const std::filesystem::path& directory);

// What the shim reads out of HEADRACE_INJECT in a program that is neither recorded nor tried; empty where nothing is
// applied.
std::string injection_of(const Chosen& chosen);

}  // namespace headrace::trial
