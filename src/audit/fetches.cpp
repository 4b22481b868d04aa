#include "audit/fetches.h"

#include <algorithm>
#include <utility>

#include "audit/recording.h"

namespace headrace::audit {

void Fetch::operator+=(const Fetch& other) {
    cpu += other.cpu;
    run_queue += other.run_queue;
    user += other.user;
    system += other.system;
    collate_cpu += other.collate_cpu;
    collate_queue += other.collate_queue;
    samples += other.samples;
    sample_wall += other.sample_wall;
    sample_cpu += other.sample_cpu;
    requested += other.requested;
    from_storage += other.from_storage;
}

Fetch brief_fetch(const Span& span) {
    const auto collate = static_cast<Nanoseconds>(std::min(span.a, static_cast<std::uint64_t>(span.duration)));
    Fetch fetch;
    fetch.begin = span.start;
    fetch.end = fetch.collate_end = end_of(span);
    fetch.collate_begin = fetch.end - collate;
    fetch.samples = span.b;
    fetch.cpu = fetch.sample_wall = fetch.sample_cpu = static_cast<double>(span.duration - collate);
    fetch.collate_cpu = static_cast<double>(collate);
    return fetch;
}

std::optional<Fetch> Fetches::see(const Span& span) {
    switch (kind(span)) {
        case Kind::brief_fetch:
            collated_ = false;
            return std::exchange(last_, brief_fetch(span));
        case Kind::collate:
            next_ = Fetch{};
            collated_ = true;
            next_.collate_begin = span.start;
            next_.collate_end = end_of(span);
            next_.cpu = -static_cast<double>(span.a);
            next_.collate_cpu = static_cast<double>(span.a);
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
