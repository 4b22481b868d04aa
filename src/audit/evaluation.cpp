#include "audit/evaluation.h"

#include <algorithm>
#include <set>

namespace headrace::audit {
namespace {

// A stretch in which an evaluation can lie: after a training step, up to the next request for a training batch.
struct Gap {
    Range range;
    bool last = false;  // nothing of training follows
};

std::vector<Gap> gaps_between_steps(const Trainer& trainer) {
    std::vector<Nanoseconds> requests;
    for (const Pass& pass : trainer.passes) {
        if (pass.training) {
            requests.push_back(pass.iter_begin);
            for (const Span* wait : pass.waits) {
                if (wait->b != spool::wait_ended) {  // the request that found the epoch over asked for no batch
                    requests.push_back(wait->start);
                }
            }
        }
    }
    std::sort(requests.begin(), requests.end());
    std::vector<Nanoseconds> begins{trainer.window.begin};
    begins.insert(begins.end(), trainer.steps.begin(), trainer.steps.end());
    std::vector<Gap> gaps;
    for (std::size_t i = 0; i < begins.size(); ++i) {
        const auto request = std::lower_bound(requests.begin(), requests.end(), begins[i]);
        const bool last = request == requests.end();
        Nanoseconds end = last ? trainer.window.end : *request;
        if (i + 1 < begins.size()) {
            end = std::min(end, begins[i + 1]);
        }
        gaps.push_back({{begins[i], end}, last && i + 1 == begins.size()});
    }
    return gaps;
}

using Cursor = std::vector<const Span*>::const_iterator;

// The forwards of a gap that no backward of the same gap follows.
std::vector<const Span*> forwards_alone(Cursor begin, Cursor end) {
    std::vector<const Span*> forwards;
    for (Cursor at = begin; at != end; ++at) {
        if (kind(**at) == Kind::forward) {
            forwards.push_back(*at);
        } else if (kind(**at) == Kind::backward) {
            forwards.clear();
        }
    }
    return forwards;
}

// Where the evaluation whose first forward is given begins: at the nearest eval() before it, otherwise at the first
// sign of its loader, otherwise at the forward itself.
struct Begin {
    Nanoseconds at;
    bool marked;  // by eval()
};
Begin evaluation_begin(Cursor begin, Cursor end, const Span& forward, Nanoseconds earliest) {
    Nanoseconds mode = -1;
    Nanoseconds loader = forward.start;
    for (Cursor at = begin; at != end && (*at)->start <= forward.start; ++at) {
        if ((*at)->start < earliest) {
            continue;
        }
        if (kind(**at) == Kind::train_mode && (*at)->b == 0) {
            mode = (*at)->start;
        } else if (kind(**at) == Kind::iter) {
            loader = (*at)->start;
        }
    }
    return mode >= 0 ? Begin{mode, true} : Begin{loader, false};
}

// Where it ends: at train() after its begin, otherwise with the gap; with its own last sign in the last gap, and where
// no eval() began it: what follows may be anything.
Nanoseconds evaluation_end(Cursor begin, Cursor end, const Gap& gap, const Begin& from) {
    Nanoseconds last_sign = from.at;
    for (Cursor at = begin; at != end; ++at) {
        if ((*at)->start < from.at) {
            continue;
        }
        if (kind(**at) == Kind::train_mode && (*at)->b == 1) {
            return (*at)->start;
        }
        if (kind(**at) == Kind::forward || is_wait(**at)) {
            last_sign = std::max(last_sign, std::min(end_of(**at), gap.range.end));
        }
    }
    return gap.last || !from.marked ? last_sign : gap.range.end;
}

// An evaluation that stands between a batch and its step, at the top of the loop's body: from eval() to train(), with
// forwards in it and neither a backward nor a request for a training batch.
std::vector<Range> marked_evaluations(const Trainer& trainer) {
    std::set<const Span*> requests;
    for (const Pass& pass : trainer.passes) {
        if (pass.training) {
            requests.insert(pass.waits.begin(), pass.waits.end());
        }
    }
    std::vector<Range> found;
    constexpr Nanoseconds none = -1;
    Nanoseconds begin = none;
    bool forward = false;
    for (const Span* span : trainer.spans) {
        const bool mode = kind(*span) == Kind::train_mode;
        if (mode && span->b == 0) {
            begin = begin == none ? span->start : begin;
        } else if (kind(*span) == Kind::forward) {
            forward = begin != none;
        } else if (mode || kind(*span) == Kind::backward || kind(*span) == Kind::optimizer ||
                   requests.count(span) != 0) {
            if (mode && forward) {
                found.push_back({begin, span->start});
            }
            begin = none;
            forward = false;
        }
    }
    return found;
}

// Those that overlap none that is known already.
void add_marked(Trainer& trainer) {
    std::vector<Range>& known = trainer.evaluations;
    const std::size_t before = known.size();
    for (const Range& range : marked_evaluations(trainer)) {
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

void find_evaluations(Trainer& trainer) {
    const auto by_start = [](const Span* span, Nanoseconds t) { return span->start < t; };
    for (const Gap& gap : gaps_between_steps(trainer)) {
        const Cursor begin = std::lower_bound(trainer.spans.cbegin(), trainer.spans.cend(), gap.range.begin, by_start);
        const Cursor end = std::lower_bound(begin, trainer.spans.cend(), gap.range.end, by_start);
        Nanoseconds done = gap.range.begin;
        for (const Span* forward : forwards_alone(begin, end)) {
            if (forward->start < done) {
                continue;
            }
            const Begin from = evaluation_begin(begin, end, *forward, done);
            const Nanoseconds until = std::max(evaluation_end(begin, end, gap, from), end_of(*forward));
            trainer.evaluations.push_back({from.at, std::min(until, gap.range.end)});
            done = until;
        }
    }
    add_marked(trainer);
}

}  // namespace headrace::audit
