// Whether the accelerator fits the step: which of the two waits for the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "headrace/finding.h"

namespace headrace::compute {

struct AcceleratorUse {
    std::string name;           // of the first one; empty: there is none
    double step_seconds = 0;    // in all steps, their waits included
    double input_seconds = 0;   // of them, the wait for input
    double host_seconds = 0;    // of them, in forward, backward and optimizer, less the waits for the device
    double device_seconds = 0;  // of them, waiting for the device
    std::uint64_t steps = 0;
    std::uint64_t waits = 0;  // for the device
};

// The finding compute.accelerator: the program waits for the device most of the time, so a faster one would shorten the
// step; or it waits at least once a step and hardly at all, so the device is done before the host has asked for more.
// It promises no speed.
std::optional<Finding> advise_accelerator(const AcceleratorUse& use);

}  // namespace headrace::compute
