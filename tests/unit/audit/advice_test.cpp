#include "audit/advice.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "audit/analyze.h"
#include "audit/loop.h"
#include "audit/made_up.h"
#include "headrace/audit.h"
#include "run/spans.h"

namespace headrace::audit {
namespace {

using namespace made_up;

constexpr std::uint32_t fetching_pid = 500;

std::uint64_t ns(double milliseconds) { return static_cast<std::uint64_t>(milliseconds * 1e6); }

// What a thread has used so far, as it is recorded around each wait.
class Clock {
public:
    explicit Clock(Thread& thread) : thread_(thread) {}
    void before(double wait) { look(wait - 1e-3); }
    void after(double wait) { look(wait + 1e-3); }
    void use(double cpu, double queue = 0, double threads = 1) {
        cpu_ += cpu;
        queue_ += queue;
        process_ += cpu * threads;
    }

private:
    void look(double at) {
        thread_.moment(Kind::thread_cpu, at, ns(cpu_), ns(queue_)).moment(Kind::process_cpu, at, ns(process_));
    }

    Thread& thread_;
    double cpu_ = 5, queue_ = 1, process_ = 9;
};

struct Shape {
    int steps = 60;
    double fetch = 20;  // ms of the worker for a batch, of which `blocked` waits for storage and 2 are collation
    double blocked = 0;
    double step = 8;  // ms of the training thread, of which `idle` is no CPU time
    double idle = 0;
    double threads = 1;  // of a step
    int passes = 1;
    int set_threads = 0;  // that the process has, 0: not recorded
    double device = 0;    // ms of a step that the host waits for an accelerator, before its backward; 0: there is none
    bool at_end = false;  // it waits after its optimizer instead
    double handover = 0;  // ms that the wait for a batch that is there takes beside receiving it
    int ranks = 1;
    double uneven =
        0;  // ms that a fetch takes more and less in turns, and where one rank's does the next one's does not
};

std::string config_of(const Shape& shape, const std::string& rest) {
    return R"({"batch_size":4,)" + rest +
           (shape.set_threads > 0 ? ",\"threads\":" + std::to_string(shape.set_threads) : std::string()) + "}";
}

// A rank of a loop without workers: each wait is its fetch and nothing else. Its last step ends at `at`.
Thread alone_rank(const Shape& shape, int rank, double& at) {
    Thread t(program_pid + static_cast<std::uint32_t>(rank));
    Clock clock(t);
    t.moment(Kind::interpreter, 0).text(spool::TextKind::framework, "torch 2");
    if (shape.ranks > 1) t.moment(Kind::group, 0.5, static_cast<std::uint64_t>(rank), shape.ranks);
    at = 1;
    for (int pass = 0; pass < shape.passes; ++pass) {
        const auto iterator = static_cast<std::uint64_t>(2 + pass);
        t.moment(Kind::loader, at, 1, 4)
            .text(spool::TextKind::loader_config, config_of(shape, R"("workers":0,"prefetch_factor":null)"));
        t.interval(Kind::iter, at, at + 1, 1, iterator);
        at += 1;
        for (int i = 0; i < shape.steps; ++i) {
            const double fetch = shape.fetch + ((i + rank) % 2 == 0 ? shape.uneven : -shape.uneven);
            const double end = at + fetch;
            const double done = at + shape.fetch + shape.uneven + shape.step;  // when the last rank has its batch too
            clock.before(at);
            t.interval(Kind::collate, end - 2, end, ns(2), 0)
                .interval(Kind::fetch, at + 1e-4, end, ns(fetch - shape.blocked), 4)
                .interval(Kind::wait, at, end, iterator, 0);
            clock.use(fetch - shape.blocked);
            clock.after(end);
            clock.use(shape.step - shape.idle, 0, shape.threads);
            t.interval(Kind::forward, end + 2e-3, end + 2);
            if (shape.device > 0) t.interval(Kind::transfer, end + 2, end + 2.5);
            const double before = shape.at_end ? 0 : shape.device, after = shape.device - before;
            if (before > 0) t.interval(Kind::device_wait, end + 2.5, end + 2.5 + before);
            const double asked = done - after;
            t.interval(Kind::backward, end + 2.5 + before, asked - 1).interval(Kind::optimizer, asked - 1, asked);
            if (after > 0) t.interval(Kind::device_wait, asked, asked + after);
            at = done;
        }
        clock.before(at);
        t.interval(Kind::wait, at, at + 0.01, iterator, spool::wait_ended);
        clock.after(at + 0.01);
        at += 1;
    }
    return t;
}

Run alone(const Shape& shape) {
    std::vector<Thread> threads;
    double end = 0;
    for (int rank = 0; rank < shape.ranks; ++rank) threads.push_back(alone_rank(shape, rank, end));
    Run run = run_of(threads, end + 1);
    run.info.machine.cores_usable = 2;
    if (shape.device > 0) run.info.machine.accelerators = {"NVIDIA A10G"};
    return run;
}

// One worker that fetches a batch after the other and one step for each: the shorter of both waits for the longer.
Run with_worker(const Shape& shape) {
    Thread t(program_pid), w(fetching_pid);
    Clock clock(t);
    t.moment(Kind::interpreter, 0).text(spool::TextKind::framework, "torch 2");
    t.moment(Kind::loader, 1, 1, 4)
        .text(spool::TextKind::loader_config, R"({"batch_size":4,"workers":1,"prefetch_factor":2})");
    t.interval(Kind::iter, 1, 2, 1, 2).moment(Kind::worker, 1.5, 2, fetching_pid);
    w.moment(Kind::worker_begin, 1.6, 0, 1);
    double at = 2;
    for (int i = 1; i <= shape.steps; ++i) {
        const double fetched = 2 + shape.fetch * i;
        w.interval(Kind::collate, fetched - 2, fetched, ns(2), 0)
            .interval(Kind::fetch, fetched - shape.fetch, fetched, ns(shape.fetch - shape.blocked), 4)
            .moment(Kind::put, fetched, 0, static_cast<std::uint64_t>(i));
        // Of the wait: the training thread takes 1 ms to receive a batch.
        const double end = std::max(at, fetched) + 1 + shape.handover;
        clock.before(at);
        t.interval(Kind::wait, at, end, 2, static_cast<std::uint64_t>(i))
            .interval(Kind::receive, at, end, 2, static_cast<std::uint64_t>(i));
        clock.use(1);
        clock.after(end);
        clock.use(shape.step - shape.idle, 0, shape.threads);
        if (shape.device > 0) t.interval(Kind::transfer, end + 3e-3, end + 4e-3);  // and nothing waits for it
        t.interval(Kind::forward, end + 2e-3, end + 2)
            .interval(Kind::backward, end + 2, end + shape.step - 1)
            .interval(Kind::optimizer, end + shape.step - 1, end + shape.step);
        at = end + shape.step;
    }
    t.interval(Kind::wait, at, at + 0.01, 2, spool::wait_ended);
    Run run = run_of({t, w}, at + 1);
    run.info.machine.cores_usable = 2;
    return run;
}

Result<RecordedLoop> loop_of(const Run& run) {
    const run::SpansInMemory spans(run);
    const Recording recording(run, spans);
    return recorded_loop(recording, find_trainers(recording).front());
}

TEST(RecordedLoop, HasTheCostsOfALoopWithoutWorkers) {
    const Result<RecordedLoop> recorded = loop_of(alone({.steps = 30, .blocked = 5, .idle = 3, .passes = 2}));
    ASSERT_TRUE(recorded) << recorded.error().message;
    const replay::Loop& loop = recorded->loop;
    ASSERT_EQ(loop.steps.size(), 60U);
    EXPECT_EQ(loop.later_passes, std::vector<std::size_t>{30});
    EXPECT_EQ(loop.configuration.workers, 0U);
    EXPECT_NEAR(loop.batches[40].blocked, 5e-3, near);
    EXPECT_NEAR(loop.batches[40].cpu, 15e-3, near);
    EXPECT_NEAR(loop.steps[40].cpu, 5e-3, near);
    EXPECT_NEAR(loop.steps[40].blocked, 3e-3, near);
    EXPECT_NEAR(recorded->measured[40], 28e-3, near);
    EXPECT_NEAR(loop.configuration.threads, 1, near);
    EXPECT_NEAR(recorded->fetched.samples, 240, near);
    EXPECT_NEAR(recorded->fetched.collate, 60 * 2e-3, near);
}

TEST(RecordedLoop, HasTheCostsOfALoopWithAWorker) {
    const Result<RecordedLoop> recorded = loop_of(with_worker({.blocked = 20, .idle = 6}));
    ASSERT_TRUE(recorded) << recorded.error().message;
    const replay::Loop& loop = recorded->loop;
    ASSERT_EQ(loop.steps.size(), 60U);
    EXPECT_EQ(loop.configuration.workers, 1U);
    EXPECT_NEAR(loop.batches[40].blocked + loop.batches[40].cpu, 20e-3, near);
    EXPECT_NEAR(loop.batches[40].receive, 1e-3, near);
    EXPECT_NEAR(loop.batches[40].transit, 0, near);
    EXPECT_NEAR(loop.steps[40].cpu, 2e-3, near);
    EXPECT_NEAR(loop.steps[40].blocked, 6e-3, near);
}

TEST(RecordedLoop, TellsHowManyThreadsAStepHas) {
    const Result<RecordedLoop> recorded = loop_of(alone({.threads = 2}));
    ASSERT_TRUE(recorded) << recorded.error().message;
    EXPECT_NEAR(recorded->loop.configuration.threads, 2, near);
    EXPECT_NEAR(recorded->loop.batches[40].cpu, 20e-3, near) << "nothing is busy beside its fetches";
    EXPECT_NEAR(recorded->loop.steps[40].cpu, 8e-3, near) << "and nothing beside its steps";
}

TEST(RecordedLoop, TellsThreadsThatSpinFromThoseOfAStep) {
    // 8 ms of the training thread, and 12 of the other: 4 of them after the step.
    const Result<RecordedLoop> recorded = loop_of(alone({.threads = 2.5, .set_threads = 2}));
    ASSERT_TRUE(recorded) << recorded.error().message;
    EXPECT_NEAR(recorded->loop.configuration.threads, 2, near);
    EXPECT_NEAR(recorded->loop.configuration.spin, 4e-3, near);
    const Result<RecordedLoop> none = loop_of(alone({.threads = 1.3, .set_threads = 1}));
    ASSERT_TRUE(none) << none.error().message;
    EXPECT_EQ(none->loop.configuration.spin, 0) << "a helper of the process";
}

TEST(RecordedLoop, TakesWhatIsBusyMeanwhileOutOfItsCosts) {
    const Result<RecordedLoop> recorded = loop_of(with_worker({.fetch = 20, .step = 60}));
    ASSERT_TRUE(recorded) << recorded.error().message;
    const replay::Loop& loop = recorded->loop;
    // A second busy core does 0.85: each batch is made beside a step, and a third of the step is beside a batch.
    EXPECT_NEAR(loop.batches[40].cpu, 20e-3 * 0.925, 0.3e-3);
    EXPECT_NEAR(loop.steps[40].cpu, 60e-3 * (1 - 0.075 / 3), 0.5e-3);
    const double replayed = replay::mean_step(loop);
    EXPECT_NEAR(replayed, 61e-3, 0.5e-3) << "beside each other they take what they took";
}

TEST(RecordedLoop, TellsTheHandoverOfABatchFromItsTransit) {
    // Batches are made ahead, so each is there: its worker is at another one, until it has made all 60 of them.
    const Result<RecordedLoop> ahead = loop_of(with_worker({.fetch = 30, .step = 40, .handover = 5}));
    ASSERT_TRUE(ahead) << ahead.error().message;
    EXPECT_NEAR(ahead->loop.batches[20].handover, 5e-3, near);
    EXPECT_NEAR(ahead->loop.batches[20].transit, 0, near);
    EXPECT_NEAR(ahead->loop.batches[20].receive, 1e-3, 1e-4);
    // Each is waited for: what comes after its fetch is its transit.
    const Result<RecordedLoop> late = loop_of(with_worker({.fetch = 60, .step = 8, .handover = 5}));
    ASSERT_TRUE(late) << late.error().message;
    EXPECT_EQ(late->loop.batches[20].handover, 0);
    EXPECT_NEAR(late->loop.batches[20].transit, 5e-3, near);
}

TEST(RecordedLoop, KnowsHowLateAWorkerBeginsWhatItIsAskedFor) {
    headrace::Run run = with_worker({.fetch = 20, .step = 8});
    for (Span& span : run.threads[1].spans) {
        if (kind(span) != Kind::fetch) continue;
        span.start += ms(2);
        span.duration -= ms(2);
    }
    const Result<RecordedLoop> recorded = loop_of(run);
    ASSERT_TRUE(recorded) << recorded.error().message;
    EXPECT_NEAR(recorded->loop.configuration.start, 2e-3, near);
    EXPECT_NEAR(recorded->loop.batches[40].blocked, 0, near);
}

TEST(Advice, IsAWorkerWhereThatIsFaster) {
    const Audit audit = headrace::analyze(alone({}));
    EXPECT_TRUE(audit.prediction.valid) << audit.prediction.reason;
    EXPECT_NEAR(*audit.prediction.mean_error, 0, 1e-6);
    ASSERT_EQ(audit.findings.size(), 1U);
    const Finding& finding = audit.findings.front();
    EXPECT_EQ(finding.id, "input.workers");
    EXPECT_GE(finding.fix.workers, 1U);
    EXPECT_EQ(finding.changes, Changes::random_streams);
    const Interval& ratio = finding.gain->ratio;
    EXPECT_LT(ratio.low, ratio.predicted);
    EXPECT_LT(ratio.predicted, ratio.high);
    // 28 ms of one core for a step, two cores that do 1.85 of the work of one.
    EXPECT_GT(ratio.predicted, 1.25);
    EXPECT_LT(ratio.predicted, 1.85);
    EXPECT_NEAR(finding.gain->seconds_per_run.predicted, 60 * 28e-3 * (1 - 1 / ratio.predicted), 1e-3);
}

TEST(Advice, IsManyWorkersWhereTheyOnlyWait) {
    const Audit audit = headrace::analyze(with_worker({.fetch = 40, .blocked = 38}));
    EXPECT_TRUE(audit.prediction.valid) << audit.prediction.reason;
    ASSERT_EQ(audit.findings.size(), 1U);
    EXPECT_GE(audit.findings.front().fix.workers, 3U);
    EXPECT_GT(audit.findings.front().gain->ratio.predicted, 2.5);
}

TEST(Advice, IsNoneWhereNothingIsWaitedFor) {
    const Audit audit = headrace::analyze(with_worker({.fetch = 5, .step = 60}));
    EXPECT_TRUE(audit.prediction.valid) << audit.prediction.reason;
    EXPECT_TRUE(audit.findings.empty());
    ASSERT_FALSE(audit.ceilings.empty());
    EXPECT_EQ(audit.ceilings.front().name, "compute");
    EXPECT_NEAR(audit.ceilings.front().samples_per_second, 4 / 60e-3, 8);
}

TEST(Advice, IsFewerThreadsWhereTheCoresAreFewer) {
    const auto threads_of = [](const Shape& shape) -> std::optional<Finding> {
        const Audit audit = headrace::analyze(alone(shape));
        for (const Finding& finding : audit.findings) {
            if (finding.id == "compute.threads") return finding;
        }
        return std::nullopt;
    };
    const std::optional<Finding> finding = threads_of({.fetch = 3, .step = 30, .threads = 8, .set_threads = 8});
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->fix.threads, 2U);
    EXPECT_EQ(finding->title, "2 intra-op threads instead of 8");
    EXPECT_FALSE(finding->gain);
    EXPECT_NE(finding->evidence.find("for each second of its training thread the process used 8.0 s"),
              std::string::npos)
        << finding->evidence;
    EXPECT_FALSE(threads_of({.fetch = 3, .step = 30, .threads = 8})) << "their number was not recorded";
    EXPECT_FALSE(threads_of({.fetch = 3, .step = 30, .threads = 1, .set_threads = 8})) << "one computes";
    EXPECT_FALSE(threads_of({.fetch = 3, .step = 30, .threads = 2, .set_threads = 2})) << "a core for each";
}

// Steps of 30 ms with batches of 4, of which 27 are fixed, and batches that cost 2 ms.
Probe made_probe() {
    Probe probe;
    probe.batch_size = 4;
    for (const std::uint64_t batch : {4U, 2U, 8U}) {
        ProbeCase one;
        one.batch_size = batch;
        one.precision = "float32";
        one.median = 27e-3 + 0.75e-3 * static_cast<double>(batch);
        one.low = one.median * 0.99;
        one.high = one.median * 1.01;
        one.steps = 10;
        probe.cases.push_back(one);
    }
    probe.cases.push_back(probe.cases.front());
    probe.cases.back().channels_last = true;
    probe.cases.back().median = 15e-3;
    probe.single_sample_seconds = 1e-3;
    return probe;
}

std::vector<std::string> ids(const Audit& audit) {
    std::vector<std::string> found;
    for (const Finding& finding : audit.findings) found.push_back(finding.id);
    return found;
}

Audit probed(const Run& run, const Probe& probe) {
    const run::SpansInMemory spans(run);
    return analyze(Recording(run, spans), &probe).audit;
}

TEST(Advice, HasWhatAProbeMeasured) {
    const Audit audit = probed(alone({.fetch = 2.2, .step = 30}), made_probe());
    ASSERT_TRUE(audit.prediction.valid) << audit.prediction.reason;
    const std::vector<std::string> found = ids(audit);
    ASSERT_EQ(found.size(), 3U);
    EXPECT_EQ(found.back(), "serve.slo") << "it promises no speed";
    EXPECT_NE(std::find(found.begin(), found.end(), "compute.batch"), found.end());
    EXPECT_NE(std::find(found.begin(), found.end(), "compute.channels_last"), found.end());
    for (const Finding& finding : audit.findings) {
        if (finding.id == "compute.channels_last") {
            EXPECT_NEAR(finding.gain->ratio.predicted, 32.2 / 17.2, 0.02);
        }
    }
}

TEST(Advice, HasNoFindingOfAProbeThatShowsNothingToWin) {
    Probe flat = made_probe();
    for (ProbeCase& one : flat.cases) one.median = 7.5e-3 * static_cast<double>(one.batch_size);
    flat.single_sample_seconds.reset();
    EXPECT_EQ(ids(probed(alone({.fetch = 2.2, .step = 30}), flat)), std::vector<std::string>{"compute.cores"});
    // Where the loop waits for its worker, faster steps win nothing either.
    for (const std::string& id : ids(probed(with_worker({.fetch = 90, .blocked = 88, .step = 30}), made_probe()))) {
        EXPECT_TRUE(id == "input.workers" || id == "serve.slo" || id == "compute.batch") << id;
    }
}

const Finding* finding_of(const Audit& audit, const std::string& id) {
    const auto found =
        std::find_if(audit.findings.begin(), audit.findings.end(), [&](const Finding& one) { return one.id == id; });
    return found == audit.findings.end() ? nullptr : &*found;
}

TEST(Advice, SaysThatAnAcceleratorDoesNotFit) {
    const Audit waits = headrace::analyze(alone({.fetch = 2.2, .step = 50, .device = 40}));
    EXPECT_FALSE(waits.prediction.valid);
    ASSERT_NE(finding_of(waits, "compute.accelerator"), nullptr);
    EXPECT_EQ(finding_of(waits, "compute.accelerator")->title, "NVIDIA A10G is too small for the step");
    const Audit asks = headrace::analyze(alone({.fetch = 2.2, .step = 50, .device = 1}));
    ASSERT_NE(finding_of(asks, "compute.accelerator"), nullptr);
    EXPECT_EQ(finding_of(asks, "compute.accelerator")->title, "NVIDIA A10G is too large for the step");
    EXPECT_EQ(finding_of(headrace::analyze(alone({.fetch = 40, .step = 50, .device = 40})), "compute.accelerator"),
              nullptr);
    EXPECT_EQ(finding_of(headrace::analyze(alone({.fetch = 2.2, .step = 50})), "compute.accelerator"), nullptr);
}

TEST(Advice, HasCeilingsOfALoopThatIsNotPredicted) {
    const Audit audit = headrace::analyze(alone({.fetch = 20, .step = 50, .device = 40}));
    const auto ceiling = [&](const std::string& name) {
        const auto found = std::find_if(audit.ceilings.begin(), audit.ceilings.end(),
                                        [&](const Ceiling& one) { return one.name == name; });
        return found == audit.ceilings.end() ? 0 : found->samples_per_second;
    };
    EXPECT_NEAR(ceiling("transfer"), 4 / 0.5e-3, 200);  // half a millisecond for a batch of four
    EXPECT_NEAR(ceiling("compute"), 4 / 49.5e-3, 2);
    EXPECT_TRUE(std::is_sorted(audit.ceilings.begin(), audit.ceilings.end(), [](const Ceiling& x, const Ceiling& y) {
        return x.samples_per_second < y.samples_per_second;
    }));
}

TEST(Advice, IsNoneWhereTooLittleIsKnown) {
    EXPECT_NE(headrace::analyze(alone({.steps = 19})).prediction.reason.find("fewer than 20 steps"), std::string::npos);
    EXPECT_TRUE(headrace::analyze(alone({.steps = 20})).prediction.valid);
    headrace::Run unlooked = alone({});
    std::erase_if(unlooked.threads[0].spans, [](const Span& span) { return kind(span) == Kind::thread_cpu; });
    EXPECT_NE(headrace::analyze(unlooked).prediction.reason.find("CPU time of its steps"), std::string::npos);
}

// A host that asks for 8 ms and does not wait: the device takes the 30 ms of the probe, once the loader is faster.
TEST(Advice, OfADeviceThatGoesOnTakesItsStepsFromTheProbe) {
    const headrace::Run run = with_worker({.fetch = 40, .blocked = 36, .step = 8, .idle = 6, .device = 1});
    EXPECT_NE(headrace::analyze(run).prediction.reason.find("--probe measures it"), std::string::npos);
    const Audit audit = probed(run, made_probe());
    EXPECT_TRUE(audit.prediction.valid) << audit.prediction.reason;
    const Finding* finding = finding_of(audit, "input.workers");
    ASSERT_NE(finding, nullptr);
    EXPECT_NEAR(finding->gain->ratio.predicted, 40.0 / 31, 0.06);  // 1 ms to receive a batch
}

// Each rank waits for the batch of the other every second time: a mean step of 32 ms, of which 8 are none of the
// loader.
TEST(Advice, OfRanksKnowsThatTheyWaitForEachOther) {
    const Shape shape{.steps = 63, .fetch = 20, .blocked = 14, .step = 8, .idle = 7, .ranks = 2, .uneven = 4};
    headrace::Run run = alone(shape);
    run.info.machine.cores_usable = 16;
    const Audit audit = headrace::analyze(run);
    EXPECT_TRUE(audit.prediction.valid) << audit.prediction.reason;
    EXPECT_NEAR(audit.prediction.mean_error.value(), 0, 0.03);
    const Finding* finding = finding_of(audit, "input.workers");
    ASSERT_NE(finding, nullptr);
    EXPECT_NEAR(finding->gain->ratio.predicted, 32.0 / 12.3, 0.2);  // 1.3 ms to take a batch, 2 to read 8 MB
    headrace::Run incomplete = alone(shape);
    incomplete.threads.pop_back();
    EXPECT_NE(headrace::analyze(incomplete).prediction.reason.find("other ranks"), std::string::npos);
}

// What the device still had to do when the next batch was asked for is hidden behind the wait for it.
TEST(Advice, OfADeviceNeedsStepsThatWaitForItAtTheirEnd) {
    const Shape early{.fetch = 40, .blocked = 36, .step = 20, .idle = 16, .device = 12};
    EXPECT_NE(headrace::analyze(alone(early)).prediction.reason.find("do not end with a wait for the accelerator"),
              std::string::npos);
    Shape shape = early;
    shape.at_end = true;
    const Audit audit = headrace::analyze(alone(shape));
    EXPECT_TRUE(audit.prediction.valid) << audit.prediction.reason;
    const Finding* finding = finding_of(audit, "input.workers");
    ASSERT_NE(finding, nullptr);
    EXPECT_NEAR(finding->gain->ratio.predicted, 60.0 / 23.3,
                0.15);  // the step, 1.3 ms to take a batch and 2 to read its 8 MB
    EXPECT_NE(std::find_if(audit.limits.begin(), audit.limits.end(),
                           [](const std::string& limit) { return limit.find("not on a device") != std::string::npos; }),
              audit.limits.end());
    shape.device = 0;
    headrace::Run unused = alone(shape);
    unused.info.machine.accelerators = {"NVIDIA A10G"};
    EXPECT_TRUE(headrace::analyze(unused).prediction.valid);  // a program that computes on the host beside a device
}

// Half of each step the training thread waited for a core, and the program has no threads that want it.
TEST(Advice, IsNoneWhereTheReplayIsWrong) {
    headrace::Run run = with_worker({.fetch = 20, .step = 48, .idle = 24});
    std::uint64_t queue = 0, looks = 0;
    for (Span& span : run.threads[0].spans) {
        if (kind(span) != Kind::thread_cpu) continue;
        if (looks++ % 2 == 0 && looks > 1) queue += ns(24);  // just before a wait
        span.b += queue;
    }
    const Audit audit = headrace::analyze(run);
    EXPECT_FALSE(audit.prediction.valid);
    EXPECT_NE(audit.prediction.reason.find("does not reproduce"), std::string::npos);
    EXPECT_LT(*audit.prediction.mean_error, -0.1);
    EXPECT_TRUE(audit.findings.empty());
}

}  // namespace
}  // namespace headrace::audit
