// What the first start of loader workers costs that are not forked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "headrace/finding.h"
#include "headrace/probe.h"

namespace headrace::input {

struct FirstStart {
    double seconds = 0;  // from the loader's __iter__ to the begin of the first fetch
    double run_seconds = 0;
    std::uint64_t workers = 0;
    std::string method;                // spawn or forkserver
    const Pickled* dataset = nullptr;  // null where the program was not probed
};

// input.startup: none where workers are forked, or start in a small part of the run.
std::optional<Finding> advise_first_start(const FirstStart& start);

}  // namespace headrace::input
