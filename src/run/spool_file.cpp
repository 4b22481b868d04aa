#include "run/spool_file.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstring>
#include <optional>

#include "run/kinds.h"

namespace headrace::run {

namespace {

using spool::Kind;
using spool::Record;
using spool::TextKind;

std::optional<int> rank_of(std::uint32_t plus_one) {
    if (plus_one == 0 || plus_one > static_cast<std::uint32_t>(INT_MAX)) return std::nullopt;
    return static_cast<int>(plus_one - 1);
}

Nanoseconds time_of(std::uint64_t value) {
    return value > static_cast<std::uint64_t>(time_max) ? time_max : static_cast<Nanoseconds>(value);
}

ThreadRecord first_thread(const spool::Header& header) {
    ThreadRecord thread;
    thread.pid = header.pid;
    thread.tid = header.tid;
    thread.parent_pid = header.parent_pid;
    thread.main_thread = header.main_thread != 0;
    thread.opened = time_of(header.opened);
    thread.process_start = time_of(header.process_start);
    thread.rank = rank_of(header.rank);
    thread.local_rank = rank_of(header.local_rank);
    thread.dropped = header.dropped;
    thread.hooks = header.hooks;
    thread.self = time_of(header.self_ns);
    thread.disabled = header.disabled;
    thread.call_cost = time_of(header.call_ns);
    return thread;
}

class Decoder {
public:
    explicit Decoder(const SpoolImage& image) : image_(image) { out_.threads.push_back(first_thread(image.header)); }

    DecodedSpool decode() {
        while (at_ < image_.slots.size() && image_.complete[at_] && !stopped_) take_record();
        append_open();
        out_.threads.back().full = image_.header.full != 0;
        report_skipped();
        return std::move(out_);
    }

private:
    static std::string offset(std::size_t slot) {
        return std::to_string(spool::header_bytes + slot * spool::record_bytes);
    }

    void skip() {
        if (skipped_++ == 0) first_skipped_ = at_ - 1;
    }

    void take_record() {
        const Record& record = image_.slots[at_++];
        const Kind kind = spool::kind_of(record.duration_kind);
        Span span;
        span.kind = static_cast<std::uint8_t>(kind);
        span.start = time_of(record.start);
        span.duration = static_cast<Nanoseconds>(spool::duration_of(record.duration_kind));
        span.a = record.a;
        span.b = record.b;
        // The payload has to be stepped over even when nothing else of the record makes sense.
        if (kind == Kind::text && !take_text(record, span.text)) return;
        if (kind == Kind::none || !is_known(kind) || record.start > static_cast<std::uint64_t>(time_max)) return skip();
        if (kind == Kind::text && record.b == static_cast<std::uint64_t>(TextKind::thread) && next_thread(span)) return;
        out_.threads.back().spans.push_back(std::move(span));
    }

    // False when the text was not written to its end, or its length cannot be: nothing behind it can be told apart.
    bool take_text(const Record& record, std::string& text) {
        stopped_ = true;
        if (record.a > text_bytes_max) {
            out_.problems.push_back("its text at byte " + offset(at_ - 1) + " claims " + std::to_string(record.a) +
                                    " bytes, which cannot be; what follows was left out");
            return false;
        }
        const auto length = static_cast<std::size_t>(record.a);
        const std::size_t taken = (length + spool::record_bytes - 1) / spool::record_bytes;
        if (taken > image_.slots.size() - at_) return false;
        const char* payload = reinterpret_cast<const char*>(image_.slots.data() + at_);
        // The writer publishes the record before its text: a zero byte is one that has not been written yet.
        if (length != 0 && std::memchr(payload, 0, length) != nullptr) return false;
        text.assign(payload, length);
        at_ += taken;
        stopped_ = false;
        return true;
    }

    // A later thread of the same process goes on in this file.
    bool next_thread(const Span& span) {
        std::uint32_t tid = 0;
        const char* end = span.text.data() + span.text.size();
        const auto [parsed, error] = std::from_chars(span.text.data(), end, tid);
        if (error != std::errc{} || parsed != end || tid == 0) {
            out_.problems.push_back("its thread record at byte " + offset(at_) + " names no thread");
            return false;
        }
        ThreadRecord thread;
        const ThreadRecord& first = out_.threads.front();
        thread.pid = first.pid;
        thread.tid = tid;
        thread.parent_pid = first.parent_pid;
        thread.main_thread = tid == first.pid;
        thread.opened = span.start;
        thread.process_start = first.process_start;
        thread.rank = first.rank;
        thread.local_rank = first.local_rank;
        thread.call_cost = first.call_cost;
        out_.threads.push_back(std::move(thread));
        return true;
    }

    // The header was read before the records: an interval that ended meanwhile is among both.
    void append_open() {
        std::vector<Span>& spans = out_.threads.back().spans;
        const std::size_t recorded = spans.size();
        const auto depth = static_cast<std::size_t>(std::min<std::uint64_t>(image_.header.depth, spool::open_depth));
        for (std::size_t i = 0; i < depth; ++i) {
            const spool::Open& open = image_.header.open[i];
            if (open.kind == 0 || open.kind >= kind_limit || open.start > static_cast<std::uint64_t>(time_max))
                continue;
            Span span;
            span.kind = static_cast<std::uint8_t>(open.kind);
            span.start = static_cast<Nanoseconds>(open.start);
            span.open = true;
            if (!is_known(static_cast<Kind>(span.kind)) || ended(span, recorded)) continue;
            spans.push_back(std::move(span));
        }
    }

    bool ended(const Span& open, std::size_t recorded) const {
        const std::vector<Span>& spans = out_.threads.back().spans;
        const auto end = spans.begin() + static_cast<std::ptrdiff_t>(recorded);
        return std::any_of(spans.begin(), end,
                           [&](const Span& span) { return span.kind == open.kind && span.start == open.start; });
    }

    void report_skipped() {
        if (skipped_ == 0) return;
        out_.problems.push_back(std::to_string(skipped_) + (skipped_ == 1 ? " record" : " records") +
                                " of unknown kind or impossible time, the first at byte " + offset(first_skipped_) +
                                ", left out");
    }

    const SpoolImage& image_;
    DecodedSpool out_;
    std::size_t at_ = 0;
    bool stopped_ = false;
    std::size_t skipped_ = 0;
    std::size_t first_skipped_ = 0;
};

}  // namespace

DecodedSpool decode_spool(const SpoolImage& image) { return Decoder(image).decode(); }

}  // namespace headrace::run
