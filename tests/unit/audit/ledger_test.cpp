#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cerrno>

#include "audit/made_up.h"
#include "audit/timeline.h"
#include "headrace/audit.h"

namespace headrace {
namespace {

using namespace made_up;

// Launch 10, imports 20, set-up 10, then three steps without workers from 40 on, teardown from 80 to 90.
Thread plain_loop() {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 10)
        .interval(Kind::import, 12, 32)
        .interval(Kind::iter, 40, 41, train_loader, train_iterator);
    step(t, 41, train_iterator);
    step(t, 41 + step_ms, train_iterator);
    step(t, 41 + 2 * step_ms, train_iterator);
    t.interval(Kind::wait, 74, 75, train_iterator, spool::wait_ended).moment(Kind::teardown, 80);
    return t;
}

TEST(Ledger, DividesAPlainLoop) {
    const Audit audit = analyze(run_of({plain_loop()}, 90));
    ASSERT_TRUE(audit.trained);
    const Ledger& ledger = audit.ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::startup_launch), 10, near);
    EXPECT_NEAR(entry(ledger, Entry::startup_imports), 20, near);
    EXPECT_NEAR(entry(ledger, Entry::startup_setup), 10, near);
    EXPECT_NEAR(entry(ledger, Entry::startup_workers), 5, near);     // __iter__ and the first wait
    EXPECT_NEAR(entry(ledger, Entry::startup_first_step), 7, near);  // not divided further
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 9, near);          // two waits and the end of the epoch
    EXPECT_NEAR(entry(ledger, Entry::compute_forward), 4, near);
    EXPECT_NEAR(entry(ledger, Entry::compute_backward), 6, near);
    EXPECT_NEAR(entry(ledger, Entry::compute_optimizer), 2, near);
    EXPECT_NEAR(entry(ledger, Entry::host), 2, near);
    EXPECT_NEAR(entry(ledger, Entry::teardown), 15, near);
    EXPECT_NEAR(entry(ledger, Entry::unattributed), 0, near);
    EXPECT_NEAR(sum(ledger), 90, near);
}

TEST(Ledger, CountsStepsAfterTheFirst) {
    const Audit audit = analyze(run_of({plain_loop()}, 90));
    EXPECT_EQ(audit.steady.steps, 2U);
    EXPECT_NEAR(*audit.steady.step_seconds_median, 0.011, 1e-9);
}

// Evaluation begins at eval(), ends at train(), and holds its loader's waits; checkpoints and logging are taken out.
TEST(Ledger, TakesCheckpointsAndLoggingOutOfEvaluation) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    step(t, 12, train_iterator);
    t.moment(Kind::train_mode, 25, 9, 0)
        .interval(Kind::iter, 26, 27, eval_loader, eval_iterator)
        .interval(Kind::wait, 27, 30, eval_iterator)
        .interval(Kind::forward, 30, 35)
        .interval(Kind::logging, 36, 38)
        .interval(Kind::wait, 38, 39, eval_iterator, spool::wait_ended)
        .interval(Kind::checkpoint, 40, 45)
        .moment(Kind::train_mode, 46, 9, 1);
    step(t, 50, train_iterator);
    const Ledger ledger = analyze(run_of({t}, 61)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 21 - 2 - 5, near);
    EXPECT_NEAR(entry(ledger, Entry::checkpoint), 5, near);
    EXPECT_NEAR(entry(ledger, Entry::logging), 2, near);
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 4 + 4, near);
    EXPECT_NEAR(sum(ledger), 61, near);
}

TEST(Ledger, ModeSwitchAloneIsNoEvaluation) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    t.moment(Kind::train_mode, 12.2, 9, 0).moment(Kind::train_mode, 12.8, 9, 1);
    step(t, 13, train_iterator);
    EXPECT_EQ(entry(analyze(run_of({t}, 24)).ranks.front(), Entry::evaluation), 0);
}

