#include <gtest/gtest.h>

#include "audit/made_up.h"
#include "headrace/audit.h"

namespace headrace {
namespace {

using namespace made_up;

constexpr std::uint64_t other_iterator = 5;
constexpr std::uint64_t model = 9;
constexpr std::uint64_t from_queue = 0;

// ---- many forwards: these tests would take minutes if each forward looked at those before it

TEST(Evaluation, ManyForwardsWithoutEval) {
    constexpr int forwards = 500000;
    for (const bool eval : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0);
        for (int i = 0; i < forwards; ++i) {
            t.interval(Kind::forward, 1 + i, 1.5 + i, model);
        }
        if (eval) {
            t.moment(Kind::train_mode, forwards + 1, model, 0).interval(Kind::forward, forwards + 2, forwards + 3);
        }
        const Ledger ledger = analyze(run_of({t}, forwards + 10)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::evaluation), eval ? 2 : 0, near);
    }
}

// Between two training steps: eval(), a forward and train() for each step of an environment.
TEST(Evaluation, ManyRollouts) {
    constexpr int rollouts = 400000;
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    for (int i = 0; i < rollouts; ++i) {
        const double at = 20 + 4 * i;
        t.moment(Kind::train_mode, at, model, 0).interval(Kind::forward, at + 1, at + 2, model);
        t.moment(Kind::train_mode, at + 3, model, 1);
    }
    step(t, 20 + 4 * rollouts, train_iterator);
    const Ledger ledger = analyze(run_of({t}, 40 + 4 * rollouts)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 3.0 * rollouts, 1e-3);
}

// Examples that are made against the model: their backwards stand in the evaluation, which begins at eval() all the
// same.
TEST(Evaluation, BeginsAtEvalAlsoBeforeBackwards) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    t.interval(Kind::forward, 20, 21, model)
        .moment(Kind::train_mode, 22, model, 0)
        .interval(Kind::forward, 23, 24, model)
        .interval(Kind::backward, 24, 25)
        .interval(Kind::forward, 26, 27, model)
        .moment(Kind::train_mode, 30, model, 1);
    step(t, 40, train_iterator);
    const Ledger ledger = analyze(run_of({t}, 51)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 8, near);
}

// ---- batches that a thread hands over

// Loads in the background; what it does is not looked at here.
Thread loading_ahead() {
    Thread t(program_pid, false);
    t.moment(Kind::loader, 1, train_loader, 4).text(spool::TextKind::loader_config, R"({"batch_size":4})");
    t.interval(Kind::iter, 1, 2, train_loader, train_iterator);
    for (double at = 2; at < 60; at += 10) t.interval(Kind::wait, at, at + 9, train_iterator);
    return t;
}

void handed_over_step(Thread& t, double at, std::uint64_t address, std::uint64_t from) {
    t.interval(Kind::handover, at, at + 4, address, from)
        .interval(Kind::forward, at + 5, at + 7)
        .interval(Kind::backward, at + 7, at + 10)
        .interval(Kind::optimizer, at + 10, at + 11);
}

// Each batch has a Future of its own, and CPython gives later ones the addresses of earlier ones.
TEST(Evaluation, OfBatchesInFutures) {
    constexpr std::uint64_t future = 7;
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    handed_over_step(t, 1, future, spool::from_future);
    handed_over_step(t, 12, future, spool::from_future);
    t.moment(Kind::train_mode, 24, model, 0);
    for (const double at : {25, 30}) {
        t.interval(Kind::handover, at, at + 2, future, spool::from_future).interval(Kind::forward, at + 2, at + 4);
    }
    t.moment(Kind::train_mode, 36, model, 1);
    handed_over_step(t, 40, future, spool::from_future);
    const Ledger ledger = analyze(run_of({t, loading_ahead()}, 51)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 12, near);
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 8, near);
    EXPECT_NEAR(sum(ledger), 51, near);
}

// The validation loader's iterator lies where a queue lay before.
TEST(Evaluation, OfALoaderWithTheAddressOfAQueue) {
    constexpr std::uint64_t address = 7;
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    handed_over_step(t, 1, address, from_queue);
    handed_over_step(t, 12, address, from_queue);
    t.interval(Kind::iter, 24, 25, eval_loader, address)
        .interval(Kind::wait, 25, 26, address)
        .interval(Kind::forward, 26, 28)
        .interval(Kind::wait, 28, 29, address, spool::wait_ended);
    handed_over_step(t, 40, address, from_queue);
    const Ledger ledger = analyze(run_of({t, loading_ahead()}, 51)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 5, near);
    EXPECT_NEAR(sum(ledger), 51, near);
}

