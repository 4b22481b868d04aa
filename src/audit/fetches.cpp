#include "audit/fetches.h"

#include <utility>

#include "audit/recording.h"

namespace headrace::audit {

std::optional<Fetch> Fetches::see(const Span& span) {
    switch (kind(span)) {
        case Kind::collate:
            next_ = Fetch{};
            collated_ = true;
            next_.collate_begin = span.start;
            next_.collate_end = end_of(span);
            next_.cpu = -static_cast<double>(span.a);
            next_.collate_queue = static_cast<double>(span.b);
            break;
        case Kind::fetch:
            if (!collated_ || next_.collate_begin < span.start) {
                next_ = Fetch{};
                next_.collate_begin = next_.collate_end = end_of(span);
            }
            next_.begin = span.start;
            next_.end = end_of(span);
            next_.cpu += static_cast<double>(span.a);
            next_.samples = span.b;
            collated_ = false;
            return std::exchange(last_, next_);
        case Kind::fetch_samples:
            if (last_) {
                last_->sample_wall = static_cast<double>(span.duration);
                last_->sample_cpu = static_cast<double>(span.a);
                last_->run_queue = static_cast<double>(span.b);
            }
            break;
        case Kind::fetch_io:
            if (last_) {
                last_->requested = static_cast<double>(span.a);
                last_->from_storage = static_cast<double>(span.b);
            }
            break;
        case Kind::cpu:
            if (last_) {
                last_->user = static_cast<double>(span.a);
                last_->system = static_cast<double>(span.b);
            }
            break;
        default:
            break;
    }
    return std::nullopt;
}

}  // namespace headrace::audit
