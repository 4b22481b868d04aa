#include "audit/transport.h"

#include <algorithm>

namespace headrace::audit {
namespace {

constexpr double supposed_shared = 0.25e-9;    // seconds for a byte of shared memory, written or read
constexpr double collated_in_a_second = 4e9;   // bytes
constexpr double most_of_other_moments = 1.5;  // that a probe's steps may be faster or slower than the recorded ones

double bytes_of(const RecordedLoop& recorded, const Contents& contents, double write) {
    const auto batches = static_cast<double>(recorded.loop.batches.size());
    const double bytes = contents.bytes * recorded.fetched.samples / batches;
    if (bytes > 0) return bytes;
    return recorded.fetched.collate / batches / (1 / collated_in_a_second + (recorded.send ? write : 0));
}

// How much longer the recorded steps took than those of the probe, which ran at another moment: so much longer its
// other figures would have been then.
double other_moment(const RecordedLoop& recorded, const Probe& probe) {
    const ProbeCase* own = own_case(probe);
    if (own == nullptr || recorded.loop.steps.empty()) return 1;
    double sum = 0;
    for (const replay::StepCost& step : recorded.loop.steps) sum += step.cpu + step.blocked;
    const double mean = sum / static_cast<double>(recorded.loop.steps.size());
    return std::clamp(mean / own->median, 1 / most_of_other_moments, most_of_other_moments);
}

}  // namespace

replay::Transport transport_of(const RecordedLoop& recorded, const Contents& contents, const Machine& machine,
                               const Probe* probe) {
    const SharedMemoryCost& cost = machine.shared_memory;
    const double write = cost.write > 0 ? cost.write : supposed_shared,
                 read = cost.read > 0 ? cost.read : supposed_shared;
    replay::Transport transport = replay::Transport::of(bytes_of(recorded, contents, write), write, read);
    if (recorded.send) transport.send = *recorded.send;
    if (probe != nullptr && probe->worker_cpu_seconds) {  // beside the training thread: two cores were busy
        const double busy = std::min(2.0, recorded.loop.cores.count());
        transport.worker_cpu =
            *probe->worker_cpu_seconds * recorded.loop.cores.crowded(1).rate(busy) * other_moment(recorded, *probe);
    }
    return transport;
}

}  // namespace headrace::audit
