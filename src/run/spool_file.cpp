#include "run/spool_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstring>
#include <optional>
#include <utility>

#include "run/kinds.h"
#include "run/spool_slots.h"

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

std::string offset(std::uint64_t slot) { return std::to_string(spool::header_bytes + slot * spool::record_bytes); }

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

// Which kinds have a meaning; asked for every record.
const std::array<bool, kind_limit> known_kinds = [] {
    std::array<bool, kind_limit> known{};
    for (unsigned number = 1; number < kind_limit; ++number) known[number] = is_known(static_cast<Kind>(number));
    return known;
}();

// Slots as spans, up to the first that is not complete.
class Decoder {
public:
    explicit Decoder(Slots slots) : slots_(std::move(slots)) {}

    bool next(Span& span) {
        while (const Record* slot = slots_.next()) {
            if (!slots_.complete()) break;
            const Record record = *slot;
            const Kind kind = spool::kind_of(record.duration_kind);
            span.kind = static_cast<std::uint8_t>(kind);
            span.start = time_of(record.start);
            span.duration = static_cast<Nanoseconds>(spool::duration_of(record.duration_kind));
            span.a = record.a;
            span.b = record.b;
            span.open = false;
            span.text.clear();
            // The payload has to be stepped over even when nothing else of the record makes sense.
            if (kind == Kind::text && !take_text(record, span.text)) break;
            const bool sense =
                known_kinds[static_cast<std::uint8_t>(kind)] && record.start <= static_cast<std::uint64_t>(time_max);
            if (sense) {
                end_ = slots_.position();
                return true;
            }
            if (skipped_++ == 0) first_skipped_ = slots_.position() - 1;
        }
        return false;
    }

    std::uint64_t end() const { return end_; }  // behind the last span
    const std::optional<Error>& error() const { return slots_.error(); }

    void report(std::vector<std::string>& problems) const {
        if (!too_long_.empty()) problems.push_back(too_long_);
        if (skipped_ == 0) return;
        problems.push_back(std::to_string(skipped_) + (skipped_ == 1 ? " record" : " records") +
                           " of unknown kind or impossible time, the first at byte " + offset(first_skipped_) +
                           ", left out");
    }

private:
    // False when the text was not written to its end, or its length cannot be: nothing behind it can be told apart.
    bool take_text(const Record& record, std::string& text) {
        if (record.a > text_bytes_max) {
            too_long_ = "its text at byte " + offset(slots_.position() - 1) + " claims " + std::to_string(record.a) +
                        " bytes, which cannot be; what follows was left out";
            return false;
        }
        for (std::size_t left = static_cast<std::size_t>(record.a); left > 0;) {
            const Record* payload = slots_.next();
            const std::size_t bytes = std::min(left, spool::record_bytes);
            // The writer publishes the record before its text: a zero byte is one that has not been written yet.
            if (payload == nullptr || std::memchr(payload, 0, bytes) != nullptr) return false;
            text.append(reinterpret_cast<const char*>(payload), bytes);
            left -= bytes;
        }
        return true;
    }

    Slots slots_;
    std::uint64_t end_ = 0;
    std::string too_long_;
    std::size_t skipped_ = 0;
    std::uint64_t first_skipped_ = 0;
};

class Survey {
public:
    Survey(const std::filesystem::path& path, const spool::Header& header)
        : path_(path), header_(header), decoder_(Slots(path, 0, Slots::to_the_end, true)) {
        out_.threads.push_back(first_thread(header));
        out_.parts.push_back({path, 0, 0, {}});
        find_open();
    }