// ---- programs that do not train

// Launched by another process, as torchrun does.
TEST(Evaluation, InAProcessThatTheCommandStarted) {
    Thread launcher(program_pid), t(200);
    launcher.moment(Kind::interpreter, 1).interval(Kind::import, 2, 9).moment(Kind::teardown, 48);
    t.moment(Kind::interpreter, 12)
        .moment(Kind::train_mode, 15, model, 0)
        .interval(Kind::forward, 20, 30, model)
        .interval(Kind::forward, 30, 40, model);
    const Audit audit = analyze(run_of({launcher, t}, 50));
    EXPECT_FALSE(audit.trained);
    EXPECT_EQ(audit.ranks.front().pid, 200U);
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::evaluation), 25, near);
}

// After its last forward the program waits for a queue, which holds batches only where a thread of it loads them.
TEST(Evaluation, EndsBeforeAQueueThatHoldsNoBatches) {
    for (const bool loads : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0)
            .moment(Kind::train_mode, 10, model, 0)
            .interval(Kind::forward, 12, 20, model)
            .interval(Kind::handover, 21, 40, 7);
        std::vector<Thread> threads{t};
        if (loads) threads.push_back(loading_ahead());
        const Audit audit = analyze(run_of(threads, 50));
        EXPECT_NEAR(entry(audit.ranks.front(), Entry::evaluation), loads ? 30 : 10, near);
        ASSERT_EQ(audit.loaders.size(), loads ? 1U : 0U);
        EXPECT_FALSE(loads && audit.loaders.front().training);
    }
}

// Monte Carlo dropout: eval(), and train() for the parts that are to stay random.
TEST(Evaluation, WithPartsThatAreSetToTrain) {
    constexpr std::uint64_t dropout = 8;
    for (const std::uint64_t module : {dropout, model}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0)
            .moment(Kind::train_mode, 10, model, 0)
            .moment(Kind::train_mode, 11, module, 1)
            .interval(Kind::forward, 12, 15, model)
            .moment(Kind::train_mode, 16, dropout, 1)
            .interval(Kind::forward, 17, 20, model);
        const Ledger ledger = analyze(run_of({t}, 30)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::evaluation), module == dropout ? 10 : 0, near);
    }
}

// A frozen teacher's eval(), the student's train(), and an end before the first backward.
TEST(Evaluation, IsNotTheForwardOfAStudent) {
    constexpr std::uint64_t teacher = 8;
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0)
        .moment(Kind::train_mode, 5, teacher, 0)
        .moment(Kind::train_mode, 6, model, 1)
        .interval(Kind::forward, 9, 12, model);
    EXPECT_EQ(entry(analyze(run_of({t}, 20)).ranks.front(), Entry::evaluation), 0);
}

// The model is loaded, which ends with eval(); then data are read, and then there is a loader, or none.
TEST(Evaluation, BeginsWithItsLoaderWhereTheModelWasLoadedBefore) {
    for (const bool loader : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).moment(Kind::train_mode, 10, model, 0);
        if (loader) {
            t.interval(Kind::iter, 30, 31, eval_loader, eval_iterator).interval(Kind::wait, 31, 33, eval_iterator);
        }
        t.interval(Kind::forward, 33, 40, model);
        const Ledger ledger = analyze(run_of({t}, 40)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::evaluation), loader ? 10 : 30, near);
        EXPECT_NEAR(entry(ledger, Entry::startup_setup), 0, near + (loader ? 30 : 10));
    }
}

// ---- a training batch that no step used

