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

// Whether this shows that the training batch that was asked for last may never be used: its loop was left, or an
// evaluation stands before its step. If it is used, its backward takes back what was found since.
bool leaves_batch(const Span& span, const Pass* pass) {
    return pass != nullptr ? kind(span) != Kind::worker : kind(span) == Kind::train_mode && span.b == 0;
}

}  // namespace

EvaluationFinder::EvaluationFinder(const Trainer& trainer) : trainer_(trainer), trained_(!trainer.steps.empty()) {
    begin_gap(trainer.window.begin);
}

void EvaluationFinder::see(const Span& span, const Pass* pass) {
    if (is_wait(span)) {
        asked_ = span.b == spool::wait_ended ? nullptr : pass;
    } else if (kind(span) == Kind::train_mode && span.b == 1) {
        asked_ = nullptr;
    }
    if (takes_gradients(span)) {
        return;
    }
    see_answer(span);
    see_marked(span, pass);
    while (steps_ < trainer_.steps.size() && trainer_.steps[steps_] <= span.start) {
        if (in_gap_) {
            close_gap(trainer_.steps[steps_], false);
        }
        begin_gap(trainer_.steps[steps_++]);
    }
    // The request that found the epoch over asked for no batch.
    const bool request = pass != nullptr && pass->training &&
                         (span.start == pass->iter_begin || (is_wait(span) && span.b != spool::wait_ended));
    if (!in_gap_ && !request && leaves_batch(span, pass)) {
        begin_gap(span.start);
    }
    if (!in_gap_ || span.start < gap_begin_) {
        return;
    }
    if (request) {
        close_gap(span.start, false);
    } else {
        see_in_vain(span, pass);
        see_in_gap(span);
    }
}

// Whether its loader, or one that is made alike, feeds the training in another pass.
bool EvaluationFinder::trains(const Pass& pass) const {
    const auto& loaders = trainer_.loaders;
    return pass.used && std::any_of(loaders.begin(), loaders.end(), [&](const UsedLoader& loader) {
               return loader.training && loader.config == loaders[*pass.used].config;
           });
}

// One that got no batch, because its first one is stuck or failed, has no forward.
void EvaluationFinder::see_in_vain(const Span& span, const Pass* pass) {
    if (kind(span) != Kind::wait || pass->came != Came::in_vain || trains(*pass)) return;
    if (eval_ && train_ < eval_->at && pass->iter_begin >= eval_->at) in_vain_ = Range{eval_->at, end_of(span)};
}

void EvaluationFinder::begin_gap(Nanoseconds begin) {
    in_gap_ = true;
    gap_begin_ = done_ = begin;
    gap_found_ = found_.size();
    eval_.reset();
    to_train_.clear();
    iter_ = train_ = wait_end_ = fed_begin_ = fed_end_ = none;
    forward_due_ = modes_ = false;
    in_vain_.reset();
    current_.reset();
}

// The forwards of the gap that no backward of the same gap follows are evaluation.
void EvaluationFinder::see_in_gap(const Span& span) {
    switch (kind(span)) {
        case Kind::train_mode:
            return see_mode(span);
        case Kind::iter:
            if (span.start >= done_) {
                iter_ = span.start;
            }
            return;
        case Kind::forward:
            return see_forward(span);
        case Kind::backward:
            return see_backward();
        case Kind::wait:
        case Kind::handover:
            see_batch(span);
            wait_end_ = std::max(wait_end_, end_of(span));
            if (current_) {
                current_->last_sign = std::max(current_->last_sign, end_of(span));
            }
            return;
        default:
            return;
    }
}

// Of a loader that feeds no training.
void EvaluationFinder::see_batch(const Span& span) {
    if (!trained_ || span.start < done_ || span.b == spool::wait_ended) {
        return;
    }
    iter_ = iter_ == none ? span.start : iter_;  // its iterator was there before
    fed_begin_ = fed_begin_ == none ? iter_ : fed_begin_;
    forward_due_ = true;
}

// Of a backward that belongs to an evaluation: it is a sign of it like its forwards.
bool EvaluationFinder::takes_gradients(const Span& span) {
    if (kind(span) != Kind::backward || asked_ == nullptr || !asked_->takes_gradients) {
        return false;
    }
    if (current_) {
        current_->last_sign = std::max(current_->last_sign, end_of(span));
    }
    return true;
}

