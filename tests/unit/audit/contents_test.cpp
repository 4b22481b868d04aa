#include "audit/contents.h"

#include <gtest/gtest.h>

#include <functional>

#include "audit/made_up.h"
#include "headrace/audit.h"
#include "run/spans.h"

namespace headrace::audit {
namespace {

using namespace made_up;

constexpr std::uint64_t per_batch = 4, sample_units = 16;  // 1 KiB a sample
using Hash = std::function<std::uint64_t(int pass, std::uint64_t index)>;

std::uint64_t always(int, std::uint64_t index) { return 1000 + index; }

void hashed(Thread& thread, double at, std::uint64_t index, std::uint64_t hash) {
    thread.moment(Kind::content, at, index | sample_units << 32, hash);
}

// What the thread has used so far, as it is recorded just before and just after a wait.
void look(Thread& thread, double at, double cpu) {
    const auto nanoseconds = static_cast<std::uint64_t>(ms(cpu));
    thread.moment(Kind::thread_cpu, at, nanoseconds, 0).moment(Kind::process_cpu, at, nanoseconds);
}

// A loop without workers: 20 ms to make a batch, 2 of them collation, 8 ms for its step. Of each batch the first sample
// is hashed.
Run hashing_loop(int passes, int steps, const Hash& hash) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).text(spool::TextKind::framework, "torch 2");
    double at = 1, cpu = 0;
    for (int pass = 0; pass < passes; ++pass) {
        const auto iterator = static_cast<std::uint64_t>(10 + pass);
        t.moment(Kind::loader, at, train_loader, per_batch)
            .text(spool::TextKind::loader_config, R"({"batch_size":4,"workers":0,"prefetch_factor":null,)"
                                                  R"("made":{"file":"train.py","line":7,"sampler":"RandomSampler"}})");
        t.interval(Kind::iter, at, at + 1, train_loader, iterator);
        at += 1;
        for (int i = 0; i < steps; ++i) {
            const double end = at + 20;
            look(t, at - 1e-3, cpu);
            hashed(t, at + 1, per_batch * static_cast<std::uint64_t>(i),
                   hash(pass, per_batch * static_cast<std::uint64_t>(i)));
            t.interval(Kind::collate, end - 2, end, static_cast<std::uint64_t>(ms(2)))
                .interval(Kind::fetch, at + 1e-4, end, static_cast<std::uint64_t>(ms(20)), per_batch)
                .interval(Kind::wait, at, end, iterator);
            cpu += 20;
            look(t, end + 1e-3, cpu);
            cpu += 8;
            t.interval(Kind::forward, end + 4e-3, end + 2)
                .interval(Kind::backward, end + 2, end + 7)
                .interval(Kind::optimizer, end + 7, end + 8);
            at = end + 8;
        }
        look(t, at - 1e-3, cpu);
        t.interval(Kind::wait, at, at + 0.01, iterator, spool::wait_ended);
        look(t, at + 0.011, cpu);
        at += 1;
    }
    Run run = run_of({t}, at + 1);
    run.info.machine.cores_usable = 2;
    run.info.machine.memory_bytes = std::int64_t{8} << 30;
    run.info.host_peak_bytes = std::int64_t{1} << 30;
    return run;
}

// Two workers that stay: each hashes the samples of its batches, pass after pass.
Run hashing_workers(int passes, const Hash& hash) {
    constexpr std::uint32_t pids[] = {500, 600};
    constexpr int steps = 30;
    Thread t(program_pid), workers[] = {Thread(pids[0]), Thread(pids[1])};
    t.moment(Kind::interpreter, 0).text(spool::TextKind::framework, "torch 2");
    for (int number = 0; number < 2; ++number) {
        workers[number].moment(Kind::worker_begin, 1, static_cast<std::uint64_t>(number), 2);
    }
    double at = 1;
    for (int pass = 0; pass < passes; ++pass) {
        t.moment(Kind::loader, at, train_loader, per_batch)
            .text(spool::TextKind::loader_config, R"({"batch_size":4,"workers":2,"prefetch_factor":2})");
        t.interval(Kind::iter, at, at + 1, train_loader, train_iterator);
        for (int number = 0; number < 2; ++number) {
            t.moment(Kind::worker, at + 0.5, train_iterator, static_cast<std::uint64_t>(number) << 32 | pids[number]);
            if (pass > 0) workers[number].moment(Kind::resume, at + 0.5);
        }
        at += 1;
        for (std::uint64_t i = 0; i < steps; ++i) {
            Thread& worker = workers[i % 2];
            hashed(worker, at + 0.5, i, hash(pass, i));
            worker.interval(Kind::fetch, at, at + 2, static_cast<std::uint64_t>(ms(2)), per_batch)
                .moment(Kind::put, at + 2, 0, i + 1);
            step(t, at, train_iterator, i + 1);
            at += step_ms;
        }
        t.interval(Kind::wait, at, at + 0.01, train_iterator, spool::wait_ended);
        at += 1;
    }
    return run_of({t, workers[0], workers[1]}, at + 1);
}

