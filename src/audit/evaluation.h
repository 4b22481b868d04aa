// Evaluation is forwards that no backward follows, between the end of a training step (or a training batch that no step
// used) and the next request for a training batch; also with the backwards of a pass that takes gradients. A mode
// switch or no_grad alone is no evaluation: programs call both everywhere. In a program that does not train, forwards
// after eval() are one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "audit/training.h"

namespace headrace::audit {

// Finds the evaluations of a trainer whose passes and steps are known. Sees its spans by their begin; keeps of the gap
// between two steps at which it is only where an evaluation would begin, and the evaluations.
class EvaluationFinder {
public:
    explicit EvaluationFinder(const Trainer& trainer);

    // `pass` is that of an __iter__ or wait.
    void see(const Span& span, const Pass* pass);

    // In order and without overlap.
    std::vector<Range> finish();

private:
    static constexpr Nanoseconds none = -1;

    struct Eval {
        Nanoseconds at;
        std::uint64_t module;
    };
    // An evaluation of the gap that goes on.
    struct Current {
        Nanoseconds begin;
        bool marked;            // by eval()
        std::uint64_t module;   // of its first forward
        Nanoseconds first_end;  // of that forward
        Nanoseconds last_sign;  // end of its last forward or wait
    };
    // An evaluation that eval() began and no train() ended before the next batch was asked for.
    struct Unanswered {
        std::size_t found;  // its place in found_
        Nanoseconds until;  // when the batch was asked for
    };

    void see_answer(const Span& span);
    void see_marked(const Span& span, const Pass* pass);
    void see_in_gap(const Span& span);
    void see_batch(const Span& span);
    void see_backward();
    bool takes_gradients(const Span& span);
    void see_mode(const Span& span);
    void see_forward(const Span& span);
    bool set_to_train(std::uint64_t module) const;
    bool trains(const Pass& pass) const;
    void see_in_vain(const Span& span, const Pass* pass);
    void end_current(Nanoseconds until);
    void begin_gap(Nanoseconds begin);
    void close_gap(Nanoseconds end, bool last);

    const Trainer& trainer_;
    const bool trained_;     // a step was seen
    std::size_t steps_ = 0;  // that have ended
    // A stretch in which an evaluation can lie: after a training step, or after a batch whose loop seems to have been
    // left, up to the next request for a training batch.
    bool in_gap_ = true;
    Nanoseconds gap_begin_ = 0;
    std::size_t gap_found_ = 0;  // so many of found_ are of earlier gaps
    Nanoseconds done_ = 0;       // the last evaluation of the gap ended here
    // The last of the gap, after its last evaluation.
    std::optional<Eval> eval_;
    Nanoseconds iter_ = none;
    Nanoseconds train_ = none;
    Nanoseconds wait_end_ = none;
    Nanoseconds fed_begin_ = none;                // of the first batch of a loader that feeds no training
    Nanoseconds fed_end_ = none;                  // of the first forward after the last of those batches that has one
    std::unordered_set<std::uint64_t> to_train_;  // modules, since eval_; where no step was seen
    std::optional<Current> current_;
    std::optional<Range> in_vain_;  // of a loader that feeds no training and gave no batch
    std::vector<Range> found_;
    // An evaluation that stands between a batch and its step, at the top of the loop's body: from eval() to train(),
    // with forwards in it and neither a backward nor a request for a training batch.
    Nanoseconds marked_eval_ = none;
    bool forward_ = false;
    bool modes_ = false;           // were switched in the gap
    bool forward_due_ = false;     // the last batch of a loader that feeds no training has none yet
    const Pass* asked_ = nullptr;  // that was asked for a batch last and had one, since train()
    std::optional<Unanswered> unanswered_;
    std::vector<Range> marked_;
};

}  // namespace headrace::audit
