#include "audit/passes.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "audit/loader_config.h"

namespace headrace::audit {
namespace {

// A pass that goes on with the workers of an earlier one is another generation of them.
void count_generations(std::vector<Pass>& passes) {
    std::map<std::vector<std::uint32_t>, unsigned> begun;
    for (Pass& pass : passes) {
        if (!pass.workers.empty()) {
            pass.generation = begun[pass.workers]++;
        }
    }
}

// A loader whose batches come between the batches of a training pass, about one for each, feeds the same steps.
bool accompanies(const Pass& pass, const Pass& training) {
    std::size_t gaps = 0;  // between two batches of the training pass, in which there is one of the other
    auto last = training.waits.begin();
    for (const Nanoseconds wait : pass.waits) {
        const auto after = std::upper_bound(last, training.waits.end(), wait);
        gaps += gaps == 0 || after != last ? 1 : 0;
        last = after;
    }
    return static_cast<double>(gaps) >= 0.9 * static_cast<double>(pass.waits.size());
}

constexpr std::size_t least_waits = 3;  // of passes that are compared

// Passes whose batches come between each other's overlap, so that of many that follow each other few are compared.
void mark_accompanying(std::vector<Pass>& passes) {
    std::vector<std::size_t> by_begin;
    for (std::size_t i = 0; i < passes.size(); ++i) {
        if (passes[i].waits.size() >= least_waits) {
            by_begin.push_back(i);
        }
    }
    std::stable_sort(by_begin.begin(), by_begin.end(),
                     [&](std::size_t x, std::size_t y) { return passes[x].waits.front() < passes[y].waits.front(); });
    std::vector<Nanoseconds> last_wait;  // of all passes up to here
    for (const std::size_t i : by_begin) {
        const Nanoseconds before = last_wait.empty() ? 0 : last_wait.back();
        last_wait.push_back(std::max(before, passes[i].waits.back()));
    }
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < passes.size(); ++i) {
        Pass& pass = passes[i];
        if (pass.training || pass.waits.size() < least_waits) {
            continue;
        }
        const auto first = std::lower_bound(last_wait.begin(), last_wait.end(), pass.waits.front());
        auto other = by_begin.begin() + (first - last_wait.begin());
        for (; other != by_begin.end() && passes[*other].waits.front() <= pass.waits.back() && !pass.training;
             ++other) {
            pass.training = passes[*other].training && accompanies(pass, passes[*other]);
        }
    }
}

// Loaders of one configuration that train, or do not.
using Alike = std::pair<std::string_view, bool>;

Alike alike_of(const UsedLoader& loader) { return {loader.config, loader.training}; }

// Of which there are several at a time: their passes overlap, or one is iterated again after another one. What says
// that it is the same one is its serial; its address where that was not recorded.
std::set<Alike> kept_side_by_side(const std::vector<Pass>& passes, const std::vector<UsedLoader>& loaders) {
    using Identity = std::pair<std::uint64_t, std::size_t>;
    struct Last {
        Identity loader;
        Nanoseconds end = -1;     // of the passes up to here
        std::set<Identity> seen;  // loaders
    };
    std::map<Alike, Last> last_of;
    std::set<Alike> several;
    for (const Pass* pass : by_first_request(passes)) {
        const Alike alike = alike_of(loaders[*pass->used]);
        const Identity loader{pass->serial, pass->serial == 0 ? *pass->used : 0};
        Last& last = last_of[alike];
        const bool another = last.end >= 0 && last.loader != loader;
        if (another && (pass->waits.front() < last.end || last.seen.contains(loader))) several.insert(alike);
        last.loader = loader;
        last.end = std::max(last.end, pass->waits.back());
        last.seen.insert(loader);
    }
    return several;
}

}  // namespace

std::vector<const Pass*> by_first_request(const std::vector<Pass>& passes) {
    std::vector<const Pass*> ordered;
    for (const Pass& pass : passes) {
        if (pass.used && !pass.waits.empty()) ordered.push_back(&pass);
    }
    std::stable_sort(ordered.begin(), ordered.end(),
                     [](const Pass* x, const Pass* y) { return x->waits.front() < y->waits.front(); });
    return ordered;
}

// Addresses of Futures that are gone come back.
std::optional<std::size_t> PassNumbers::handed_over(const Span& span) {
    if (span.b == spool::from_future) {
        return begun_++;
    }
    const auto [queue, first] = queues_.try_emplace(span.a, begun_);
    begun_ += first ? 1 : 0;
    return queue->second;
}

std::optional<std::size_t> PassNumbers::see(const Span& span) {
    if (kind(span) == Kind::iter) {
        last_ = begun_;
        latest_[span.b] = begun_;
        return begun_++;
    }
    if (kind(span) == Kind::handover) {
        return handed_over(span);
    }
    if (kind(span) != Kind::worker && kind(span) != Kind::wait) {
        return std::nullopt;
    }
    const bool wait = kind(span) == Kind::wait;
    if (wait && span.open && span.a == 0 && last_) return last_;  // early spools do not say
    auto known = latest_.find(span.a);
    if (known == latest_.end()) {
        if (!wait) return std::nullopt;
        known = latest_.emplace(span.a, begun_++).first;
    }
    if (wait) last_ = known->second;
    return known->second;
}

// A batch is used by the backward that follows it.
void PassFinder::see_use(const Span& span) {
    switch (kind(span)) {
        case Kind::forward:
            forward_ = true;
            return;
        case Kind::backward:
            return see_backward(span);
        case Kind::optimizer:
            return see_optimizer();
        case Kind::train_mode:
            return see_mode(span);
        default:
            return;
    }
}

