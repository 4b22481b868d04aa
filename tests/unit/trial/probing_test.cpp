#include "trial/probing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "audit/contention.h"
#include "replay/cores.h"

namespace headrace::trial {
namespace {

using audit::Beside;
using audit::Contention;
using audit::contention_of;
using audit::thread_points;

// Two cores, steps of 10 ms with 2 threads and 16 with 1; beside one busy worker 40 and 20.
constexpr const char* lines =
    R"({"loader": false, "threads": 2, "batch": 32, "precision": "float32", "steps": [0.010, 0.011, 0.009]}
{"loader": false, "threads": 1, "batch": 32, "precision": "float32", "steps": [0.016]}
{"loader": false, "threads": 2, "batch": 32, "precision": "float32", "steps": [0.012, 0.012]}
no JSON
{"loader": false, "threads": 2, "batch": 32, "precision": "float32", "steps": [0.008]}
{"loader": true, "threads": 2, "batch": 32, "precision": "float32", "steps": [0.040]}
{"loader": true, "threads": 1, "batch": 32, "precision": "float32", "steps": [0.020]}
{"loader": "yes", "threads": 1, "batch": 32, "precision": "float32", "steps": [0.020]}
{"loader": false, "threads": 2, "batch": 16, "precision": "float32", "steps": [-1]}
{"latency": [0.002, 0.001, 0.003]}
{"loader": false, "threads": 2, "batch": 64, "precision": "float32", "steps": [0.0)";

TEST(ProbeLines, AreCasesInTheirOrder) {
    const auto probe = parse_probe(lines);
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->threads, 2U);
    EXPECT_EQ(probe->batch_size, 32U);
    ASSERT_EQ(probe->cases.size(), 4U);
    const ProbeCase& first = probe->cases.front();
    EXPECT_DOUBLE_EQ(first.median, 0.010) << "of the blocks' means 10, 12 and 8 ms";
    EXPECT_EQ(first.steps, 6U);
    EXPECT_LT(first.low, first.median);
    EXPECT_GT(first.high, first.median);
    EXPECT_TRUE(probe->cases[2].loader_running);
    EXPECT_EQ(probe->single_sample_seconds, 0.002);
    EXPECT_EQ(case_of_threads(*probe, true, 1)->median, 0.020);
    EXPECT_EQ(case_of_threads(*probe, true, 4), nullptr);
}

TEST(ProbeLines, HaveWhatEarlierOnesHadNot) {
    const auto probe = parse_probe(
        R"({"loader": false, "threads": 1, "batch": 8, "precision": "float32", "steps": [0.010], "host_peak": 500}
{"loader": false, "threads": 1, "batch": 8, "precision": "float32", "channels_last": false, "steps": [0.012], "host_peak": 400}
{"loader": false, "threads": 1, "batch": 8, "precision": "float32", "channels_last": true, "steps": [0.005], "host_peak": "?", "device_peak": 7}
{"loader": false, "threads": 1, "batch": 8, "precision": "bfloat16", "channels_last": false, "steps": [0.004]}
{"latency": [0.001, 0.001, 0.001, 0.005], "parameters": 10, "bytes": 48})");
    ASSERT_TRUE(probe);
    ASSERT_EQ(probe->cases.size(), 3U);
    EXPECT_EQ(own_case(*probe)->steps, 2U);
    EXPECT_EQ(own_case(*probe)->host_peak_bytes, 400) << "the least of its blocks";
    EXPECT_EQ(own_case(*probe)->device_peak_bytes, std::nullopt);
    ASSERT_NE(case_of_channels_last(*probe), nullptr);
    EXPECT_DOUBLE_EQ(case_of_channels_last(*probe)->median, 0.005);
    EXPECT_EQ(case_of_channels_last(*probe)->host_peak_bytes, std::nullopt);
    EXPECT_EQ(case_of_channels_last(*probe)->device_peak_bytes, 7);
    EXPECT_DOUBLE_EQ(case_of_precision(*probe, "bfloat16")->median, 0.004);
    EXPECT_EQ(case_of_batch(*probe, 16), nullptr);
    EXPECT_EQ(probe->single_sample_seconds, 0.001);
    EXPECT_GT(probe->single_sample_p95_seconds, 0.003);
    EXPECT_EQ(probe->model_parameters, 10U);
    EXPECT_EQ(probe->model_bytes, 48);
}

TEST(ProbeLines, OfAModelThatTakesNoSampleHaveItsSize) {
    const auto probe = parse_probe(
        R"({"loader": false, "threads": 1, "batch": 8, "precision": "float32", "steps": [0.010]}
{"latency": [], "why": "no", "parameters": 10, "bytes": 48})");
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->single_sample_seconds, std::nullopt);
    EXPECT_EQ(probe->model_bytes, 48);
}

TEST(ProbeLines, WithoutAStepAreNoProbe) {
    EXPECT_FALSE(parse_probe(""));
    EXPECT_FALSE(parse_probe("{\"done\": true}\n{\"latency\": [1]}\n"));
}

TEST(ProbeLines, CompareAConditionWithTheProgramAsItIsAroundIt) {
    // A machine that slows down all the time; with one thread a step takes twice as long. The loader's blocks are
    // apart.
    std::string drifting;
    double seconds = 0.010;
    const auto block = [&](bool loader, unsigned threads) {
        drifting += R"({"loader": )" + std::string(loader ? "true" : "false") + R"(, "threads": )" +
                    std::to_string(threads) + R"(, "batch": 32, "precision": "float32", "steps": [)" +
                    std::to_string(seconds * (threads == 1 ? 2 : 1)) + "]}\n";
        seconds *= 1.1;
    };
    for (int round = 0; round < 4; ++round) {
        block(false, 2);
        block(false, 1);
    }
    block(false, 2);
    block(true, 2);
    const auto probe = parse_probe(drifting);
    ASSERT_TRUE(probe);
    EXPECT_FALSE(own_case(*probe)->of_others);
    EXPECT_NEAR(case_of_threads(*probe, true, 2)->of_others->median, 1.1, 1e-3) << "there is none after it";
    const auto change = change_of(*probe, case_of_threads(*probe, false, 1));
    ASSERT_TRUE(change);
    EXPECT_NEAR(change->factor, 2, 1e-3);
    EXPECT_NEAR(change->error, 0.01, 1e-3) << "the least that is taken to be";
    // Few blocks say less, and one that has the program as it is only before it is compared with that.
    const auto few = parse_probe(drifting.substr(0, drifting.find('\n', drifting.find('\n') + 1)));
    ASSERT_TRUE(few);
    EXPECT_NEAR(change_of(*few, case_of_threads(*few, false, 1))->factor, 2.2, 1e-3);
    EXPECT_GT(change_of(*few, case_of_threads(*few, false, 1))->error, 0.05);
}

TEST(ContentionOfAProbe, GivesTheSpeedsThatWereMeasured) {
    const auto probe = parse_probe(lines);
    const Beside beside{1, 2};
    const Contention contention = contention_of(*probe, beside);
    // One thread and the worker have a core each: 16/20 of the speed alone.
    EXPECT_NEAR(contention.added_by_a_core, 2 * 0.8 - 1, 1e-9);
    const replay::Cores cores = replay::Cores::alike(2, contention.added_by_a_core);
    EXPECT_NEAR(cores.rate(2), 0.8, 1e-9);
    // Two threads and the worker have two cores: a fifth of the speed that they had alone just before.
    EXPECT_NEAR(cores.rate(3) / cores.rate(2) * contention.gang, 0.2, 1e-9);
    const auto points = thread_points(*probe, beside);
    ASSERT_EQ(points.size(), 1U);
    EXPECT_EQ(points[0].threads, 1U);
    EXPECT_NEAR(points[0].step, 0.016 / std::sqrt(0.010 * 0.012), 1e-9) << "of the blocks before and after it";
    EXPECT_DOUBLE_EQ(points[0].gang, 1);
}

TEST(ContentionOfAProbe, KnowsWaitsFromWorkByTheCpuTime) {
    const auto probe = parse_probe(
        R"({"loader": false, "threads": 1, "batch": 8, "precision": "float32", "steps": [0.010, 0.010], "cpu": [0.008, 0.010]}
{"loader": true, "threads": 1, "batch": 8, "precision": "float32", "steps": [0.020], "cpu": [0.010]})");
    ASSERT_TRUE(probe);
    EXPECT_DOUBLE_EQ(*own_case(*probe)->cpu_seconds, 0.009);
    // Half of the step beside the loader is a wait for the interpreter's lock or for a core.
    EXPECT_NEAR(contention_of(*probe, {1, 2}).added_by_a_core, 2 * 0.9 - 1, 1e-9);
}

TEST(ContentionOfAProbe, KnowsThatMoreWorkersThanCoresMakeNoCoreBusier) {
    const auto probe = parse_probe(
        R"({"loader": false, "threads": 1, "batch": 8, "precision": "float32", "steps": [0.010], "cpu": [0.010]}
{"loader": true, "threads": 1, "batch": 8, "precision": "float32", "steps": [0.0187], "cpu": [0.0125]})");
    ASSERT_TRUE(probe);
    // Beside two workers a step has two thirds of a core, and what it does there is what it does beside one.
    EXPECT_NEAR(contention_of(*probe, {2, 2}).added_by_a_core, 2 * 0.8 - 1, 1e-9);
    EXPECT_NEAR(contention_of(*probe, {1, 2}).added_by_a_core, 2 * 0.8 - 1, 1e-9);
}

TEST(ContentionOfAProbe, StaysAsSupposedWhereItWasNotMeasured) {
    auto probe = parse_probe(lines);
    std::erase_if(probe->cases, [](const ProbeCase& one) { return one.loader_running; });
    const Contention contention = contention_of(*probe, {1, 2});
    EXPECT_DOUBLE_EQ(contention.added_by_a_core, Contention().added_by_a_core);
    EXPECT_DOUBLE_EQ(contention.gang, Contention().gang);
}

}  // namespace
}  // namespace headrace::trial