// With no eval() the evaluation begins at its loader, and in the last gap ends with its own last sign.
TEST(Ledger, FindsAFinalEvaluationWithoutModeSwitch) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    t.interval(Kind::wait, 12, 13, train_iterator, spool::wait_ended)
        .interval(Kind::iter, 20, 21, eval_loader, eval_iterator)
        .interval(Kind::wait, 21, 22, eval_iterator)
        .interval(Kind::forward, 22, 25)
        .interval(Kind::wait, 25, 26, eval_iterator, spool::wait_ended)
        .moment(Kind::teardown, 30);
    const Ledger ledger = analyze(run_of({t}, 40)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 6, near);
    EXPECT_NEAR(entry(ledger, Entry::teardown), 14, near);
    EXPECT_NEAR(entry(ledger, Entry::host), 7, near);
}

// Between epochs eval(), a forward of 2, and 9 of something else; train() comes never, or with the next batch.
TEST(Ledger, EvaluationWithoutTrainEndsWithItsLastForward) {
    for (const bool answered : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
        step(t, 1, train_iterator);
        t.moment(Kind::train_mode, 14, 9, 0).interval(Kind::forward, 15, 17);
        t.interval(Kind::wait, 26, 27, train_iterator);
        if (answered) {
            t.moment(Kind::train_mode, 27.5, 9, 1);
        }
        t.interval(Kind::forward, 28, 30).interval(Kind::backward, 30, 32).interval(Kind::optimizer, 32, 33);
        const Ledger ledger = analyze(run_of({t}, 33)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::evaluation), answered ? 12 : 3, near);
    }
}

// A program that only evaluates: set-up, eval() as its model is loaded included, then from its loader's __iter__ to its
// last wait, then 4 of its own work.
TEST(Ledger, EvaluatesWithoutTraining) {
    for (const bool eval : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).interval(Kind::import, 0, 10);
        t.moment(Kind::train_mode, 12, 9, 1);
        if (eval) {
            t.moment(Kind::train_mode, 15, 9, 0);
        }
        t.interval(Kind::iter, 16, 17, eval_loader, eval_iterator)
            .interval(Kind::wait, 17, 20, eval_iterator)
            .interval(Kind::forward, 20, 25)
            .interval(Kind::wait, 25, 26, eval_iterator, spool::wait_ended)
            .moment(Kind::teardown, 30);
        const Audit audit = analyze(run_of({t}, 40));
        EXPECT_FALSE(audit.trained);
        const Ledger& ledger = audit.ranks.front();
        // With no eval() it may as well be a training that failed in its first step.
        EXPECT_NEAR(entry(ledger, Entry::evaluation), eval ? 10 : 0, near);
        EXPECT_NEAR(entry(ledger, Entry::startup_imports), 10, near);
        EXPECT_NEAR(entry(ledger, Entry::startup_setup), eval ? 6 : 0, near);
        EXPECT_NEAR(entry(ledger, Entry::host), eval ? 4 : 0, near);
        EXPECT_NEAR(entry(ledger, Entry::teardown), 10, near);
        EXPECT_NEAR(sum(ledger), 40, near);
    }
}

// A frozen teacher's eval(), the student's train(), and an end before the first backward.
TEST(Ledger, ATrainingThatFailsInItsFirstStepIsNoEvaluation) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).moment(Kind::train_mode, 5, 9, 0).moment(Kind::train_mode, 6, 8, 1);
    t.interval(Kind::iter, 7, 8, train_loader, train_iterator)
        .interval(Kind::wait, 8, 9, train_iterator)
        .interval(Kind::forward, 9, 12)
        .moment(Kind::teardown, 13);
    EXPECT_EQ(entry(analyze(run_of({t}, 20)).ranks.front(), Entry::evaluation), 0);
}

TEST(Ledger, GradientAccumulationIsOneStepForSeveralBatches) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    for (int i = 0; i < 8; ++i) {
        const double at = 1 + 10 * i;
        t.interval(Kind::wait, at, at + 1, train_iterator).interval(Kind::forward, at + 1, at + 4);
        t.interval(Kind::backward, at + 4, at + 8);
        if (i % 2 == 1) {
            t.interval(Kind::optimizer, at + 8, at + 9);
        }
    }
    const Audit audit = analyze(run_of({t}, 82));
    EXPECT_EQ(audit.steady.steps, 3U);  // four, the first apart
    EXPECT_NEAR(*audit.steady.step_seconds_median, 0.020, 1e-9);
}

