// The spans of a thread by their begin, outer before inner: the order in which a stack of intervals is walked. The
// spool has them by their end. Memory is two windows of the recording and the covering spans.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "audit/recording.h"

namespace headrace::audit {

// Outer before inner where they begin together.
template <class X, class Y>
bool begins_before(const X& x, const Y& y) {
    return x.start != y.start ? x.start < y.start : x.duration > y.duration;
}

// All spans of one thread; open ones end at `end`.
class OrderedSpans {
public:
    OrderedSpans(const Recording& recording, std::size_t thread, Nanoseconds end);

    // The next span, null at the end. It stays where it is until pop(), which follows a peek() that gave one.
    const Span* peek();
    void pop() { ++(outer_ ? next_covering_ : next_); }

private:
    struct Key {
        Nanoseconds start;
        Nanoseconds duration;
        std::size_t place;  // in buffer_
    };

    void fill();
    void give_back();
    void insert(std::size_t place);
    void close(Span& span) const;

    std::size_t window_;
    Nanoseconds end_;
    NamedSpans source_;
    CoveringRule rule_;
    bool at_end_ = false;
    std::vector<Span> covering_;
    std::size_t next_covering_ = 0;
    bool outer_ = false;  // what peek() gave is a covering one
    std::vector<Span> buffer_;
    std::vector<std::size_t> free_;  // places in buffer_
    std::vector<Key> order_;
    std::size_t next_ = 0;     // in order_
    std::size_t ordered_ = 0;  // before this place of order_ nothing comes any more
};

}  // namespace headrace::audit
