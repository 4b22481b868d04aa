#include "audit/marks.h"

#include <gtest/gtest.h>

#include "audit/made_up.h"
#include "headrace/audit.h"

namespace headrace {
namespace {

using namespace made_up;

void phase(Thread& thread, double begin, double end, const std::string& name) {
    thread.interval(Kind::phase, begin, end).text(spool::TextKind::phase_name, name);
}

headrace::Run with_samples(Thread& thread, double end) {
    headrace::Run run = run_of({thread}, end);
    run.outside = {{0, 0, 0, 0, 0, 0, 0, 1}, {ms(end), ms(end), 0, 0, 0, 0, 0, 1}};
    return run;
}

TEST(Marks, GiveTheirTimeToTheEntryOfTheirName) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 10);
    phase(t, 10, 30, "setup");
    phase(t, 30, 37, "input");
    t.interval(Kind::logging, 45, 46);
    phase(t, 48, 51, "logging");
    phase(t, 40, 60, "evaluation");
    phase(t, 60, 65, "checkpoint");
    const Audit audit = analyze(with_samples(t, 100));
    EXPECT_FALSE(audit.trained);
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::startup_setup), 20, near);
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::input_wait), 7, near);
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::evaluation), 16, near);
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::logging), 4, near);
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::checkpoint), 5, near);
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::unattributed), 38, near);
    EXPECT_TRUE(audit.outside->marked.empty());
}

TEST(Marks, ListOtherNames) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    phase(t, 12, 14, "warm-up");  // nested in the next, which ended later
    phase(t, 10, 20, "warm-up");
    phase(t, 30, 35, "other");
    phase(t, 40, 45, "warm-up");
    const Audit audit = analyze(with_samples(t, 100));
    ASSERT_EQ(audit.outside->marked.size(), 2U);
    EXPECT_EQ(audit.outside->marked[0].name, "warm-up");
    EXPECT_NEAR(audit.outside->marked[0].seconds, 0.015, 1e-9);
    EXPECT_EQ(audit.outside->marked[0].count, 3U);
    EXPECT_EQ(audit.outside->marked[1].name, "other");
    EXPECT_NEAR(entry(audit.ranks.front(), Entry::unattributed), 100, near);
}

TEST(Marks, MakeStepsWhereNoTrainingWasSeen) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    t.moment(Kind::step, 10).moment(Kind::step, 20);
    phase(t, 21, 26, "evaluation");
    t.moment(Kind::step, 35);  // 10 without the evaluation
    const Audit audit = analyze(with_samples(t, 40));
    EXPECT_EQ(audit.steady.steps, 2U);
    EXPECT_NEAR(*audit.steady.step_seconds_median, 0.010, 1e-9);
    EXPECT_NEAR(*audit.steady.step_seconds_p95, 0.010, 1e-9);
}

TEST(Marks, DoNotReplaceTheStepsThatWereSeen) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 1, 2, 1, 2);
    for (int i = 0; i < 3; ++i) {
        step(t, 2 + i * step_ms, 2);
        t.moment(Kind::step, 2 + (i + 1) * step_ms).moment(Kind::step, 2 + (i + 1) * step_ms);
    }
    const Audit audit = analyze(with_samples(t, 40));
    EXPECT_TRUE(audit.trained);
    EXPECT_EQ(audit.steady.steps, 2U);
}

}  // namespace
}  // namespace headrace