// One batch that is used again and again, as in a test whether a model can learn at all.
TEST(Ledger, AnOptimizerThatStepsAgainBeginsAnotherStep) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    t.interval(Kind::wait, 1, 2, train_iterator);
    for (int i = 0; i < 10; ++i) {
        const double at = 2 + 10 * i;
        t.interval(Kind::forward, at, at + 3).interval(Kind::backward, at + 3, at + 7);
        t.interval(Kind::optimizer, at + 7, at + 8, 1);
    }
    const Audit audit = analyze(run_of({t}, 110));
    EXPECT_EQ(audit.steady.steps, 9U);  // ten, the first apart
    EXPECT_NEAR(*audit.steady.step_seconds_median, 0.010, 1e-9);
    EXPECT_FALSE(audit.steady.samples_per_second);  // how many samples the batch had in its later uses was not recorded
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::compute_forward), 9 * 3, near);
}

// Without a loader: a generator and a discriminator in each iteration, and an optimizer for each parameter that steps
// inside the backward.
TEST(Ledger, SeveralOptimizersInAnIterationAreOneStep) {
    for (const bool inside_backward : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0);
        for (int i = 0; i < 10; ++i) {
            const double at = 1 + 10 * i;
            t.interval(Kind::forward, at, at + 2);
            const double first = inside_backward ? at + 3 : at + 6;
            t.interval(Kind::optimizer, first, first + 1, 1).interval(Kind::optimizer, first + 1.5, first + 2.5, 2);
            t.interval(Kind::backward, at + 2, at + 6);
        }
        const Audit audit = analyze(run_of({t}, 110));
        EXPECT_EQ(audit.steady.steps, 9U);
        EXPECT_NEAR(*audit.steady.step_seconds_median, 0.010, 1e-9);
    }
}

// Without a loader: after each two updates, and an evaluation, a new optimizer goes on with the next fold. With two
// optimizers for each update it is both.
TEST(Ledger, AnOptimizerInPlaceOfAnotherBeginsAnotherStep) {
    for (const int together : {1, 2}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0);
        for (int fold = 0; fold < 3; ++fold) {
            const double at = 1 + 30 * fold;
            for (const double update : {at, at + 10}) {
                t.interval(Kind::forward, update, update + 2).interval(Kind::backward, update + 2, update + 5);
                for (int i = 0; i < together; ++i) {
                    t.interval(Kind::optimizer, update + 5 + i, update + 6 + i, 2 * fold + i);
                }
            }
            t.moment(Kind::train_mode, at + 20, 9, 0).interval(Kind::forward, at + 21, at + 24);
            t.moment(Kind::train_mode, at + 25, 9, 1);
        }
        const Audit audit = analyze(run_of({t}, 91));
        EXPECT_EQ(audit.steady.steps, 5U);
        EXPECT_NEAR(*audit.steady.step_seconds_median, 0.010, 1e-9);
        EXPECT_NEAR(*audit.steady.step_seconds_p95, 0.015, 1e-9);
        EXPECT_NEAR(entry(audit.ranks.front(), Entry::evaluation), 3 * 5, near);
    }
}

// Without a loader: a critic that is updated more often than its generator, whose step is that of the next critic.
TEST(Ledger, AnOptimizerThatStepsLessOftenBelongsToAnothersStep) {
    constexpr int rounds = 4, critic_updates = 5;
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    double at = 1;
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i <= critic_updates; ++i, at += 10) {
            t.interval(Kind::forward, at, at + 2).interval(Kind::backward, at + 2, at + 5);
            t.interval(Kind::optimizer, at + 5, at + 6, i < critic_updates ? 1 : 2);
        }
    }
    const Audit audit = analyze(run_of({t}, at));
    EXPECT_EQ(audit.steady.steps, static_cast<std::uint64_t>(rounds * critic_updates));  // no critic after the last one
}

// The file system of the run's folder was full: nobody knows what the program did from then on.
TEST(Ledger, WhatCameAfterTheLastRecordIsUnattributed) {
    headrace::Run run = run_of({plain_loop()}, 90);
    run.threads.front().full = true;
    const Ledger ledger = analyze(run).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::unattributed), 10, near);
    EXPECT_NEAR(entry(ledger, Entry::teardown), 5, near);
    EXPECT_NEAR(entry(ledger, Entry::host), 2, near);
    EXPECT_NEAR(sum(ledger), 90, near);
}