void PassFinder::see_mode(const Span& span) {
    under_eval_ = span.b == 0;
    if (under_eval_) {
        before_eval_ = before_eval_ ? before_eval_ : Before{current_, batch_, passes_.size()};
        return;
    }
    if (over_) {  // a step that follows is that of something else
        graded_.reset();
    }
    if (before_eval_ && was_evaluated(*before_eval_)) {
        current_ = before_eval_->current;
        batch_ = before_eval_->batch;
    }
    before_eval_.reset();
}

void PassFinder::see_backward(const Span& span) {
    if (batch_ >= 0 && span.start >= batch_) {
        passes_[current_].training = true;
        ++uses_[current_].backwards;
        graded_ = current_;
        ++fed_;
        batch_ = none;
    } else {
        ++unfed_;
    }
    before_eval_.reset();
}

void PassFinder::see_optimizer() {
    optimizers_ = true;
    if (graded_) {
        ++uses_[*graded_].steps;
        graded_.reset();
    }
}

// Of the batch before the one that is being asked for.
void PassFinder::count_batch() {
    if (batch_ >= 0 && forward_) {
        ++uses_[current_].forwards;
    }
}

bool PassFinder::only_evaluates(std::size_t pass) const {
    return unfed_ > fed_ && uses_[pass].forwards >= uses_[pass].backwards;
}

bool PassFinder::takes_gradients(std::size_t pass) const {
    const Uses& uses = uses_[pass];
    return optimizers_ && uses.under_eval && uses.backwards > 0 && uses.steps == 0;
}

// Whether the last batch was for an evaluation between eval() and train(), so that the next backward is that of the
// batch before eval(). A batch that train() comes with has no forward before train(), or a teacher's; but its pass had
// begun before that eval(), or there was no unused batch.
bool PassFinder::was_evaluated(const Before& eval) const {
    return forward_ && (current_ >= eval.passes || (eval.batch != none && current_ != eval.current));
}

// The record of a loader follows the __iter__ of a pass over it.
void PassFinder::see_loader(const Span& span) {
    if (span.a == 0 || span.text.empty()) {
        return;
    }
    std::string config = span.text;
    const std::uint64_t serial = take_serial(config);  // a loader that is made anew each time counts once
    const auto [place, first] = places_.try_emplace({span.a, config}, loaders_.size());
    if (first) {
        loaders_.push_back({span.a, config});
    }
    if (const auto pass = begun_.find(span.a); pass != begun_.end()) {
        passes_[pass->second].used = place->second;
        passes_[pass->second].serial = serial;
    }
}

// Of the wait before.
void PassFinder::see_failed() {
    if (current_ >= passes_.size()) return;
    Came& came = passes_[current_].came;
    if (came == Came::nothing) came = Came::in_vain;
}

void PassFinder::see(const Span& span) {
    see_use(span);
    if (kind(span) == Kind::loader) {
        return see_loader(span);
    }
    if (kind(span) == Kind::failed) {
        return see_failed();
    }
    const std::optional<std::size_t> number = numbers_.see(span);
    if (!number) {
        return;
    }
    if (*number == passes_.size()) {
        Pass pass;
        const bool begun = kind(span) == Kind::iter;
        pass.loader = begun ? span.a : 0;
        pass.iterator = begun ? span.b : span.a;
        pass.iter_begin = span.start;
        if (begun) {
            begun_[span.a] = *number;
        }
        passes_.push_back(std::move(pass));
        uses_.push_back({.under_eval = under_eval_});
    }
    Pass& pass = passes_[*number];
    if (kind(span) == Kind::worker) {
        pass.workers.push_back(static_cast<std::uint32_t>(span.b & 0xffffffffU));
    } else if (is_wait(span)) {
        if (pass.waits.empty()) {
            pass.first_batch = end_of(span);
        }
        if (kind(span) != Kind::handover || span.b != spool::from_future) {
            pass.waits.push_back(span.start);
        }
        const bool ended = span.b == spool::wait_ended;
        if (!ended && !span.open) pass.came = Came::batches;
        if (span.open && pass.came == Came::nothing) pass.came = Came::in_vain;
        count_batch();
        current_ = *number;
        over_ = ended;
        batch_ = ended ? none : end_of(span);
        forward_ = forward_ && ended;
    }
}

std::vector<Pass> PassFinder::finish() {
    for (std::size_t pass = 0; pass < passes_.size(); ++pass) {
        passes_[pass].takes_gradients = takes_gradients(pass);
        passes_[pass].training = passes_[pass].training && !only_evaluates(pass) && !passes_[pass].takes_gradients;
    }
    count_generations(passes_);
    mark_accompanying(passes_);
    join_loaders();
    return std::move(passes_);
}

// Alike loaders that are used one after the other are one that is made anew.
void PassFinder::join_loaders() {
    for (const Pass& pass : passes_) {
        if (pass.used && pass.training) loaders_[*pass.used].training = true;
    }
    const std::set<Alike> several = kept_side_by_side(passes_, loaders_);
    std::map<Alike, std::size_t> joined;  // to their place among those that stay
    std::vector<std::size_t> places;
    std::vector<UsedLoader> staying;
    for (const UsedLoader& loader : loaders_) {
        std::size_t place = staying.size();
        if (!several.contains(alike_of(loader))) place = joined.try_emplace(alike_of(loader), place).first->second;
        if (place == staying.size()) staying.push_back(loader);
        places.push_back(place);
    }
    for (Pass& pass : passes_) {
        if (pass.used) pass.used = places[*pass.used];
    }
    loaders_ = std::move(staying);
}

}  // namespace headrace::audit
