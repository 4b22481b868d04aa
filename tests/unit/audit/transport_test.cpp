#include "audit/transport.h"

#include <gtest/gtest.h>

namespace headrace::audit {
namespace {

// Steps of 10 ms on two cores, batches of 4 samples.
RecordedLoop loop_of(unsigned workers) {
    RecordedLoop recorded;
    recorded.loop.batches.assign(50, {0, 0.020});
    recorded.loop.steps.assign(50, {0.010});
    recorded.loop.configuration.workers = workers;
    recorded.loop.cores = replay::Cores::alike(2, 0.8).crowded(0.9);
    recorded.fetched = {200, 1, 0.05};
    return recorded;
}

Probe probe_of(double step) {
    Probe probe;
    probe.batch_size = 4;
    ProbeCase own;
    own.batch_size = 4;
    own.precision = "float32";
    own.median = own.low = own.high = step;
    probe.cases = {own};
    probe.worker_cpu_seconds = 0.030;
    return probe;
}

TEST(TransportOfALoop, IsAGuessFromItsBytesWithoutAProbe) {
    Machine machine;
    machine.shared_memory = {1e-9, 0.5e-9};
    Contents contents;
    contents.bytes = 1e6;
    const replay::Transport transport = transport_of(loop_of(0), contents, machine, nullptr);
    EXPECT_NEAR(transport.write, 4e6 * 1e-9, 1e-12);
    EXPECT_NEAR(transport.read, 4e6 * 0.5e-9, 1e-12);
    EXPECT_EQ(transport.worker_cpu, 0);
}

TEST(TransportOfALoop, KnowsTheBytesOfABatchByItsCollation) {
    Machine machine;
    machine.shared_memory = {1e-9, 0.5e-9};
    RecordedLoop recorded = loop_of(0);
    const double fast = transport_of(recorded, {}, machine, nullptr).write;
    EXPECT_NEAR(fast, 1e-3 * 4e9 * 1e-9, 1e-12) << "1 ms at 4 GB/s";
    recorded.send = 0.5e-3;
    const replay::Transport of_worker = transport_of(recorded, {}, machine, nullptr);
    EXPECT_LT(of_worker.write, 1e-3) << "the collation of a worker is that writing, for the most";
    EXPECT_EQ(of_worker.send, 0.5e-3);
}

TEST(TransportOfALoop, IsWhatAProbeMeasured) {
    const Probe probe = probe_of(0.010);
    const replay::Transport transport = transport_of(loop_of(0), {}, {}, &probe);
    EXPECT_NEAR(transport.worker_cpu, 0.030 * 0.9, 1e-9) << "beside a step a core does 0.9";
    const Probe slower = probe_of(0.0125);
    EXPECT_NEAR(transport_of(loop_of(0), {}, {}, &slower).worker_cpu, 0.030 * 0.9 * 0.8, 1e-9)
        << "all was slower when it was probed";
}

}  // namespace
}  // namespace headrace::audit
