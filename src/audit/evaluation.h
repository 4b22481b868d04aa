// Evaluation is forwards that no backward follows, between the end of a training step and the next request for a
// training batch. A mode switch or no_grad alone is no evaluation: programs call both everywhere. In a program that
// does not train, forwards after eval() are one.
#pragma once

#include <cstddef>
#include <vector>

#include "audit/training.h"

namespace headrace::audit {

// Finds the evaluations of a trainer whose passes and steps are known. Sees its spans by their begin; keeps what can
// belong to an evaluation of the gap between two steps at which it is, and the evaluations.
class EvaluationFinder {
public:
    explicit EvaluationFinder(const Trainer& trainer) : trainer_(trainer), gap_begin_(trainer.window.begin) {}

    // `pass` is that of an __iter__ or wait.
    void see(const Span& span, const Pass* pass);

    // In order and without overlap.
    std::vector<Range> finish();

private:
    // What tells whether an evaluation goes on, and where it begins and ends.
    struct Sign {
        enum class What : std::uint8_t { eval_mode, train_mode, iter, forward, backward, wait };
        Nanoseconds start;
        Nanoseconds end;
        What what;
    };

    struct Begin {
        Nanoseconds at;
        bool marked;  // by eval()
    };
    // An evaluation that eval() began and no train() ended before the next batch was asked for.
    struct Unanswered {
        std::size_t found;  // its place in found_
        Nanoseconds until;  // when the batch was asked for
    };

    void see_answer(const Span& span);
    void see_marked(const Span& span, const Pass* pass);
    void add_sign(const Span& span);
    void close_gap(Nanoseconds end, bool last);
    Begin begin_of(std::size_t forward, Nanoseconds earliest) const;
    std::optional<Nanoseconds> train_after(Nanoseconds begin) const;
    Nanoseconds last_sign_after(Nanoseconds begin, Nanoseconds gap_end) const;

    const Trainer& trainer_;
    std::size_t steps_ = 0;  // that have ended
    // A stretch in which an evaluation can lie: after a training step, up to the next request for a training batch.
    bool in_gap_ = true;
    Nanoseconds gap_begin_;
    std::vector<Sign> signs_;
    std::vector<Range> found_;
    // An evaluation that stands between a batch and its step, at the top of the loop's body: from eval() to train(),
    // with forwards in it and neither a backward nor a request for a training batch.
    Nanoseconds eval_ = -1;  // -1: none
    bool forward_ = false;
    std::optional<Unanswered> unanswered_;
    std::vector<Range> marked_;
};

}  // namespace headrace::audit