// What was open when the recording ended may have begun long after: the header says so, but nothing else was recorded.
TEST(Ledger, WhatIsOpenAfterTheLastRecordIsUnattributedToo) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    step(t, 12, train_iterator);
    t.open(Kind::wait, 85);
    headrace::Run run = run_of({t}, 90);
    run.threads.front().full = true;
    const Ledger ledger = analyze(run).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::unattributed), 67, near);
    EXPECT_NEAR(entry(ledger, Entry::host), 1, near);
    EXPECT_NEAR(sum(ledger), 90, near);
}

// An optimizer step that computes its own gradients (LBFGS): forwards and backwards inside keep their entries.
TEST(Ledger, InnermostIntervalWins) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    t.interval(Kind::wait, 12, 13, train_iterator)
        .interval(Kind::forward, 14, 16)
        .interval(Kind::backward, 16, 19)
        .interval(Kind::optimizer, 13, 20);
    const Ledger ledger = analyze(run_of({t}, 20)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::compute_forward), 2, near);
    EXPECT_NEAR(entry(ledger, Entry::compute_backward), 3, near);
    EXPECT_NEAR(entry(ledger, Entry::compute_optimizer), 2, near);
}

// Killed inside a wait: the open interval runs to the end, and nothing is called teardown.
TEST(Ledger, ClosesWhatAKillLeftOpen) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    t.open(Kind::wait, 12);
    const Ledger ledger = analyze(run_of({t}, 100)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 88, near);
    EXPECT_NEAR(entry(ledger, Entry::teardown), 0, near);
    EXPECT_NEAR(sum(ledger), 100, near);
}

// Killed in the first wait of an evaluation, which has no forward yet; and the same where that wait was broken off.
TEST(Ledger, AnEvaluationThatGotNoBatchIsOne) {
    for (const bool open : {true, false}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
        step(t, 1, train_iterator);
        step(t, 12, train_iterator);
        t.moment(Kind::train_mode, 25, 7, 0).interval(Kind::iter, 26, 26.5, eval_loader, eval_iterator);
        if (open) {
            t.open(Kind::wait, 27);
            t.record().spans.back().a = eval_iterator;
        } else {
            t.interval(Kind::wait, 27, 90, eval_iterator, spool::wait_ended).moment(Kind::failed, 90, eval_iterator, 1);
        }
        const Ledger ledger = analyze(run_of({t}, 100)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::evaluation), open ? 75 : 65, near);
        EXPECT_NEAR(entry(ledger, Entry::input_wait), 4, near);
        EXPECT_NEAR(sum(ledger), 100, near);
    }
}

// Nor is one where a loader of the set-up was at its end at once, or after train() again, or one that trains later.
TEST(Ledger, AnEndAtOnceIsNoEvaluation) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).moment(Kind::train_mode, 1, 7, 0).interval(Kind::iter, 30, 31, eval_loader, 9);
    t.interval(Kind::wait, 31, 39, 9, spool::wait_ended).moment(Kind::train_mode, 40, 8, 1);
    t.interval(Kind::iter, 41, 42, eval_loader, eval_iterator);
    t.interval(Kind::wait, 43, 44, eval_iterator, spool::wait_ended).moment(Kind::failed, 44, eval_iterator, 0);
    t.interval(Kind::iter, 50, 50.5, train_loader, train_iterator);
    step(t, 51, train_iterator);
    step(t, 62, train_iterator);
    const Ledger ledger = analyze(run_of({t}, 100)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 0, near);
}

// The first batch never came: that is the loader's time and no set-up.
TEST(Ledger, AProgramWhoseFirstBatchIsStuckWaitsForItsWorkers) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).text(spool::TextKind::framework, "torch 2.13.0");
    t.interval(Kind::iter, 10, 10.5, train_loader, train_iterator);
    t.open(Kind::wait, 11);
    t.record().spans.back().a = train_iterator;
    const Ledger ledger = analyze(run_of({t}, 100)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::startup_setup), 10, near);
    EXPECT_NEAR(entry(ledger, Entry::startup_workers), 90, near);
}

