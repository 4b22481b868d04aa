// Loops and probes for the tests of this module.
#pragma once

#include <vector>

#include "compute/step.h"

namespace headrace::compute::made_up {

inline replay::Loop loop_of(const replay::BatchCost& batch, const replay::StepCost& step, unsigned workers) {
    return {std::vector<replay::BatchCost>(201, batch),
            std::vector<replay::StepCost>(201, step),
            {},
            {.workers = workers},
            replay::Cores::alike(4)};
}

inline ProbeCase case_with(std::uint64_t batch, double seconds) {
    ProbeCase one;
    one.batch_size = batch;
    one.precision = "float32";
    one.median = seconds;
    one.low = seconds * 0.99;
    one.high = seconds * 1.01;
    one.steps = 20;
    return one;
}

// Of a program with batches of 8, a step of `fixed` and `per_sample` seconds for each of them.
inline Probe probe_of(double fixed, double per_sample) {
    Probe probe;
    probe.batch_size = 8;
    for (const std::uint64_t batch : {8U, 4U, 16U}) {
        probe.cases.push_back(case_with(batch, fixed + per_sample * static_cast<double>(batch)));
    }
    return probe;
}

inline StepUse use_of(const replay::Loop& loop, const Probe& probe) {
    return {.recorded = loop, .probe = probe, .loop_seconds = 100, .loader_batch = 8};
}

}  // namespace headrace::compute::made_up
