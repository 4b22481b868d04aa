#include "audit/intraop.h"

#include <algorithm>

#include "audit/loader_config.h"

namespace headrace::audit {
namespace {

// CPU time of the training thread and of its process between the waits for batches: looks come in pairs, just before a
// wait and just after it.
class StepUsage {
public:
    void see(const Span& span) {
        if (kind(span) == Kind::thread_cpu) {
            after_ = !after_;
            thread_ = static_cast<double>(span.a);
        } else if (kind(span) == Kind::process_cpu) {
            const auto process = static_cast<double>(span.a);
            if (!after_ && began_) {
                thread_sum_ += std::max(0.0, thread_ - began_->thread);
                process_sum_ += std::max(0.0, process - began_->process);
            }
            began_.reset();
            if (after_) began_ = Sums{thread_, process};
        }
    }

    std::optional<double> together() const {
        if (thread_sum_ <= 0) return std::nullopt;
        return std::max(1.0, process_sum_ / thread_sum_);
    }

private:
    struct Sums {
        double thread, process;
    };

    bool after_ = true;  // the wait: the first look comes before one
    double thread_ = 0;
    std::optional<Sums> began_;
    double thread_sum_ = 0, process_sum_ = 0;  // nanoseconds
};

}  // namespace

std::optional<compute::ProcessThreads> intraop_threads(const Recording& recording, const Trainer& trainer) {
    std::optional<std::uint64_t> threads;
    for (const UsedLoader& used : trainer.loaders) {
        if (used.training) threads = loader_of(used.config, true).threads;
    }
    if (!threads) return std::nullopt;
    StepUsage usage;
    each_span(recording, trainer, [&](const Span& span) { usage.see(span); });
    const std::optional<double> together = usage.together();
    if (!together) return std::nullopt;
    return compute::ProcessThreads{static_cast<double>(*threads), *together};
}

}  // namespace headrace::audit
