#include "audit/figures.h"

#include <gtest/gtest.h>

#include "audit/kept.h"
#include "audit/made_up.h"
#include "headrace/audit.h"
#include "run/spans.h"

namespace headrace::audit {
namespace {

using namespace made_up;

constexpr std::uint32_t worker_pid = 500;

// A loop of so many steps with one worker that fetches each batch a step before it is waited for.
Run long_run(int steps) {
    Thread t(program_pid), w(worker_pid);
    t.moment(Kind::interpreter, 0).text(spool::TextKind::framework, "torch 2");
    t.moment(Kind::loader, 1, 1, 4).text(spool::TextKind::loader_config, R"({"batch_size":4,"workers":1})");
    t.interval(Kind::iter, 1, 2, 1, 2).moment(Kind::worker, 1.5, 2, worker_pid);
    w.moment(Kind::worker_begin, 1.6, 0, 1);
    double at = 2;
    for (int i = 1; i <= steps; ++i) {
        w.interval(Kind::fetch, at, at + 1, 1000, 4).moment(Kind::put, at + 1, 0, static_cast<std::uint64_t>(i));
        step(t, at, 2, static_cast<std::uint64_t>(i));
        at += i == steps / 2 ? 10 * step_ms : step_ms;
    }
    t.interval(Kind::phase, at, at + 1).text(spool::TextKind::phase_name, "the end");
    Run run = run_of({t, w}, at + 2);
    run.processes = {{program_pid, 1, 0, {}, "python train.py", 5}};
    run.outside.resize(2);
    run.outside[1].when = ms(at + 2);
    run.hot_lines = {{9, "data.py", 33, "__getitem__", 21}};
    return run;
}

struct Analyzed {
    explicit Analyzed(int steps)
        : run(long_run(steps)), spans(run), recording(run, spans), analysis(analyze(recording)) {}