// The loop is left with a batch in hand, or the shorter of two loaders ends after the longer one gave a batch.
TEST(Evaluation, AfterABatchThatWasNotUsed) {
    for (const bool eval : {false, true}) {
        for (const bool other_ended : {false, true}) {
            Thread t(program_pid);
            t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
            step(t, 1, train_iterator);
            step(t, 12, train_iterator);
            t.interval(Kind::wait, 24, 28, train_iterator);
            if (other_ended) t.interval(Kind::wait, 28, 29, other_iterator, spool::wait_ended);
            if (eval) t.moment(Kind::train_mode, 30, model, 0);
            t.interval(Kind::iter, 31, 32, eval_loader, eval_iterator)
                .interval(Kind::wait, 32, 34, eval_iterator)
                .interval(Kind::forward, 34, 37, model)
                .interval(Kind::wait, 37, 38, eval_iterator, spool::wait_ended)
                .moment(Kind::teardown, 40);
            const Ledger ledger = analyze(run_of({t}, 45)).ranks.front();
            EXPECT_NEAR(entry(ledger, Entry::evaluation), eval ? 8 : 7, near);
            EXPECT_NEAR(entry(ledger, Entry::input_wait), 4 + 4 + (other_ended ? 1 : 0), near);
            EXPECT_NEAR(entry(ledger, Entry::compute_forward), 2, near);
            EXPECT_NEAR(entry(ledger, Entry::teardown), 7, near);
            EXPECT_NEAR(sum(ledger), 45, near);
        }
    }
}

// Gradients of a last batch were only accumulated, or its optimizer step was skipped; the next epoch follows.
TEST(Evaluation, AfterABackwardWithoutAStep) {
    for (const bool loader : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
        step(t, 1, train_iterator);
        t.interval(Kind::wait, 12, 16, train_iterator)
            .interval(Kind::forward, 17, 19, model)
            .interval(Kind::backward, 19, 22)
            .interval(Kind::wait, 22, 23, train_iterator, spool::wait_ended)
            .moment(Kind::train_mode, 24, model, 0);
        if (loader) t.interval(Kind::iter, 25, 26, eval_loader, eval_iterator);
        t.interval(Kind::forward, 26, 30, model);
        t.interval(Kind::iter, 32, 33, train_loader, train_iterator);
        step(t, 33, train_iterator);
        const Ledger ledger = analyze(run_of({t}, 45)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::evaluation), 6, near);
        EXPECT_NEAR(entry(ledger, Entry::compute_forward), 2 + 2, near);
        EXPECT_NEAR(entry(ledger, Entry::compute_backward), 3 + 3, near);
        EXPECT_NEAR(sum(ledger), 45, near);
    }
}

// A teacher that is set to eval() in each step, and an unlabelled batch that is asked for in some: all is training.
TEST(Evaluation, IsNotWhatComesBetweenABatchAndItsBackward) {
    constexpr std::uint64_t teacher = 8;
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
    step(t, 1, train_iterator);
    for (double at = 12; at < 50; at += 20) {
        t.interval(Kind::wait, at, at + 4, train_iterator)
            .moment(Kind::train_mode, at + 5, teacher, 0)
            .interval(Kind::forward, at + 5, at + 7, teacher)
            .interval(Kind::iter, at + 7, at + 8, eval_loader, eval_iterator)
            .interval(Kind::wait, at + 8, at + 9, eval_iterator)
            .interval(Kind::forward, at + 9, at + 11, model)
            .interval(Kind::backward, at + 11, at + 14)
            .interval(Kind::optimizer, at + 14, at + 15);
    }
    const Ledger ledger = analyze(run_of({t}, 67)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 0, near);
    EXPECT_NEAR(entry(ledger, Entry::compute_forward), 8, near);
}

// ---- a validation that does not read its loader to the end

// eval(), three batches of 4 samples and train(), 12 ms in all, with no other request before the next backward, but
// perhaps the one that finds the loader at its end.
void validation(Thread& t, double at, bool cut) {
    t.moment(Kind::train_mode, at, model, 0).interval(Kind::iter, at + 1, at + 2, eval_loader, eval_iterator);
    for (double batch = at + 2; batch < at + 11; batch += 3) {
        t.interval(Kind::fetch, batch, batch + 1, 0, 4).interval(Kind::wait, batch, batch + 1, eval_iterator);
        t.interval(Kind::forward, batch + 1, batch + 3, model);
    }
    if (!cut) t.interval(Kind::wait, at + 11, at + 12, eval_iterator, spool::wait_ended);
    t.moment(Kind::train_mode, at + 12, model, 1);
}