TEST(Ledger, NothingRecordedIsUnattributed) {
    const Audit audit = analyze(run_of({}, 50));
    EXPECT_FALSE(audit.trained);
    ASSERT_EQ(audit.ranks.size(), 1U);
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::unattributed), 50, near);
    EXPECT_FALSE(audit.limits.empty());
}

TEST(Ledger, SaysWhyThreadsStoppedRecording) {
    headrace::Run run =
        run_of({Thread(program_pid), Thread(program_pid), Thread(program_pid), Thread(program_pid)}, 50);
    const std::uint32_t errors[] = {ENOSPC, 0, ENOENT, 0};
    for (std::size_t i = 0; i < 4; ++i) {
        run.threads[i].full = i < 3;
        run.threads[i].full_error = errors[i];
    }
    std::vector<std::string> said;
    for (const std::string& limit : analyze(run).limits) {
        if (limit.find("stopped recording") != std::string::npos) said.push_back(limit);
    }
    ASSERT_EQ(said.size(), 2U);
    EXPECT_EQ(said[0], "2 threads stopped recording before the end: the file system of the run's folder was full.");
    EXPECT_TRUE(said[1].starts_with("1 thread stopped recording before the end: the run's folder was not where"));
}

TEST(Ledger, HasNoNegativeTimes) {
    Thread t = plain_loop();
    constexpr std::uint64_t impossible = std::uint64_t{1} << 63;  // ns that the shim took
    t.moment(Kind::interpreter, 10, impossible).moment(Kind::interpreter, 10, impossible / 2);
    auto run = run_of({t}, 90);
    const Audit bounded = analyze(run);
    EXPECT_GE(bounded.overhead.seconds, 0);
    EXPECT_LE(bounded.overhead.seconds, 0.090 + near);
    EXPECT_LE(bounded.overhead.share, 1);
    run.info.started_ns = ms(100);
    EXPECT_EQ(analyze(run).wall_seconds, 0);
}

TEST(Ledger, EndsWhereRecordingStopped) {
    Thread t = plain_loop();
    EXPECT_FALSE(analyze(run_of({t}, 90)).stopped);
    t.moment(Kind::stopped, 63);
    const Audit audit = analyze(run_of({t}, 90));
    EXPECT_TRUE(audit.stopped);
    EXPECT_NEAR(audit.ranks.front().wall_seconds, 0.063, 1e-9);
    EXPECT_NEAR(sum(audit.ranks.front()), 63, near);
}

constexpr std::uint32_t worker_pid = 200;

// The program's thread up to the end of its first step, with one worker.
Thread program_with_a_worker() {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0)
        .interval(Kind::iter, 0, 0.5, train_loader, train_iterator)
        .moment(Kind::worker, 0.5, train_iterator, worker_pid);
    step(t, 1, train_iterator, 1);
    return t;
}

// The worker's thread up to its first batch, of 4 samples, the one of that first step.
Thread first_worker() {
    Thread w(worker_pid);
    w.moment(Kind::worker_begin, 0.6, 0, 1);
    w.interval(Kind::fetch, 1, 4, 0, 4).moment(Kind::put, 4, 0, 1);
    return w;
}

// A program that waits from 20 to 37 ms for the second batch of this worker.
headrace::Run waits_for(const Thread& worker) {
    Thread t = program_with_a_worker();
    t.interval(Kind::wait, 20, 37, train_iterator, 2).interval(Kind::forward, 37, 38);
    t.interval(Kind::backward, 38, 39).interval(Kind::optimizer, 39, 40);
    return run_of({t, worker}, 40);
}