// Where the training asks no loader for its batches, an evaluation without modes is known by its own loader's: up to
// the first forward of the last of them, because the next one may be that of the step.
void EvaluationFinder::see_backward() {
    found_.resize(gap_found_);
    current_.reset();
    in_vain_.reset();
    done_ = gap_begin_;
    if (fed_end_ != none && !modes_) {
        found_.push_back({fed_begin_, fed_end_});
        gap_found_ = found_.size();
        done_ = fed_end_;
    }
    fed_begin_ = fed_end_ = none;
    forward_due_ = false;
}

void EvaluationFinder::see_mode(const Span& span) {
    if (span.b > 1 || span.start < done_) {
        return;
    }
    modes_ = true;
    if (span.b == 0) {
        eval_ = Eval{span.start, span.a};
        to_train_.clear();
        return;
    }
    train_ = span.start;
    if (!trained_ && eval_) {
        to_train_.insert(span.a);
    }
    if (current_ && (trained_ || set_to_train(current_->module))) {
        end_current(std::max(span.start, current_->first_end));
    }
}

// Whether a forward of this module does not stand under the last eval(): a train() of a part, such as its dropout,
// takes nothing back. 0: unknown.
bool EvaluationFinder::set_to_train(std::uint64_t module) const {
    return !to_train_.empty() &&
           (module == 0 || to_train_.count(0) + to_train_.count(module) + to_train_.count(eval_->module) != 0);
}

// An evaluation begins at the nearest eval() before its first forward, otherwise at the __iter__ of its loader or,
// where that is older, at the wait for its first batch, otherwise at the forward itself.
void EvaluationFinder::see_forward(const Span& span) {
    if (forward_due_) {
        fed_end_ = end_of(span);
        forward_due_ = false;
    }
    if (current_) {
        current_->last_sign = std::max(current_->last_sign, end_of(span));
        return;
    }
    // Where no step was seen, forwards can be those of a training that failed in its first step.
    if (span.start < done_ || (!trained_ && (!eval_ || set_to_train(span.a)))) {
        return;
    }
    Nanoseconds begin = eval_ ? eval_->at : iter_ != none ? iter_ : span.start;
    if (!trained_) {  // an eval() when the model was loaded: the set-up goes on up to the loader
        begin = std::max(begin, iter_);
    }
    current_ = Current{begin, eval_.has_value(), span.a, end_of(span), std::max(end_of(span), wait_end_)};
    if (trained_ && train_ >= begin) {
        end_current(current_->first_end);
    }
}

void EvaluationFinder::end_current(Nanoseconds until) {
    found_.push_back({current_->begin, until});
    done_ = until;
    current_.reset();
    eval_.reset();
    to_train_.clear();
    iter_ = none;
}

// What follows the last forward may be anything, where no train() says that it still was evaluation.
void EvaluationFinder::close_gap(Nanoseconds end, bool last) {
    if (current_) {
        const bool marked = current_->marked;
        end_current(current_->last_sign);
        if (marked && !last) {
            unanswered_ = Unanswered{found_.size() - 1, end};
        }
    }
    if (found_.size() == gap_found_ && trained_ && in_vain_) {
        found_.push_back(*in_vain_);
    }
    if (found_.size() > gap_found_) {
        found_.back().end = std::min(found_.back().end, end);
    }
    in_gap_ = false;
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
    const bool mode = kind(span) == Kind::train_mode;
    if (mode && span.b == 0) {
        marked_eval_ = marked_eval_ == none ? span.start : marked_eval_;
    } else if (kind(span) == Kind::forward) {
        forward_ = marked_eval_ != none;
    } else if (mode || kind(span) == Kind::backward || kind(span) == Kind::optimizer ||
               (is_wait(span) && pass != nullptr && pass->training)) {
        if (mode && forward_) {
            marked_.push_back({marked_eval_, span.start});
        }
        marked_eval_ = none;
        forward_ = false;
    }
}

std::vector<Range> EvaluationFinder::finish() {
    for (; steps_ < trainer_.steps.size(); ++steps_) {
        if (in_gap_) {
            close_gap(trainer_.steps[steps_], false);
        }
        begin_gap(trainer_.steps[steps_]);
    }
    if (in_gap_) {
        close_gap(trainer_.window.end, true);
    }
    add_marked(marked_, found_);
    return std::move(found_);
}

}  // namespace headrace::audit
