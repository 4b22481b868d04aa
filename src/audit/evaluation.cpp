#include "audit/evaluation.h"

#include <algorithm>
#include <utility>

namespace headrace::audit {
namespace {

// Those that overlap none that is known already; `known` is in order.
void add_marked(const std::vector<Range>& marked, std::vector<Range>& known) {
    const std::size_t before = known.size();
    for (const Range& range : marked) {
        const auto end = known.begin() + static_cast<std::ptrdiff_t>(before);
        const auto next =
            std::lower_bound(known.begin(), end, range.begin, [](const Range& r, Nanoseconds t) { return r.end <= t; });
        if (next == end || range.end <= next->begin) {
            known.push_back(range);
        }
    }
    std::sort(known.begin(), known.end(), [](const Range& x, const Range& y) { return x.begin < y.begin; });
}

}  // namespace

void EvaluationFinder::see(const Span& span, const Pass* pass) {
    see_answer(span);
    see_marked(span, pass);
    while (steps_ < trainer_.steps.size() && trainer_.steps[steps_] <= span.start) {
        if (in_gap_) {
            close_gap(trainer_.steps[steps_], false);
        }
        gap_begin_ = trainer_.steps[steps_++];
        in_gap_ = true;
    }
    if (!in_gap_ || span.start < gap_begin_) {
        return;
    }
    // The request that found the epoch over asked for no batch.
    const bool request = pass != nullptr && pass->training &&
                         (span.start == pass->iter_begin || (is_wait(span) && span.b != spool::wait_ended));
    if (request) {
        close_gap(span.start, false);
        in_gap_ = false;
    } else {
        add_sign(span);
    }
}

void EvaluationFinder::add_sign(const Span& span) {
    using What = Sign::What;
    switch (kind(span)) {
        case Kind::train_mode:
            if (span.b <= 1) {
                signs_.push_back({span.start, span.start, span.b == 1 ? What::train_mode : What::eval_mode});
            }
            break;
        case Kind::iter:
            signs_.push_back({span.start, end_of(span), What::iter});
            break;
        case Kind::forward:
            signs_.push_back({span.start, end_of(span), What::forward});
            break;
        case Kind::backward:
            signs_.push_back({span.start, end_of(span), What::backward});
            break;
        case Kind::wait:
        case Kind::handover:
            signs_.push_back({span.start, end_of(span), What::wait});
            break;
        default:
            break;
    }
}

// Where the evaluation whose first forward is given begins: at the nearest eval() before it, otherwise at the first
// sign of its loader, otherwise at the forward itself.
EvaluationFinder::Begin EvaluationFinder::begin_of(std::size_t forward, Nanoseconds earliest) const {
    const Nanoseconds at = signs_[forward].start;
    Nanoseconds loader = at;
    bool iterated = false;
    for (auto sign = signs_.rend() - static_cast<std::ptrdiff_t>(forward); sign != signs_.rend(); ++sign) {
        if (sign->start < earliest) {
            break;
        }
        if (sign->what == Sign::What::eval_mode) {
            return {sign->start, true};
        }
        if (sign->what == Sign::What::iter && !iterated) {
            loader = sign->start;
            iterated = true;
        }
    }
    return {loader, false};
}

// The first train() after the begin of an evaluation, in the gap.
std::optional<Nanoseconds> EvaluationFinder::train_after(Nanoseconds begin) const {
    const auto train = std::find_if(signs_.begin(), signs_.end(), [&](const Sign& s) {
        return s.start >= begin && s.what == Sign::What::train_mode;
    });
    return train != signs_.end() ? std::optional(train->start) : std::nullopt;
}

// The end of the last forward or wait of the gap.
Nanoseconds EvaluationFinder::last_sign_after(Nanoseconds begin, Nanoseconds gap_end) const {
    Nanoseconds last = begin;
    for (const Sign& sign : signs_) {
        if (sign.start >= begin && (sign.what == Sign::What::forward || sign.what == Sign::What::wait)) {
            last = std::max(last, std::min(sign.end, gap_end));
        }
    }
    return last;
}

// The forwards of the gap that no backward of the same gap follows are evaluation.
void EvaluationFinder::close_gap(Nanoseconds end, bool last) {
    std::size_t first = signs_.size();
    while (first > 0 && signs_[first - 1].what != Sign::What::backward) {
        --first;
    }
    Nanoseconds done = gap_begin_;
    for (std::size_t i = first; i < signs_.size(); ++i) {
        if (signs_[i].what != Sign::What::forward || signs_[i].start < done) {
            continue;
        }
        const Begin from = begin_of(i, done);
        const std::optional<Nanoseconds> train = train_after(from.at);
        // Where no step was seen, forwards can be those of a training that failed in its first step.
        if (trainer_.steps.empty() && (!from.marked || (train && *train < signs_[i].start))) {
            continue;
        }
        // What follows the last forward may be anything, where no train() says that it still was evaluation.
        const Nanoseconds until = std::max(train ? *train : last_sign_after(from.at, end), signs_[i].end);
        found_.push_back({from.at, std::min(until, end)});
        if (from.marked && !train && !last) {
            unanswered_ = Unanswered{found_.size() - 1, end};
        }
        done = until;
    }
    signs_.clear();
}

// A train() that comes with the next batch, before it is used, ends the evaluation too: with the request for that
// batch.
void EvaluationFinder::see_answer(const Span& span) {
    if (!unanswered_ || span.start < unanswered_->until) {
        return;
    }
    if (kind(span) == Kind::train_mode && span.b == 1) {
        found_[unanswered_->found].end = unanswered_->until;
        unanswered_.reset();
    } else if (kind(span) == Kind::backward || kind(span) == Kind::optimizer) {
        unanswered_.reset();
    }
}

void EvaluationFinder::see_marked(const Span& span, const Pass* pass) {
    constexpr Nanoseconds none = -1;
    const bool mode = kind(span) == Kind::train_mode;
    if (mode && span.b == 0) {
        eval_ = eval_ == none ? span.start : eval_;
    } else if (kind(span) == Kind::forward) {
        forward_ = eval_ != none;
    } else if (mode || kind(span) == Kind::backward || kind(span) == Kind::optimizer ||
               (is_wait(span) && pass != nullptr && pass->training)) {
        if (mode && forward_) {
            marked_.push_back({eval_, span.start});
        }
        eval_ = none;
        forward_ = false;
    }
}

std::vector<Range> EvaluationFinder::finish() {
    for (; steps_ < trainer_.steps.size(); ++steps_) {
        if (in_gap_) {
            close_gap(trainer_.steps[steps_], false);
        }
        gap_begin_ = trainer_.steps[steps_];
        in_gap_ = true;
    }
    if (in_gap_) {
        close_gap(trainer_.window.end, true);
    }
    add_marked(marked_, found_);
    return std::move(found_);
}

}  // namespace headrace::audit
