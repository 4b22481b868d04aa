#include <gtest/gtest.h>

#include "audit/made_up.h"
#include "headrace/audit.h"

namespace headrace {
namespace {

using namespace made_up;

double entry(const Ledger& ledger, Entry e) { return ledger.seconds[static_cast<std::size_t>(e)] * 1e3; }

constexpr std::uint64_t train_loader = 1, train_iterator = 2, eval_loader = 3, eval_iterator = 4, model = 9;
constexpr double near = 1e-6;

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

// ---- programs that do not train

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

}  // namespace
}  // namespace headrace