    Run run;
    run::SpansInMemory spans;
    Recording recording;
    Analysis analysis;
};

TEST(Figures, GiveTheSameAuditBack) {
    const Analyzed whole(50);
    const Audit& audit = whole.analysis.audit;
    const run::Derived derived = derive(audit);
    const Result<Audit> back = restore(whole.run, derived.figures);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(derive(*back).figures, derived.figures);
    EXPECT_EQ(back->ranks.at(0).command, "python train.py");
    EXPECT_EQ(back->ranks.at(0).seconds, audit.ranks.at(0).seconds);
    EXPECT_EQ(back->framework, "torch 2");
    EXPECT_EQ(back->loaders.at(0).batch_size, 4U);
    EXPECT_EQ(back->loaders.at(0).prefetch_factor, std::nullopt);
    EXPECT_EQ(back->outside->marked.at(0).name, "the end");
    EXPECT_EQ(back->input_lines.at(0).line, 33U);
    EXPECT_EQ(back->steady.steps, 49U);
    EXPECT_EQ(back->next, audit.next);
    EXPECT_EQ(derived.ledger.size(), entry_count);
    EXPECT_EQ(derived.input_wait.size(), stage_count);
}

bool is_of_later_runs(const std::string& name) {
    return (name.starts_with("loaders.") && name.ends_with(".threads")) || name == "stopped" ||
           name.starts_with("result_") || name == "ceilings" || name == "findings" || name == "slo" || name == "cost" ||
           name.starts_with("prediction.") || name.ends_with(".loader") || name == "steady.pass_steps" ||
           name == "steady.typical_samples_per_second" || name.ends_with(".fix.kind") || name.ends_with(".fix.rows") ||
           name.ends_with(".fix.precision") || name.ends_with(".fix.cache_bytes") ||
           name.ends_with(".interval_scale") || name.ends_with(".diff");
}

TEST(Figures, AreAllNeeded) {
    const Analyzed whole(5);
    const run::Figures figures = derive(whole.analysis.audit).figures;
    for (const auto& [name, value] : figures) {
        if (is_of_later_runs(name)) continue;
        run::Figures fewer = figures;
        fewer.erase(name);
        const Result<Audit> back = restore(whole.run, fewer);
        ASSERT_FALSE(back) << name;
        EXPECT_EQ(back.error().code, ErrorCode::damaged);
    }
    for (const auto& [name, value] :
         std::initializer_list<std::pair<const char*, run::Figure>>{{"ranks", std::int64_t{1} << 60},
                                                                    {"ranks", std::int64_t{0}},
                                                                    {"trained", std::int64_t{2}},
                                                                    {"ranks.0.pid", std::int64_t{-1}},
                                                                    {"steady.steps", 1.5},
                                                                    {"wall_seconds", -1.0},
                                                                    {"framework", 1.0}}) {
        run::Figures wrong = figures;
        wrong[name] = value;
        EXPECT_FALSE(restore(whole.run, wrong)) << name;
    }
}

// Advice of every shape, which the made-up run has none of.
Audit advised(Audit audit) {
    audit.ceilings = {{"transport", 700.5, Basis::derived}, {"compute", 900, Basis::measured}};
    audit.prediction = {true, -0.01, 0.02, 0.9, ""};
    audit.slo = Slo{"slo.toml", 12, std::nullopt};
    audit.cost = Cost{"prices.toml", "EUR", "small", 0.2, 0.01, 0.002};
    Finding finding;
    finding.id = "input.workers";
    finding.title = "2 workers instead of none";
    finding.evidence = "It waited.";
    finding.fix = {2, std::nullopt, 4, true, std::nullopt};
    finding.gain = Gain{{1.2, 0.9, 1.5}, {3, -1, 6}};
    finding.changes = Changes::random_streams;
    finding.remedy = "Do it.";
    audit.findings = {finding, finding};
    audit.findings[0].loader = LoaderSite{"train.py", 7, "RandomSampler", true};
    audit.findings[1].id = "serve.slo";
    audit.findings[1].area = Area::serve;
    audit.findings[1].gain.reset();
    return audit;
}

TEST(Figures, GiveTheAdviceBack) {
    const Analyzed whole(5);
    const run::Figures figures = derive(advised(whole.analysis.audit)).figures;
    const Result<Audit> back = restore(whole.run, figures);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(derive(*back).figures, figures);
    EXPECT_EQ(back->ceilings.at(1).basis, Basis::measured);
    EXPECT_EQ(back->prediction.mean_error, -0.01);
    EXPECT_EQ(back->prediction.crowded_cores, 0.9);
    ASSERT_TRUE(back->slo && back->cost);
    EXPECT_EQ(back->slo->latency_p95_ms, 12);
    EXPECT_FALSE(back->slo->memory_mb);
    EXPECT_EQ(back->cost->per_epoch, 0.002);
    EXPECT_EQ(back->findings.at(0).gain->seconds_per_run.low, -1);
    EXPECT_EQ(back->findings.at(0).fix.persistent_workers, true);
    EXPECT_EQ(back->findings.at(1).area, Area::serve);
    EXPECT_FALSE(back->findings.at(1).gain);
    ASSERT_TRUE(back->findings.at(0).loader);
    EXPECT_EQ(back->findings.at(0).loader->sampler, "RandomSampler");
    EXPECT_TRUE(back->findings.at(0).loader->library);
    EXPECT_FALSE(back->findings.at(1).loader);
    for (const auto& [name, value] : figures) {
        if (is_of_later_runs(name)) continue;
        run::Figures fewer = figures;
        fewer.erase(name);
        EXPECT_FALSE(restore(whole.run, fewer)) << name;
    }
    run::Figures wrong = figures;
    wrong["findings.0.area"] = "none";
    EXPECT_FALSE(restore(whole.run, wrong));
}

TEST(Figures, OfAnEarlierRunHaveNoAdvice) {
    const Analyzed whole(5);
    run::Figures figures = derive(whole.analysis.audit).figures;
    std::erase_if(figures, [](const auto& figure) { return is_of_later_runs(figure.first); });
    const Result<Audit> back = restore(whole.run, figures);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_FALSE(back->prediction.valid);
    EXPECT_EQ(back->prediction.reason, "");
}

TEST(Figures, SayWhetherMaxStepsEndedTheRecording) {
    Analyzed whole(5);
    whole.run.info.max_steps = 1000;
    run::Figures figures = derive(whole.analysis.audit).figures;
    EXPECT_FALSE(restore(whole.run, figures)->stopped);
    figures["stopped"] = std::int64_t{1};
    EXPECT_TRUE(restore(whole.run, figures)->stopped);
    figures.erase("stopped");
    EXPECT_TRUE(restore(whole.run, figures)->stopped);
    whole.run.info.max_steps.reset();
    EXPECT_FALSE(restore(whole.run, figures)->stopped);
}

// ---- what is kept of a long run

std::vector<Span> kept_of(const Analyzed& whole, std::size_t thread, KeptSpans& kept) {
    std::vector<Span> spans;
    for (const Span& span : whole.run.threads[thread].spans)
        if (kept.keep(thread, span)) spans.push_back(span);
    return spans;
}

std::vector<Nanoseconds> starts(const std::vector<Span>& spans, Kind wanted) {
    std::vector<Nanoseconds> found;
    for (const Span& span : spans)
        if (kind(span) == wanted) found.push_back(span.start);
    return found;
}

TEST(Kept, IsAllOfAShortRun) {
    const Analyzed whole(50);
    EXPECT_TRUE(KeptSpans(whole.recording, whole.analysis).all());
}

TEST(Kept, AreTheFirstTheSlowestAndSomeStepsWithTheirFetches) {
    const Analyzed whole(400);
    const KeptLimits limits{
        .whole = 100, .rare = 5, .first_spans = 20, .first_steps = 2, .slowest_steps = 1, .spread_steps = 4};
    KeptSpans kept(whole.recording, whole.analysis, limits);
    EXPECT_FALSE(kept.all());
    const std::vector<Span> trainer = kept_of(whole, 0, kept);
    const std::vector<Span> worker = kept_of(whole, 1, kept);
    // Step i has its optimizer 10 ms after its begin, steps are 11 ms, and a pause of 99 ms stands behind step 200.
    const auto begin = [](int step) { return ms(2 + (step - 1) * step_ms + (step > 200 ? 9 * step_ms : 0)); };
    const std::vector<Nanoseconds> waits = starts(trainer, Kind::wait);
    std::vector<Nanoseconds> expected{begin(1), begin(2), begin(3), begin(101), begin(201), begin(301)};
    EXPECT_EQ(waits.front(), expected.front());
    for (const Nanoseconds wait : expected) EXPECT_EQ(std::count(waits.begin(), waits.end(), wait), 1) << wait;
    EXPECT_LE(waits.size(), expected.size() + 2);  // of the first spans
    EXPECT_EQ(starts(trainer, Kind::backward).size(), starts(trainer, Kind::optimizer).size());
    const std::vector<Nanoseconds> fetches = starts(worker, Kind::fetch);
    for (const Nanoseconds wait : expected) EXPECT_EQ(std::count(fetches.begin(), fetches.end(), wait), 1) << wait;
    EXPECT_LE(fetches.size(), 14U);
    // What is rare is there with its text.
    EXPECT_EQ(starts(trainer, Kind::phase).size(), 1U);
    EXPECT_EQ(trainer.back().text, "the end");
    EXPECT_EQ(starts(trainer, Kind::loader).size(), 1U);
}

}  // namespace
}  // namespace headrace::audit