// One worker, one awaited batch: 2 ms until it began, a fetch of 10 ms (3 blocked, 1 in the run queue, 6 CPU of which
// the system took a third), 2 ms collate, 3 ms transport.
TEST(Wait, IsDividedByWhatTheBatchsOwnWorkerDid) {
    Thread w = first_worker();
    w.interval(Kind::collate, 32, 34, static_cast<std::uint64_t>(ms(2)), 0)
        .interval(Kind::fetch, 22, 34, static_cast<std::uint64_t>(ms(8)), 4)
        .interval(Kind::fetch_samples, 22, 32, static_cast<std::uint64_t>(ms(6)), static_cast<std::uint64_t>(ms(1)))
        .moment(Kind::cpu, 34, static_cast<std::uint64_t>(ms(4)), static_cast<std::uint64_t>(ms(2)))
        .moment(Kind::put, 34, 0, 2);
    const Audit audit = analyze(waits_for(w));
    const Ledger& ledger = audit.ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 17, near);
    EXPECT_NEAR(stage(ledger, Stage::workers), 2 + 1, near);
    EXPECT_NEAR(stage(ledger, Stage::storage), 3, near);
    EXPECT_NEAR(stage(ledger, Stage::read), 2, near);
    EXPECT_NEAR(stage(ledger, Stage::decode), 4, near);
    EXPECT_NEAR(stage(ledger, Stage::collate), 2, near);
    EXPECT_NEAR(stage(ledger, Stage::transport), 3, near);
    EXPECT_NEAR(*audit.per_sample.wall_seconds, 0.010 / 8, 1e-9);  // 8 samples in two fetches, 10 ms in all
}

// The same of a fetch that is one record: it kept its core.
TEST(Wait, IsDividedByTheShareOfTheCollationOfABriefFetch) {
    Thread w = first_worker();
    w.interval(Kind::brief_fetch, 22, 34, static_cast<std::uint64_t>(ms(2)), 4).moment(Kind::put, 34, 0, 2);
    const Audit audit = analyze(waits_for(w));
    const Ledger& ledger = audit.ranks.front();
    EXPECT_NEAR(stage(ledger, Stage::workers), 2, near);
    EXPECT_NEAR(stage(ledger, Stage::decode), 10, near);
    EXPECT_NEAR(stage(ledger, Stage::collate), 2, near);
    EXPECT_NEAR(stage(ledger, Stage::transport), 3, near);
    EXPECT_NEAR(*audit.per_sample.wall_seconds, 0.010 / 8, 1e-9);  // 8 samples in two fetches, 10 ms in all
}

// An evaluation's samples, made by the same thread, cost another time.
TEST(PerSample, IsOfTheSamplesThatTrainingRead) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 1, 2, train_loader, train_iterator);
    t.moment(Kind::loader, 2, train_loader, 4);
    const auto fetch = [&](double begin, double end, std::uint64_t iterator) {
        const auto cpu = static_cast<std::uint64_t>(ms(1));
        t.interval(Kind::wait, begin, end, iterator, 1)
            .interval(Kind::fetch, begin, end, cpu, 4)
            .interval(Kind::fetch_samples, begin, end, cpu, 0)
            .interval(Kind::fetch_io, begin, begin, static_cast<std::uint64_t>(end - begin) * 400, 0);
    };
    fetch(3, 13, train_iterator);
    t.interval(Kind::forward, 14, 15).interval(Kind::backward, 15, 16).interval(Kind::optimizer, 16, 17);
    t.moment(Kind::train_mode, 18, 9, 0).interval(Kind::iter, 18, 19, eval_loader, eval_iterator);
    fetch(19, 21, eval_iterator);
    t.interval(Kind::forward, 21, 22, 9).moment(Kind::train_mode, 23, 9, 1);
    const Audit audit = analyze(run_of({t}, 24));
    EXPECT_GT(entry(audit.ranks.front(), Entry::evaluation), 0);
    EXPECT_NEAR(*audit.per_sample.wall_seconds, 0.010 / 4, 1e-9);
    EXPECT_NEAR(*audit.per_sample.blocked_seconds, 0.009 / 4, 1e-9);
    EXPECT_NEAR(*audit.per_sample.bytes_requested, 1000, 1e-9);
}

