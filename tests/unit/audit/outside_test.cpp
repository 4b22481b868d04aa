#include "audit/outside.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "audit/made_up.h"
#include "headrace/audit.h"

namespace headrace {
namespace {

using audit::outside_view;

constexpr std::int64_t mebibyte = 1024 * 1024;

struct Part {
    double seconds;
    double cores;
    std::int64_t read;  // bytes a second
    std::int64_t written;
};

// A point every 100 ms, with a little unrest in the CPU time.
Run run_with(const std::vector<Part>& parts, Nanoseconds origin = 0) {
    Run run = made_up::run_of({}, 0);
    run.info.machine.cores_usable = 2;
    run.info.started_ns = origin;
    OutsidePoint point;
    point.when = origin;
    run.outside.push_back(point);
    int number = 0;
    for (const Part& part : parts) {
        for (int i = 0; i < static_cast<int>(part.seconds * 10); ++i) {
            const double unrest = 1 + 0.02 * ((++number * 7) % 5 - 2);
            point.when += 100'000'000;
            point.cpu_ns += static_cast<std::int64_t>(part.cores * unrest * 1e8);
            point.read_bytes += part.read / 10;
            point.written_bytes += part.written / 10;
            run.outside.push_back(point);
        }
    }
    run.info.ended_ns = point.when;
    return run;
}

const std::vector<Part> known = {
    {2, 1, 0, 0}, {3, 0, 0, 0}, {2, 2, 0, 0}, {1.5, 0.3, 0, 300 * mebibyte}, {2, 0.2, 80 * mebibyte, 0}};

TEST(OutsideView, IsAbsentWhenNothingWasSampled) {
    headrace::Run run = run_with({});
    EXPECT_FALSE(outside_view(run));
    EXPECT_FALSE(analyze(run).outside);
    run.outside.push_back(run.outside.front());  // two points at one time
    EXPECT_FALSE(outside_view(run));
}

TEST(OutsideView, FindsKnownPhases) {
    const Outside outside = analyze(run_with(known)).outside.value();
    ASSERT_EQ(outside.phases.size(), known.size());
    const Activity what[] = {Activity::computing, Activity::idle, Activity::computing, Activity::writing,
                             Activity::reading};
    double at = 0;
    for (std::size_t i = 0; i < known.size(); ++i) {
        const OutsidePhase& phase = outside.phases[i];
        EXPECT_EQ(phase.what, what[i]) << i;
        EXPECT_NEAR(phase.begin_seconds, at, 1e-6);
        at += known[i].seconds;
        EXPECT_NEAR(phase.end_seconds, at, 1e-6);
        EXPECT_NEAR(phase.cpu_cores, known[i].cores, 0.05);
        EXPECT_NEAR(phase.read_bytes_per_second, static_cast<double>(known[i].read), 100);
        EXPECT_NEAR(phase.written_bytes_per_second, static_cast<double>(known[i].written), 100);
    }
    EXPECT_NEAR(outside.cpu_seconds, 2 + 4 + 0.45 + 0.4, 0.1);
    EXPECT_NEAR(outside.cores_mean, outside.cpu_seconds / 10.5, 1e-9);
    EXPECT_NEAR(outside.idle_share, 3 / 10.5, 1e-6);
    EXPECT_NEAR(static_cast<double>(outside.written_bytes), 450.0 * mebibyte, 100);
    EXPECT_NEAR(static_cast<double>(outside.read_bytes), 160.0 * mebibyte, 100);
}

// Three parts of two seconds, of which `use` adds what is used in a millisecond; a look every 100 ms, of which one
// comes `late` milliseconds after each change.
template <class Use>
std::vector<OutsidePhase> phases_looked_at(int late, Use use) {
    headrace::Run run = run_with({});
    OutsidePoint point = run.outside.front();
    for (int ms = 1; ms <= 6000; ++ms) {
        point.when += 1'000'000;
        use((ms - 1) / 2000, point);
        if ((ms + 100 - late) % 100 == 0) run.outside.push_back(point);
    }
    run.info.ended_ns = run.outside.back().when;
    return outside_view(run).value().phases;
}

// Looks fall where they like: the first and the last point of a phase hold some of what its neighbours did.
TEST(OutsideView, NamesAPhaseByWhatIsWhollyInIt) {
    for (int late = 5; late < 100; late += 10) {
        const std::vector<OutsidePhase> phases =
            phases_looked_at(late, [](int part, OutsidePoint& point) { point.cpu_ns += part == 1 ? 0 : 2'000'000; });
        ASSERT_EQ(phases.size(), 3U) << late;
        EXPECT_EQ(phases[0].what, Activity::computing) << late;
        EXPECT_EQ(phases[1].what, Activity::idle) << late;
        EXPECT_EQ(phases[2].what, Activity::computing) << late;
    }
}

// Seen on a busy machine: the look that holds the last of two computing children and the first 20 ms of writing
// gigabytes a second was of the one by its CPU time and of the other by its bytes, and made a phase of its own of its
// neighbours.
TEST(OutsideView, EndsAPhaseInTheLookThatHoldsItsEnd) {
    for (int late = 5; late < 100; late += 5) {
        const std::vector<OutsidePhase> phases = phases_looked_at(late, [](int part, OutsidePoint& point) {
            point.cpu_ns += part == 0 ? 0 : part == 1 ? 1'990'000 : 450'000;
            point.written_bytes += part == 2 ? 3'000'000 : 0;
        });
        ASSERT_EQ(phases.size(), 3U) << late;
        EXPECT_EQ(phases[1].what, Activity::computing) << late;
        EXPECT_EQ(phases[2].what, Activity::writing) << late;
        EXPECT_NEAR(phases[1].begin_seconds, 2, 0.051) << late;
        EXPECT_NEAR(phases[1].end_seconds, 4, 0.051) << late;
    }
}

RC_GTEST_PROP(OutsideView, DoesNotDependOnTheOriginOfTime, ()) {
    const auto origin = *rc::gen::inRange<Nanoseconds>(0, Nanoseconds{1} << 60);
    const Outside here = outside_view(run_with(known)).value();
    const Outside there = outside_view(run_with(known, origin)).value();
    RC_ASSERT(here.phases.size() == there.phases.size());
    for (std::size_t i = 0; i < here.phases.size(); ++i) {
        RC_ASSERT(here.phases[i].begin_seconds == there.phases[i].begin_seconds);
        RC_ASSERT(here.phases[i].what == there.phases[i].what);
    }
}

TEST(OutsideView, NamesTheProcessesWithMostCpuTime) {
    headrace::Run run = run_with(known);
    for (std::uint32_t i = 0; i < 30; ++i) {
        run.processes.push_back(
            {i, 1, made_up::ms(100), made_up::ms(600), "p" + std::to_string(i), i * 1'000'000'000LL});
    }
    run.processes.back().end.reset();  // until the end of the run
    const Outside outside = outside_view(run).value();
    ASSERT_EQ(outside.processes.size(), 10U);
    EXPECT_EQ(outside.processes[0].command, "p29");
    EXPECT_NEAR(outside.processes[0].cpu_seconds, 29, 1e-9);
    EXPECT_NEAR(outside.processes[0].seconds, 10.4, 1e-6);
    EXPECT_NEAR(outside.processes[1].seconds, 0.5, 1e-6);
}

}  // namespace
}  // namespace headrace
