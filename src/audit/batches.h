// What workers did for each batch, found again from the batch that the training thread waited for.
#pragma once

#include <array>
#include <map>
#include <tuple>
#include <vector>

#include "audit/timeline.h"
#include "headrace/ledger.h"

namespace headrace::audit {

// One fetch: of a worker, or of the training thread itself when there are no workers.
struct Fetch {
    Nanoseconds begin = 0;
    Nanoseconds collate_begin = 0;  // equal to end where nothing was collated
    Nanoseconds collate_end = 0;
    Nanoseconds end = 0;
    double cpu = 0;        // nanoseconds, collate taken out
    double run_queue = 0;  // likewise
    double user = 0;       // of the whole fetch, in ticks
    double system = 0;
    double collate_queue = 0;
    std::uint64_t samples = 0;
    double sample_wall = 0;
    double sample_cpu = 0;
    double requested = 0;  // bytes
    double from_storage = 0;
};

// Every fetch of a thread, in order.
std::vector<Fetch> fetches_of(const ThreadRecord& thread);

class Batches {
public:
    explicit Batches(const Run& run);

    // The fetch that made batch `number` (index + 1) of a pass; null when it was not recorded.
    const Fetch* find(const Pass& pass, std::uint64_t number) const;

    double cores() const { return cores_; }  // usable on the machine of the run

private:
    double cores_;
    std::map<std::tuple<std::uint32_t, unsigned, std::uint64_t>, Fetch> by_batch_;  // worker, generation, number
};

// Divides the wait in `segment` (of an input.wait) by cause; adds seconds to `stages`.
void divide_wait(const Trainer& trainer, const Batches& batches, const Segment& segment, double system_share,
                 std::array<double, stage_count>& stages);

// The share of the fetches' CPU time that the system took, over the whole run (single fetches are below a tick).
double system_share(const Run& run);

}  // namespace headrace::audit