// Without workers: the fetch of the wait's own thread.
TEST(Wait, IsDividedByABriefFetchOfItsOwnThread) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 1, 2, train_loader, train_iterator);
    t.moment(Kind::loader, 2, train_loader, 4);
    for (double at : {3.0, 23.0}) {
        t.interval(Kind::brief_fetch, at + 1, at + 11, static_cast<std::uint64_t>(ms(4)), 4);
        t.interval(Kind::wait, at, at + 12, train_iterator).interval(Kind::forward, at + 12, at + 13);
        t.interval(Kind::backward, at + 13, at + 14).interval(Kind::optimizer, at + 14, at + 15);
    }
    const Audit audit = analyze(run_of({t}, 40));
    const Ledger& ledger = audit.ranks.front();
    EXPECT_NEAR(stage(ledger, Stage::decode), 6, near);
    EXPECT_NEAR(stage(ledger, Stage::collate), 4, near);
    EXPECT_NEAR(stage(ledger, Stage::transport), 2, near);
}

// One worker, and a fetch of 20 ms of which the second half was waited for, with 16 ms in the run queue: on two cores
// only other programs can have taken so much, and they did so all the time.
TEST(Wait, PlacesWhatOtherProgramsTookOverTheWholeFetch) {
    Thread t = program_with_a_worker();
    t.interval(Kind::wait, 30, 40, train_iterator, 2).interval(Kind::forward, 40, 41);
    t.interval(Kind::backward, 41, 42).interval(Kind::optimizer, 42, 43);
    Thread w = first_worker();
    w.interval(Kind::fetch, 20, 40, static_cast<std::uint64_t>(ms(4)), 4)
        .interval(Kind::fetch_samples, 20, 40, static_cast<std::uint64_t>(ms(4)), static_cast<std::uint64_t>(ms(16)))
        .moment(Kind::put, 40, 0, 2);
    headrace::Run run = run_of({t, w}, 43);
    run.info.machine.cores_usable = 2;
    const Audit audit = analyze(run);
    EXPECT_NEAR(stage(audit.ranks.front(), Stage::workers), 8, 0.3);
    EXPECT_NEAR(stage(audit.ranks.front(), Stage::decode), 2, 0.3);
}

// Whatever is recorded, every instant gets exactly one entry.
RC_GTEST_PROP(Timeline, CoversTheWallOnce, (std::vector<std::pair<std::uint16_t, std::uint8_t>> marks)) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 5);
    double at = 6;
    for (const auto& [length, what] : marks) {
        const auto kind = static_cast<Kind>(what % 35);
        const double end = at + length % 50;
        t.interval(kind, at, end, what, length);
        if (what % 3 != 0) {  // the next one begins inside this one
            at += length % 7;
        } else {
            at = end;
        }
        if (kind == Kind::phase) {
            const char* names[] = {"evaluation", "checkpoint", "logging", "setup", "input", "another"};
            t.text(spool::TextKind::phase_name, names[length % 6]);
        }
    }
    const Audit audit = analyze(run_of({t}, at + 60));
    for (const Ledger& ledger : audit.ranks) {
        RC_ASSERT(std::abs(sum(ledger) - ledger.wall_seconds * 1e3) < 1e-3);
    }
}

// A thread loads ahead: the loop's wait for its queue is input.wait, divided as that thread's own waits are.
TEST(Ledger, CountsTheWaitForAThreadThatLoadsAhead) {
    constexpr std::uint64_t queue = 7;
    Thread loop(program_pid);
    loop.moment(Kind::interpreter, 0);
    for (double at = 10; at < 60; at += 20) {
        loop.interval(Kind::handover, at, at + 10, queue)
            .interval(Kind::forward, at + 11, at + 13)
            .interval(Kind::backward, at + 13, at + 18)
            .interval(Kind::optimizer, at + 18, at + 19);
    }
    Thread ahead(program_pid, false);
    ahead.interval(Kind::iter, 8, 9, train_loader, train_iterator);
    for (double at = 9; at < 60; at += 20) {
        ahead.interval(Kind::wait, at, at + 9, train_iterator);  // ends 2 ms before the loop has the batch
    }
    const Ledger ledger = analyze(run_of({loop, ahead}, 69)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::startup_workers), 10, near);
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 20, near);
    EXPECT_NEAR(stage(ledger, Stage::transport), 20, near);  // without a fetch recorded all of it is transport
    EXPECT_NEAR(sum(ledger), 69, near);
}

