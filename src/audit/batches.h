// Divides the wait for a batch by what was done meanwhile to make it.
#pragma once

#include <array>
#include <vector>

#include "audit/timeline.h"
#include "audit/waits.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// What the division of every wait of a run needs to know.
struct Machinery {
    double cores = 1;         // usable on the machine of the run
    double system_share = 0;  // of the CPU time of training's fetches, over the whole run (one is below a tick)
};

// Divides the waits of one trainer. Segments come in order.
class WaitDivision {
public:
    WaitDivision(const Recording& recording, const Trainer& trainer);

    // Adds the nanoseconds of `segment`, of an input.wait, to `stages` by cause.
    void divide(const Segment& segment, std::array<double, stage_count>& stages);

    // The batches of the loaders that feed the steps.
    Throughput count();

private:
    void divide_handover(const Segment& segment, std::array<double, stage_count>& stages);

    Machinery machinery_;
    BatchWaits waits_;
    std::vector<BatchWaits> background_;
};

}  // namespace headrace::audit