Contents contents_in(const Run& run) {
    const run::SpansInMemory spans(run);
    const Recording recording(run, spans);
    return contents_of(recording, find_trainers(recording).front());
}

TEST(Contents, AreComparedOverPassesWithoutWorkers) {
    const Contents contents = contents_in(hashing_loop(3, 40, always));
    EXPECT_EQ(contents.passes, 3U);
    EXPECT_EQ(contents.looks, 120U);
    EXPECT_EQ(contents.distinct, 40U);
    EXPECT_EQ(contents.compared, 40U);
    EXPECT_EQ(contents.differing, 0U);
    EXPECT_EQ(contents.unknown, 0U);
    EXPECT_NEAR(contents.bytes, 1024, near);
    EXPECT_NEAR(contents.seen_before, 1, near);
}

TEST(Contents, AreComparedOverThePassesOfWorkersThatStay) {
    const Contents contents = contents_in(hashing_workers(3, always));
    EXPECT_EQ(contents.passes, 3U);
    EXPECT_EQ(contents.distinct, 30U);
    EXPECT_EQ(contents.compared, 30U);
    EXPECT_EQ(contents.differing, 0U);
    EXPECT_EQ(contents_in(hashing_workers(2,
                                          [](int pass, std::uint64_t index) {
                                              return 1 + index + (index == 5 && pass == 1 ? 100U : 0U);
                                          }))
                  .differing,
              1U);
}

TEST(Contents, OfOnePassAreNotCompared) {
    const Contents contents = contents_in(hashing_loop(1, 40, always));
    EXPECT_EQ(contents.passes, 1U);
    EXPECT_EQ(contents.distinct, 40U);
    EXPECT_EQ(contents.compared, 0U);
    EXPECT_NEAR(contents.seen_before, 0, near);
}

TEST(Contents, CountWhatIsNotKnown) {
    const Contents contents = contents_in(
        hashing_loop(2, 30, [](int, std::uint64_t index) { return index < 40 ? std::uint64_t{0} : index; }));
    EXPECT_EQ(contents.unknown, 20U);
    EXPECT_EQ(contents.compared, 20U);
}

bool has_cache(const Run& run) {
    for (const Finding& finding : headrace::analyze(run).findings) {
        if (finding.id == "prep.cache") return true;
    }
    return false;
}

TEST(Advice, IsACacheWhereSamplesAreTheSameInEveryPass) {
    const Audit audit = headrace::analyze(hashing_loop(3, 40, always));
    ASSERT_TRUE(audit.prediction.valid) << audit.prediction.reason;
    ASSERT_TRUE(has_cache(hashing_loop(3, 40, always)));
    for (const Finding& finding : audit.findings) {
        if (finding.id != "prep.cache") continue;
        // 8 ms of step, 2 of collation and 4 reads are left of 28 ms, in two of three passes.
        EXPECT_NEAR(finding.gain->ratio.predicted, 28 / (10 + 4 * 0.0403), 0.02);
        EXPECT_NEAR(finding.gain->seconds_per_run.predicted, 80 * 28e-3 * (1 - 10.161 / 28) - 160 * 0.15e-3, 0.02);
        EXPECT_NE(finding.evidence.find("40 samples were hashed in 2 or more of 3 passes"), std::string::npos);
        EXPECT_NE(finding.evidence.find("all 160 of them"), std::string::npos) << finding.evidence;
        ASSERT_TRUE(finding.loader);
        EXPECT_EQ(finding.loader->line, 7U);
    }
    EXPECT_EQ(audit.steady.pass_steps, 40U);
}

TEST(Advice, IsNoCacheForOnePassOrAugmentation) {
    EXPECT_FALSE(has_cache(hashing_loop(1, 40, always)));
    EXPECT_FALSE(has_cache(
        hashing_loop(3, 40, [](int pass, std::uint64_t index) { return 1000 * index + 1 + unsigned(pass); })));
    EXPECT_FALSE(has_cache(hashing_loop(
        3, 40, [](int pass, std::uint64_t index) { return 1000 + index + (pass == 2 && index == 8 ? 1U : 0U); })));
}

}  // namespace
}  // namespace headrace::audit
