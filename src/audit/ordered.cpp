#include "audit/ordered.h"

#include <algorithm>
#include <utility>

namespace headrace::audit {

OrderedSpans::OrderedSpans(const Recording& recording, std::size_t thread, Nanoseconds end)
    : window_(recording.window), end_(end), source_(recording.open(thread)), rule_(recording.window) {
    covering_ = recording.threads[thread].covering;
    for (Span& span : covering_) {
        close(span);
    }
    std::stable_sort(covering_.begin(), covering_.end(), begins_before);
}

void OrderedSpans::close(Span& span) const {
    if (span.open) {
        span.duration = std::max<Nanoseconds>(0, end_ - span.start);
    }
}

// Keeps what is not given out yet and reads the next window behind it.
void OrderedSpans::fill() {
    std::vector<Span> kept;
    kept.reserve(order_.size() - next_ + window_);
    for (; next_ < order_.size(); ++next_) {
        kept.push_back(std::move(buffer_[order_[next_].place]));
    }
    buffer_ = std::move(kept);
    std::size_t read = 0;
    for (Span span; read < window_ && !at_end_; ++read) {
        at_end_ = !source_.next(span);
        if (!at_end_ && !rule_.covers(span)) {
            close(span);
            buffer_.push_back(std::move(span));
        }
    }
    order_.clear();
    for (std::size_t i = 0; i < buffer_.size(); ++i) {
        order_.push_back({buffer_[i].start, buffer_[i].duration, i});
    }
    std::sort(order_.begin(), order_.end(), [](const Key& x, const Key& y) {
        if (x.start != y.start) {
            return x.start < y.start;
        }
        return x.duration != y.duration ? x.duration > y.duration : x.place < y.place;
    });
    next_ = 0;
    const auto open_end = at_end_ ? order_.end()
                                  : std::lower_bound(order_.begin(), order_.end(), rule_.nothing_before(),
                                                     [](const Key& key, Nanoseconds t) { return key.start < t; });
    ordered_ = static_cast<std::size_t>(open_end - order_.begin());
}

const Span* OrderedSpans::peek() {
    while (next_ == ordered_ && !at_end_) {
        fill();
    }
    const Span* inner = next_ < ordered_ ? &buffer_[order_[next_].place] : nullptr;
    const Span* outer = next_covering_ < covering_.size() ? &covering_[next_covering_] : nullptr;
    if (inner == nullptr || outer == nullptr) {
        return inner != nullptr ? inner : outer;
    }
    return begins_before(*outer, *inner) ? outer : inner;
}

void OrderedSpans::pop() {
    const bool covering = next_covering_ < covering_.size() && peek() == &covering_[next_covering_];
    ++(covering ? next_covering_ : next_);
}

}  // namespace headrace::audit