void update(Thread& t, double at) {
    t.interval(Kind::forward, at, at + 2, model).interval(Kind::backward, at + 2, at + 5);
    t.interval(Kind::optimizer, at + 5, at + 6, 6);
}

// At the top of every step, with a training batch in hand or in a loop that needs no loader.
TEST(Evaluation, RightBeforeAStep) {
    for (const bool loader : {false, true}) {
        for (const bool cut : {false, true}) {
            Thread t(program_pid);
            t.moment(Kind::interpreter, 0);
            if (loader) t.interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
            for (const double at : {1.0, 31.0, 61.0}) {
                if (loader) t.interval(Kind::fetch, at, at + 2, 0, 8).interval(Kind::wait, at, at + 4, train_iterator);
                validation(t, at + 5, cut);
                update(t, at + 20);
            }
            const Audit audit = analyze(run_of({t}, 87));
            const Ledger& ledger = audit.ranks.front();
            EXPECT_NEAR(entry(ledger, Entry::evaluation), 36, near);
            EXPECT_NEAR(entry(ledger, Entry::input_wait), loader ? 8 : 0, near);
            EXPECT_NEAR(entry(ledger, Entry::compute_forward), 4, near);
            EXPECT_EQ(audit.steady.steps, 2U);
            EXPECT_NEAR(*audit.steady.step_seconds_median, 0.018, 1e-9);
            EXPECT_EQ(audit.steady.samples_per_second.has_value(), loader);
            EXPECT_NEAR(audit.steady.samples_per_second.value_or(8 / 0.018), 8 / 0.018, 1e-6);
            EXPECT_NEAR(sum(ledger), 87, near);
        }
    }
}

// Hugging Face's Trainer calls train() with each batch in hand, and leaves it to that to end an evaluation. A teacher
// that was set to eval() once has a forward before it.
TEST(Evaluation, DoesNotTakeTheBatchThatTrainComesWith) {
    for (const bool teacher : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0);
        if (teacher) t.moment(Kind::train_mode, 0, 8, 0);
        t.interval(Kind::iter, 0, 0.5, train_loader, train_iterator);
        for (double at = 1; at < 60; at += 20) {
            t.interval(Kind::wait, at, at + 4, train_iterator);
            if (teacher) t.interval(Kind::forward, at + 4, at + 5, 8);
            t.moment(Kind::train_mode, at + 5, model, 1);
            update(t, at + 5);
            if (at < 40) {
                t.moment(Kind::train_mode, at + 12, model, 0)
                    .interval(Kind::iter, at + 13, at + 14, eval_loader, eval_iterator)
                    .interval(Kind::wait, at + 14, at + 15, eval_iterator)
                    .interval(Kind::forward, at + 15, at + 17, model);
            }
        }
        const Ledger ledger = analyze(run_of({t}, 52)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::startup_workers), 5, near);
        EXPECT_NEAR(entry(ledger, Entry::input_wait), 2 * 4, near);
        EXPECT_NEAR(entry(ledger, Entry::evaluation), 2 * 8, near) << teacher;
        EXPECT_NEAR(sum(ledger), 52, near);
    }
}

// ---- before the first step

// A baseline, where the training loader had been asked for its iterator; its checkpoint is none of the evaluation.
TEST(Evaluation, BetweenTheIteratorAndItsFirstBatch) {
    for (const bool eval : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).interval(Kind::iter, 2, 4, train_loader, train_iterator);
        if (eval) t.moment(Kind::train_mode, 5, model, 0);
        t.interval(Kind::iter, 6, 7, eval_loader, eval_iterator)
            .interval(Kind::wait, 7, 9, eval_iterator)
            .interval(Kind::forward, 9, 12, model)
            .interval(Kind::checkpoint, 12, 13)
            .interval(Kind::wait, 13, 14, eval_iterator, spool::wait_ended);
        step(t, 16, train_iterator);
        const Ledger ledger = analyze(run_of({t}, 27)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::startup_setup), 2, near);
        EXPECT_NEAR(entry(ledger, Entry::evaluation), eval ? 8 : 7, near);
        EXPECT_NEAR(entry(ledger, Entry::checkpoint), 1, near);
        EXPECT_NEAR(entry(ledger, Entry::startup_workers), eval ? 9 : 10, near);
        EXPECT_NEAR(entry(ledger, Entry::startup_first_step), 7, near);
        EXPECT_NEAR(sum(ledger), 27, near);
    }
}