    Result<SpoolFile> read() {
        Span span;
        while (decoder_.next(span)) {
            if (static_cast<Kind>(span.kind) == Kind::text && span.b == static_cast<std::uint64_t>(TextKind::thread) &&
                next_thread(span))
                continue;
            out_.parts.back().end = decoder_.end();
            note_end(span);
        }
        if (decoder_.error()) return tl::unexpected<Error>(*decoder_.error());
        for (std::size_t i = 0; i < open_.size(); ++i)
            if (!ended_[i]) out_.parts.back().open.push_back(open_[i]);
        out_.threads.back().full = header_.full != 0;
        out_.threads.back().full_error = header_.full != 0 ? header_.full_error : 0;
        decoder_.report(out_.problems);
        return std::move(out_);
    }

private:
    // A later thread of the same process goes on in this file.
    bool next_thread(const Span& span) {
        std::uint32_t tid = 0;
        const char* end = span.text.data() + span.text.size();
        const auto [parsed, error] = std::from_chars(span.text.data(), end, tid);
        if (error != std::errc{} || parsed != end || tid == 0) {
            out_.problems.push_back("its thread record at byte " + offset(decoder_.end()) + " names no thread");
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
        out_.parts.push_back({path_, decoder_.end(), decoder_.end(), {}});
        ended_.fill(false);
        return true;
    }

    void find_open() {
        const auto depth = static_cast<std::size_t>(std::min<std::uint64_t>(header_.depth, spool::open_depth));
        for (std::size_t i = 0; i < depth; ++i) {
            const spool::Open& open = header_.open[i];
            if (open.kind == 0 || open.kind >= kind_limit || open.start > static_cast<std::uint64_t>(time_max))
                continue;
            Span span;
            span.kind = static_cast<std::uint8_t>(open.kind);
            span.start = static_cast<Nanoseconds>(open.start);
            span.open = true;
            if (static_cast<spool::Kind>(span.kind) == spool::Kind::wait) span.a = header_.waits_on;
            if (known_kinds[span.kind]) open_.push_back(std::move(span));
        }
    }

    // The header was read before the records: an interval that ended meanwhile is among both.
    void note_end(const Span& span) {
        for (std::size_t i = 0; i < open_.size(); ++i)
            ended_[i] = ended_[i] || (open_[i].kind == span.kind && open_[i].start == span.start);
    }

    const std::filesystem::path& path_;
    const spool::Header& header_;
    Decoder decoder_;
    SpoolFile out_;
    std::vector<Span> open_;
    std::array<bool, spool::open_depth> ended_{};
};

Result<spool::Header> read_header(const std::filesystem::path& path) {
    const Result<sys::Descriptor> descriptor = open_spool_file(path);
    if (!descriptor) return tl::unexpected<Error>(descriptor.error());
    spool::Header header{};
    if (const auto got = read_at(descriptor->get(), &header, sizeof header, 0); !got)
        return tl::unexpected<Error>(got.error());
    else if (*got < sizeof header)
        header.magic = 0;
    if (header.magic == 0 || (header.magic == spool::magic && (header.pid == 0 || header.tid == 0)))
        return fail(ErrorCode::damaged, "it holds no whole header: its thread ended, or space did, before it began");
    if (header.magic != spool::magic) return fail(ErrorCode::damaged, "it is no spool file");
    if (header.version > spool::version) {
        return fail(ErrorCode::newer_version, "it has version " + std::to_string(header.version) +
                                                  " of the spool format and this headrace reads up to version " +
                                                  std::to_string(spool::version));
    }
    if (header.version == 0) return fail(ErrorCode::damaged, "its header has no version");
    return header;
}

class PartReader final : public SpanReader {
public:
    PartReader(const SpoolPart& part, std::optional<Error>& failure)
        : decoder_(Slots(part.file, part.first, part.end, false)), open_(part.open), failure_(failure) {}

    bool next(Span& span) override {
        if (decoder_.next(span)) return true;
        if (!failure_) failure_ = decoder_.error();
        if (opened_ == open_.size()) return false;
        span = open_[opened_++];
        return true;
    }

private:
    Decoder decoder_;
    const std::vector<Span>& open_;
    std::optional<Error>& failure_;
    std::size_t opened_ = 0;
};

}  // namespace

Result<SpoolFile> survey_spool_file(const std::filesystem::path& path) {
    const Result<spool::Header> header = read_header(path);
    if (!header) return tl::unexpected<Error>(header.error());
    return Survey(path, *header).read();
}

std::unique_ptr<SpanReader> read_spool_part(const SpoolPart& part, std::optional<Error>& failure) {
    return std::make_unique<PartReader>(part, failure);
}

}  // namespace headrace::run
