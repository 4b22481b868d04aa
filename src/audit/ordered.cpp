#include "audit/ordered.h"

#include <algorithm>

namespace headrace::audit {

OrderedSpans::OrderedSpans(const Recording& recording, std::size_t thread, Nanoseconds end)
    : window_(recording.window), end_(end), source_(recording.open(thread)), rule_(recording.window) {
    covering_ = recording.threads[thread].covering;
    for (Span& span : covering_) {
        close(span);
    }
    std::stable_sort(covering_.begin(), covering_.end(),
                     [](const Span& x, const Span& y) { return begins_before(x, y); });
}

void OrderedSpans::close(Span& span) const {
    if (span.open) {
        span.duration = std::max<Nanoseconds>(0, end_ - span.start);
    }
}

// The places of what was given out are free again.
void OrderedSpans::give_back() {
    for (std::size_t i = 0; i < next_; ++i) {
        free_.push_back(order_[i].place);
    }
    order_.erase(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(next_));
    next_ = 0;
}

// By insertion from behind: a span passes those that ended inside it, so each is passed once by every one around it.
void OrderedSpans::insert(std::size_t place) {
    const Key key{buffer_[place].start, buffer_[place].duration, place};
    order_.push_back(key);
    std::size_t at = order_.size() - 1;
    for (; at > 0 && begins_before(key, order_[at - 1]); --at) {
        order_[at] = order_[at - 1];
    }
    order_[at] = key;
}

void OrderedSpans::fill() {
    give_back();
    for (std::size_t read = 0; read < window_ && !at_end_; ++read) {
        if (free_.empty()) {
            free_.push_back(buffer_.size());
            buffer_.emplace_back();
        }
        Span& span = buffer_[free_.back()];
        at_end_ = !source_.next(span);
        if (!at_end_ && !rule_.covers(span)) {
            close(span);
            insert(free_.back());
            free_.pop_back();
        }
    }
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
    outer_ = outer != nullptr && (inner == nullptr || begins_before(*outer, *inner));
    return outer_ ? outer : inner;
}

}  // namespace headrace::audit
