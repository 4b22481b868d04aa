// Reading what threads recorded from first to last, without holding all of it in memory.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "headrace/result.h"
#include "headrace/run.h"

namespace headrace::run {

// The spans of one thread, in the order in which they ended. One reader is used by one thread of ours at a time.
class SpanReader {
public:
    virtual ~SpanReader() = default;

    // Overwrites `span` with the next one; false at the end. A file that cannot be read any more ends earlier.
    virtual bool next(Span& span) = 0;
};

// The threads of a run, by their place in Run::threads. Each can be read again and again, several at the same time, and
// always gives the same spans. Readers must not outlive their source.
class SpanSource {
public:
    virtual ~SpanSource() = default;

    virtual std::unique_ptr<SpanReader> open(std::size_t thread) const = 0;

    // Why a reader gave fewer spans than there are; the first time.
    virtual std::optional<Error> failure() const { return std::nullopt; }
};

// The spans that Run::threads holds itself.
class SpansInMemory final : public SpanSource {
public:
    explicit SpansInMemory(const Run& run) : run_(run) {}

    std::unique_ptr<SpanReader> open(std::size_t thread) const override {
        return std::make_unique<Reader>(run_.threads[thread].spans);
    }

private:
    class Reader final : public SpanReader {
    public:
        explicit Reader(const std::vector<Span>& spans) : spans_(spans) {}

        bool next(Span& span) override {
            if (at_ == spans_.size()) return false;
            span = spans_[at_++];
            return true;
        }

    private:
        const std::vector<Span>& spans_;
        std::size_t at_ = 0;
    };

    const Run& run_;
};

}  // namespace headrace::run
