// The figures of a run are the same however few of its spans are looked at together.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "audit/analyze.h"
#include "audit/figures.h"
#include "audit/made_up.h"
#include "run/spans.h"

namespace headrace::audit {
namespace {

using namespace made_up;

run::Figures figures(const Run& run, std::size_t window) {
    const run::SpansInMemory spans(run);
    return derive(analyze(Recording(run, spans, window)).audit).figures;
}

// Nested intervals of any kind in the order of their end, as a thread records them.
class AnyThread {
public:
    AnyThread(Thread& thread, std::mt19937& random) : thread_(thread), random_(random) {}

    // Fills [at, end), at most so deep; gives the time after the last.
    double fill(double at, double end, int depth) {
        while (at + 1 < end) {
            const double begin = at + 0.25 * static_cast<double>(below(3));
            const double until = std::min(end, begin + 0.25 * static_cast<double>(1 + below(depth > 0 ? 60 : 6)));
            if (begin >= until) break;
            if (depth > 0) fill(begin, until, depth - 1);
            record(begin, until);
            at = until;
        }
        return at;
    }

private:
    std::size_t below(std::size_t limit) { return random_() % limit; }

    void record(double begin, double end) {
        static constexpr Kind kinds[] = {Kind::wait,       Kind::wait,     Kind::forward,    Kind::forward,
                                         Kind::backward,   Kind::backward, Kind::optimizer,  Kind::iter,
                                         Kind::train_mode, Kind::logging,  Kind::checkpoint, Kind::fetch,
                                         Kind::collate,    Kind::phase,    Kind::handover,   Kind::step};
        const Kind kind = kinds[below(std::size(kinds))];
        const auto loader = 1 + below(3);
        if (kind == Kind::train_mode || kind == Kind::step) {
            thread_.moment(kind, end, 1, loader % 2);
        } else if (kind == Kind::iter) {
            thread_.interval(kind, begin, end, loader, loader + 10);
            thread_.moment(Kind::worker, end, loader + 10, 200 + loader);
        } else if (kind == Kind::wait) {
            thread_.interval(kind, begin, end, loader + 10, below(5) == 0 ? spool::wait_ended : ++batch_);
        } else {
            thread_.interval(kind, begin, end, loader, loader);
        }
        if (kind == Kind::phase) {
            const char* names[] = {"evaluation", "checkpoint", "logging", "setup", "input", "mine", "other"};
            thread_.text(spool::TextKind::phase_name, names[below(7)]);
        }
    }

    Thread& thread_;
    std::mt19937& random_;
    std::uint64_t batch_ = 0;
};

RC_GTEST_PROP(Windows, ChangeNoFigure, (std::uint32_t seed)) {
    std::mt19937 random(seed);
    constexpr double end = 400;
    Thread main(program_pid);
    main.moment(Kind::interpreter, 1).moment(Kind::group, 1, 0, 2);
    AnyThread(main, random).fill(2, end, static_cast<int>(seed % 4));
    main.open(Kind::forward, end - 1);
    Thread ahead(program_pid, false);
    if (random() % 2 == 0) AnyThread(ahead, random).fill(2, end, 2);
    Thread other(300);
    other.moment(Kind::group, 1, 1, 2);
    AnyThread(other, random).fill(2, end, 2);
    Thread worker(201);
    std::uint64_t number = 0;
    for (double at = 3; at < end; at += 7) {
        if (number % 3 == 0) {
            worker.interval(Kind::brief_fetch, at, at + 5, static_cast<std::uint64_t>(ms(1)), 4);
        } else {
            worker.interval(Kind::collate, at + 4, at + 5, 10, 20).interval(Kind::fetch, at, at + 5, 1000, 4);
            worker.interval(Kind::fetch_samples, at, at + 4, 500, 100).moment(Kind::cpu, at + 5, 700, 300);
        }
        worker.moment(Kind::put, at + 5, 0, ++number);
    }
    const Run run = run_of({main, ahead, other, worker}, end + 5);
    const run::Figures whole = figures(run, 1 << 20);
    for (const std::size_t window : {1U, 2U, 5U, 64U}) RC_ASSERT(figures(run, window) == whole);
}

// A loop in a phase, with so many spans inside that it comes late in every window.
TEST(Windows, FindAnIntervalAroundEverything) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0).interval(Kind::iter, 1, 2, 1, 2);
    for (double at = 2; at < 2000; at += step_ms) step(t, at, 2);
    t.interval(Kind::phase, 0.5, 2010).text(spool::TextKind::phase_name, "the loop");
    headrace::Run run = run_of({t}, 2020);
    run.outside.resize(2);
    run.outside[1].when = ms(2020);
    const run::Figures small = figures(run, 4);
    EXPECT_EQ(small, figures(run, 1 << 20));
    EXPECT_EQ(std::get<std::string>(small.at("marked.0.name")), "the loop");
    EXPECT_NEAR(std::get<double>(small.at("marked.0.seconds")), 2.0095, 1e-9);
    EXPECT_EQ(std::get<std::int64_t>(small.at("marked.0.count")), 1);
}

// A spool that somebody cuts while it is read gives fewer spans at each look.
class Shrinking final : public run::SpanSource {
public:
    explicit Shrinking(const Run& run) : whole_(run), run_(run) {}

    std::unique_ptr<run::SpanReader> open(std::size_t thread) const override {
        return std::make_unique<Reader>(whole_.open(thread), run_.threads[thread].spans.size() * 4 / (4 + looks_++));
    }

private:
    class Reader final : public run::SpanReader {
    public:
        Reader(std::unique_ptr<run::SpanReader> whole, std::size_t left) : whole_(std::move(whole)), left_(left) {}
        bool next(Span& span) override { return left_ > 0 && left_-- > 0 && whole_->next(span); }

    private:
        std::unique_ptr<run::SpanReader> whole_;
        std::size_t left_;
    };

    run::SpansInMemory whole_;
    const Run& run_;
    mutable std::size_t looks_ = 0;
};

RC_GTEST_PROP(Windows, SurviveASpoolThatIsCutMeanwhile, (std::uint32_t seed)) {
    std::mt19937 random(seed);
    Thread main(program_pid);
    main.moment(Kind::interpreter, 1).interval(Kind::iter, 1, 2, 1, 11);
    AnyThread(main, random).fill(2, 200, 2);
    for (double at = 200; at < 300; at += step_ms) step(main, at, 11);
    main.interval(Kind::wait, 1.5, 310, 13);  // around everything
    const Run run = run_of({main}, 320);
    const Shrinking spans(run);
    const Ledger ledger = analyze(Recording(run, spans, 3)).audit.ranks.at(0);
    const double sum = std::accumulate(ledger.seconds.begin(), ledger.seconds.end(), 0.0);
    RC_ASSERT(std::abs(sum - ledger.wall_seconds) < 1e-6);
}

}  // namespace
}  // namespace headrace::audit
