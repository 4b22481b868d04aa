#include "audit/recording.h"

#include <algorithm>

namespace headrace::audit {
namespace {

bool is_text(const Span& span, spool::TextKind wanted) {
    return kind(span) == Kind::text && span.b == static_cast<std::uint64_t>(wanted);
}

}  // namespace

bool NamedSpans::next(Span& span) {
    if (has_ahead_) {
        std::swap(span, ahead_);
        has_ahead_ = false;
    } else if (!reader_->next(span)) {
        return false;
    }
    if (kind(span) == Kind::phase || kind(span) == Kind::loader) {
        const bool phase = kind(span) == Kind::phase;
        has_ahead_ = reader_->next(ahead_);
        if (has_ahead_ && is_text(ahead_, phase ? spool::TextKind::phase_name : spool::TextKind::loader_config)) {
            span.text = ahead_.text;
        }
    }
    return true;
}

bool CoveringRule::covers(const Span& span) {
    if (in_window_ == window_) {
        before_last_ = last_;
        last_ = latest_;
        in_window_ = 0;
    }
    ++in_window_;
    latest_ = std::max(latest_, span.start);
    return span.start < before_last_;
}

Recording::Recording(const Run& recorded, const run::SpanSource& spans, std::size_t spans_in_order)
    : run(recorded), source(spans), window(spans_in_order), threads(recorded.threads.size()) {
    for (std::size_t i = 0; i < threads.size(); ++i) {
        threads_of_[run.threads[i].pid].push_back(i);
        read(i);
    }
    find_lives();
}

void Recording::read(std::size_t thread) {
    ThreadFacts& facts = threads[thread];
    NamedSpans spans = open(thread);
    CoveringRule rule(window);
    Fetches fetches;
    for (Span span; spans.next(span);) {
        ++facts.spans;
        ++kinds[span.kind];
        facts.last_end = std::max(facts.last_end, end_of(span));
        if (rule.covers(span)) {
            facts.covering.push_back(span);
        }
        if (const std::optional<Fetch> fetch = fetches.see(span)) facts.fetched += *fetch;
        note(span, facts);
    }
    if (fetches.last()) facts.fetched += *fetches.last();
    fetched += facts.fetched;
}

// The threads of a process belong to the Python that had begun last when they were opened.
void Recording::find_lives() {
    for (const auto& [pid, those] : threads_of_) {
        std::vector<Nanoseconds> begins;
        for (const std::size_t thread : those) {
            if (threads[thread].interpreter) {
                begins.push_back(*threads[thread].interpreter);
            }
        }
        std::sort(begins.begin(), begins.end());
        for (const std::size_t thread : those) {
            const auto later = std::upper_bound(begins.begin(), begins.end(), run.threads[thread].opened);
            threads[thread].life = static_cast<unsigned>(std::max<std::ptrdiff_t>(later - begins.begin(), 1) - 1);
        }
    }
}

void Recording::note(const Span& span, ThreadFacts& facts) {
    switch (kind(span)) {
        case Kind::text:
            return note_text(span, facts);
        case Kind::forward:
            ++facts.forwards;
            break;
        case Kind::backward:
            ++facts.backwards;
            break;
        case Kind::optimizer:
            ++facts.optimizers;
            break;
        case Kind::wait:
            facts.takes_batches = facts.takes_batches || span.b != spool::wait_ended;
            break;
        case Kind::put:
            facts.puts_batches = true;
            break;
        case Kind::send:
            ++facts.sends;
            facts.send_cpu = span.b;
            break;
        case Kind::content:
            facts.hashes = true;
            break;
        case Kind::worker_begin:
            facts.worker = true;
            break;
        case Kind::interpreter:
            facts.interpreter = span.start;
            break;
        case Kind::teardown:
            facts.teardown = span.start;
            break;
        case Kind::group:
            facts.group = {span.a, span.b};
            break;
        case Kind::stopped:
            stopped = std::min(stopped.value_or(span.start), span.start);
            break;
        case Kind::memory:
            device_peak = std::max(device_peak.value_or(0), static_cast<std::int64_t>(span.a));
            break;
        default:
            break;
    }
}

void Recording::note_text(const Span& span, ThreadFacts& facts) {
    if (is_text(span, spool::TextKind::framework)) {
        facts.torch = true;
        framework = span.text;
    } else if (is_text(span, spool::TextKind::disabled)) {
        limits.insert("Switched off: " + span.text);
    } else if (is_text(span, spool::TextKind::limit)) {
        limits.insert(span.text);
    }
}

bool Recording::uses_device() const {
    const auto seen = [&](Kind what) { return kinds[static_cast<std::size_t>(what)] > 0; };
    return seen(Kind::device_wait) || seen(Kind::transfer) || device_peak.value_or(0) > 0;
}

const ProcessRecord* Recording::process_of(std::uint32_t pid) const {
    const auto last = std::find_if(run.processes.rbegin(), run.processes.rend(),
                                   [&](const ProcessRecord& process) { return process.pid == pid; });
    return last == run.processes.rend() ? nullptr : &*last;
}

std::span<const std::size_t> Recording::threads_in(std::uint32_t pid) const {
    const auto found = threads_of_.find(pid);
    return found == threads_of_.end() ? std::span<const std::size_t>() : found->second;
}

Nanoseconds end_of_process(const Recording& recording, std::uint32_t pid) {
    const Run& run = recording.run;
    if (pid == run.info.child_pid && run.info.ended_ns) {
        return *run.info.ended_ns;
    }
    Nanoseconds end = 0;
    for (const ProcessRecord& process : run.processes) {
        if (process.pid == pid && process.end) {
            end = *process.end;
        }
    }
    Nanoseconds last = run.info.started_ns;
    for (const std::size_t thread : recording.threads_in(pid)) {
        last = std::max({last, run.threads[thread].opened, recording.threads[thread].last_end});
    }
    return end != 0 ? std::max(end, last) : last;
}

Nanoseconds last_record(const Recording& recording) {
    Nanoseconds last = recording.run.info.started_ns;
    for (const ThreadFacts& facts : recording.threads) {
        last = std::max(last, facts.last_end);
    }
    return last;
}

}  // namespace headrace::audit
