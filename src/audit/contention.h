// What a probe says of a program's threads: how they slow each other, and what a step takes with other numbers of them.
#pragma once

#include <vector>

#include "audit/loop.h"
#include "headrace/probe.h"
#include "replay/points.h"

namespace headrace::audit {

// How busy the loader's workers kept the cores beside the probed steps.
struct Beside {
    double others = 1;  // threads that want a core at once, on the average
    double cores = 1;   // usable
};

// Of the threads that the program has by itself. What the probe does not tell stays as it is supposed.
Contention contention_of(const Probe& probe, const Beside& beside);

// The other numbers of threads that were probed.
std::vector<replay::ThreadPoint> thread_points(const Probe& probe, const Beside& beside);

}  // namespace headrace::audit