// In a loop that needs no loader the first step begins after it.
TEST(Evaluation, BeforeTheFirstStep) {
    for (const bool loader : {false, true}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0);
        if (loader) {
            t.interval(Kind::iter, 2, 3, train_loader, train_iterator).interval(Kind::wait, 3, 5, train_iterator);
        }
        validation(t, 6, true);
        update(t, 20);
        update(t, 30);
        const Audit audit = analyze(run_of({t}, 36));
        const Ledger& ledger = audit.ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::startup_setup), loader ? 2 : 6, near);
        EXPECT_NEAR(entry(ledger, Entry::startup_workers), loader ? 3 : 0, near);
        EXPECT_NEAR(entry(ledger, Entry::evaluation), 12, near);
        EXPECT_NEAR(entry(ledger, Entry::startup_first_step), loader ? 9 : 8, near);
        EXPECT_EQ(audit.steady.steps, 1U);
        EXPECT_NEAR(sum(ledger), 36, near);
    }
}

// ---- programs of other shapes

// Training twice in one process, each with loaders of its own, and with train() only at the begin.
TEST(Evaluation, OfEachOfSeveralTrainings) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    for (std::uint64_t fold = 0; fold < 3; ++fold) {
        const double at = 1 + 50 * static_cast<double>(fold);
        const std::uint64_t iterator = 20 + fold, held_out = 30 + fold;
        t.moment(Kind::train_mode, at, model + fold, 1).interval(Kind::iter, at, at + 1, train_loader, iterator);
        step(t, at + 1, iterator);
        step(t, at + 12, iterator);
        t.interval(Kind::wait, at + 23, at + 24, iterator, spool::wait_ended)
            .moment(Kind::train_mode, at + 25, model + fold, 0)
            .interval(Kind::iter, at + 26, at + 27, eval_loader, held_out)
            .interval(Kind::wait, at + 27, at + 28, held_out)
            .interval(Kind::forward, at + 28, at + 33, model + fold)
            .interval(Kind::wait, at + 33, at + 35, held_out, spool::wait_ended);
    }
    const Audit audit = analyze(run_of({t}, 140));
    EXPECT_EQ(audit.steady.steps, 5U);
    // To the last sign of each; train() of the next model, which comes before its loader is asked, ends the first two.
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::evaluation), 25 + 25 + 10, near);
    EXPECT_NEAR(sum(audit.ranks.front()), 140, near);
}

// The accuracy on the training data, from the loader that the training reads, without eval().
TEST(Evaluation, OverTheTrainingLoader) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    for (double at = 1; at < 60; at += 30) {
        t.interval(Kind::iter, at, at + 1, train_loader, train_iterator);
        step(t, at + 1, train_iterator);
        t.interval(Kind::wait, at + 12, at + 13, train_iterator, spool::wait_ended)
            .interval(Kind::iter, at + 14, at + 15, train_loader, other_iterator)
            .interval(Kind::wait, at + 15, at + 16, other_iterator)
            .interval(Kind::forward, at + 16, at + 20, model)
            .interval(Kind::wait, at + 20, at + 21, other_iterator, spool::wait_ended);
    }
    const Ledger ledger = analyze(run_of({t}, 60)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 2 * 7, near);
}

// The program trains on tensors, and takes the batches of its evaluations from one iterator for all of them: the
// backward after an evaluation did not use its last batch.
TEST(Evaluation, FromAnIteratorThatStaysOpen) {
    for (const bool modes : {true, false}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).interval(Kind::iter, 1, 1.5, eval_loader, eval_iterator);
        for (double base = 10; base < 130; base += 40) {
            for (double at = base; at < base + 18; at += 6) update(t, at);
            if (modes) t.moment(Kind::train_mode, base + 20, model, 0);
            for (double at = base + 21; at < base + 33; at += 4) {
                t.interval(Kind::wait, at, at + 2, eval_iterator).interval(Kind::forward, at + 2, at + 3, model);
            }
            if (modes) t.moment(Kind::train_mode, base + 33, model, 1);
        }
        const Ledger ledger = analyze(run_of({t}, 130)).ranks.front();
        EXPECT_NEAR(entry(ledger, Entry::evaluation), 3 * (modes ? 13 : 11), near) << modes;
        EXPECT_NEAR(entry(ledger, Entry::input_wait), 0, near) << modes;
        EXPECT_NEAR(sum(ledger), 130, near);
    }
}

