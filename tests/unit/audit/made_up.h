// Made-up runs for the tests of the audit: a small language for what a thread recorded. Times are in milliseconds.
#pragma once

#include <cstddef>
#include <numeric>
#include <string>
#include <utility>

#include "headrace/ledger.h"
#include "headrace/run.h"
#include "run/spool_format.h"

namespace headrace::made_up {

using spool::Kind;

inline Nanoseconds ms(double milliseconds) { return static_cast<Nanoseconds>(milliseconds * 1e6); }

inline constexpr std::uint32_t program_pid = 100;
inline constexpr std::uint64_t train_loader = 1, train_iterator = 2, eval_loader = 3, eval_iterator = 4;
inline constexpr double near = 1e-6;  // of two times that should be equal

inline double entry(const Ledger& ledger, Entry e) { return ledger.seconds[static_cast<std::size_t>(e)] * 1e3; }
inline double stage(const Ledger& ledger, Stage s) { return ledger.wait_seconds[static_cast<std::size_t>(s)] * 1e3; }
inline double sum(const Ledger& ledger) {
    return std::accumulate(ledger.seconds.begin(), ledger.seconds.end(), 0.0) * 1e3;
}

class Thread {
public:
    explicit Thread(std::uint32_t pid, bool main = true) {
        record_.pid = pid;
        record_.tid = main ? pid : pid + 1;
        record_.main_thread = main;
    }
    Thread& interval(Kind kind, double begin, double end, std::uint64_t a = 0, std::uint64_t b = 0) {
        Span span;
        span.kind = static_cast<std::uint8_t>(kind);
        span.start = ms(begin);
        span.duration = ms(end) - ms(begin);
        span.a = a;
        span.b = b;
        record_.spans.push_back(span);
        return *this;
    }
    Thread& moment(Kind kind, double at, std::uint64_t a = 0, std::uint64_t b = 0) {
        return interval(kind, at, at, a, b);
    }
    Thread& open(Kind kind, double begin) {
        moment(kind, begin);
        record_.spans.back().open = true;
        return *this;
    }
    Thread& text(spool::TextKind kind, std::string text) {
        moment(Kind::text, 0, text.size(), static_cast<std::uint64_t>(kind));
        record_.spans.back().text = std::move(text);
        return *this;
    }
    ThreadRecord& record() { return record_; }

private:
    ThreadRecord record_;
};

// One step of a plain loop whose wait begins at `at`: 4 ms wait, 1 host, 2 forward, 3 backward, 1 optimizer.
inline void step(Thread& thread, double at, std::uint64_t iterator, std::uint64_t number = 0) {
    thread.interval(Kind::wait, at, at + 4, iterator, number)
        .interval(Kind::forward, at + 5, at + 7)
        .interval(Kind::backward, at + 7, at + 10)
        .interval(Kind::optimizer, at + 10, at + 11);
}
inline constexpr double step_ms = 11;

inline Run run_of(std::vector<Thread> threads, double end) {
    Run run;
    run.info.id = "made-up";
    run.info.child_pid = program_pid;
    run.info.started_ns = 0;
    run.info.ended_ns = ms(end);
    run.info.exit_code = 0;
    run.info.outcome = Outcome::finished;
    for (Thread& thread : threads) {
        run.threads.push_back(thread.record());
    }
    return run;
}

}  // namespace headrace::made_up