TEST(Ledger, LeavesAQueueThatHoldsNoBatches) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    step(t, 12, train_iterator);
    t.interval(Kind::handover, 24, 30, 7);
    step(t, 31, train_iterator);
    const Ledger ledger = analyze(run_of({t}, 42)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 8, near);
    EXPECT_NEAR(entry(ledger, Entry::host), 1 + 1 + 8, near);
}

// At the top of the loop's body: after the batch was asked for and before its own forward.
TEST(Ledger, FindsAnEvaluationBetweenABatchAndItsStep) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    step(t, 12, train_iterator);
    t.interval(Kind::wait, 24, 28, train_iterator)
        .moment(Kind::train_mode, 28, 9, 0)
        .interval(Kind::iter, 29, 30, eval_loader, eval_iterator)
        .interval(Kind::wait, 30, 32, eval_iterator)
        .interval(Kind::forward, 32, 35)
        .interval(Kind::wait, 35, 36, eval_iterator, spool::wait_ended)
        .moment(Kind::train_mode, 38, 9, 1)
        .interval(Kind::forward, 38, 40)
        .interval(Kind::backward, 40, 43)
        .interval(Kind::optimizer, 43, 44);
    const Ledger ledger = analyze(run_of({t}, 44)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 10, near);
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 8, near);
    EXPECT_NEAR(entry(ledger, Entry::compute_forward), 4, near);
    EXPECT_NEAR(sum(ledger), 44, near);
}

// A part of the model that is frozen in eval mode is trained through, not evaluated.
TEST(Ledger, TakesNoFrozenPartForAnEvaluation) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    for (double at = 1; at < 30; at += 12) {
        t.interval(Kind::wait, at, at + 4, train_iterator)
            .moment(Kind::train_mode, at + 4, 9, 1)
            .moment(Kind::train_mode, at + 4.5, 8, 0)
            .interval(Kind::forward, at + 5, at + 7)
            .interval(Kind::backward, at + 7, at + 10)
            .interval(Kind::optimizer, at + 10, at + 11);
    }
    const Ledger ledger = analyze(run_of({t}, 37)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 0, near);
    EXPECT_NEAR(entry(ledger, Entry::compute_forward), 4, near);
}

// A program that trains, replaces itself by exec, and trains again or not.
TEST(Ledger, OfAProgramThatReplacesItself) {
    for (const bool again : {true, false}) {
        Thread first(program_pid);
        first.moment(Kind::interpreter, 1).interval(Kind::iter, 10, 10.5, train_loader, train_iterator);
        first.record().opened = ms(1);
        for (int i = 0; i < 5; ++i) step(first, 11 + i * step_ms, train_iterator);
        Thread second(program_pid);
        second.moment(Kind::interpreter, 101);
        second.record().opened = ms(101);
        if (again) {
            second.interval(Kind::iter, 110, 110.5, train_loader, train_iterator);
            for (int i = 0; i < 3; ++i) step(second, 111 + i * step_ms, train_iterator);
        }
        second.moment(Kind::teardown, 146);
        // However the files are listed.
        const Audit audit = analyze(again ? run_of({first, second}, 150) : run_of({second, first}, 150));
        ASSERT_EQ(audit.ranks.size(), again ? 2U : 1U);
        EXPECT_NEAR(sum(audit.ranks[0]), again ? 66 : 150, near);
        EXPECT_NEAR(entry(audit.ranks[0], Entry::input_wait), 4 * 4, near);
        EXPECT_NEAR(entry(audit.ranks[0], Entry::startup_launch), 1, near);
        EXPECT_NEAR(entry(audit.ranks[0], Entry::unattributed), again ? 0 : 84, near);
        if (again) {
            EXPECT_NEAR(sum(audit.ranks[1]), 84, near);
            EXPECT_NEAR(entry(audit.ranks[1], Entry::startup_launch), 35, near);
            EXPECT_NEAR(entry(audit.ranks[1], Entry::input_wait), 2 * 4, near);
            EXPECT_NEAR(entry(audit.ranks[1], Entry::teardown), 6, near);
        }
        EXPECT_TRUE(std::any_of(audit.limits.begin(), audit.limits.end(),
                                [](const std::string& limit) { return limit.find("exec") != std::string::npos; }));
    }
}

}  // namespace
}  // namespace headrace