// Two epochs of two steps, and after each an evaluation over its own loader whose forwards take gradients (forces from
// an energy): those are backwards inside of forwards.
TEST(Evaluation, ThatTakesGradients) {
    for (const bool answered : {true, false}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0);
        for (double at = 1; at < 100; at += 50) {
            if (answered) t.moment(Kind::train_mode, at, model, 1);
            t.interval(Kind::iter, at, at + 1, train_loader, train_iterator);
            step(t, at + 1, train_iterator);
            step(t, at + 12, train_iterator);
            t.interval(Kind::wait, at + 23, at + 24, train_iterator, spool::wait_ended)
                .moment(Kind::train_mode, at + 25, model, 0)
                .interval(Kind::iter, at + 26, at + 27, eval_loader, eval_iterator);
            for (double batch = at + 27; batch < at + 40; batch += 6) {
                t.interval(Kind::wait, batch, batch + 3, eval_iterator)
                    .interval(Kind::backward, batch + 4, batch + 5)
                    .interval(Kind::forward, batch + 3, batch + 5, model);
            }
            t.interval(Kind::wait, at + 45, at + 46, eval_iterator, spool::wait_ended);
        }
        const Audit audit = analyze(run_of({t}, 101));
        const Ledger& ledger = audit.ranks.front();
        EXPECT_EQ(audit.steady.steps, 3U);
        // From eval() to train() or, where there is none, to the last sign.
        EXPECT_NEAR(entry(ledger, Entry::evaluation), answered ? 25 + 21 : 2 * 21, near) << answered;
        EXPECT_NEAR(entry(ledger, Entry::input_wait), 4 + 1 + 1 + 4 + 4 + 1, near) << answered;
        EXPECT_NEAR(sum(ledger), 101, near);
    }
}

// A program that never leaves eval() trains all the same, and so does one whose steps begin with gradients under it.
TEST(Evaluation, IsNotATrainingUnderEval) {
    for (const bool adversarial : {true, false}) {
        Thread t(program_pid);
        t.moment(Kind::interpreter, 0).moment(Kind::train_mode, 0.5, model, 0);
        t.interval(Kind::iter, 1, 2, train_loader, train_iterator);
        for (double at = 2; at < 60; at += 20) {
            t.interval(Kind::wait, at, at + 4, train_iterator);
            if (adversarial) t.moment(Kind::train_mode, at + 4, model, 0);
            t.interval(Kind::forward, at + 4, at + 6, model).interval(Kind::backward, at + 6, at + 8);
            if (adversarial) t.moment(Kind::train_mode, at + 8, model, 1);
            t.interval(Kind::forward, at + 9, at + 11, model)
                .interval(Kind::backward, at + 11, at + 13)
                .interval(Kind::optimizer, at + 13, at + 14);
        }
        const Audit audit = analyze(run_of({t}, 60));
        EXPECT_EQ(audit.steady.steps, 2U) << adversarial;
        EXPECT_NEAR(entry(audit.ranks.front(), Entry::evaluation), 0, near) << adversarial;
        EXPECT_NEAR(entry(audit.ranks.front(), Entry::input_wait), 2 * 4, near) << adversarial;
    }
}

// Several batches are forwarded before the backward that uses them: no other backward is without one.
TEST(Evaluation, IsNotTheForwardsThatABackwardUsesTogether) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 1, 1.5, train_loader, train_iterator);
    for (int i = 0; i < 20; ++i) {
        const double at = 2 + 10 * i;
        t.interval(Kind::wait, at, at + 2, train_iterator).interval(Kind::forward, at + 2, at + 3, model);
        if (i % 4 == 3) update(t, at + 3);
    }
    const Ledger ledger = analyze(run_of({t}, 210)).ranks.front();
    EXPECT_NEAR(entry(ledger, Entry::evaluation), 0, near);
    EXPECT_NEAR(entry(ledger, Entry::input_wait), 2 * 16, near);
}

}  // namespace
}  // namespace headrace
