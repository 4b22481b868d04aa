// What a fetch of a batch cost, put together from its records.
#pragma once

#include <cstdint>
#include <optional>

#include "headrace/run.h"

namespace headrace::audit {

// One fetch: of a worker, or of the training thread itself when there are no workers.
struct Fetch {
    std::uint32_t worker = 0;  // its pid; 0: the training process
    Nanoseconds begin = 0;
    Nanoseconds collate_begin = 0;  // equal to end where nothing was collated
    Nanoseconds collate_end = 0;
    Nanoseconds end = 0;
    double cpu = 0;        // nanoseconds, collate taken out
    double run_queue = 0;  // likewise
    double user = 0;       // the same in ticks
    double system = 0;
    double collate_cpu = 0;
    double collate_queue = 0;
    std::uint64_t samples = 0;
    double sample_wall = 0;
    double sample_cpu = 0;
    double requested = 0;  // bytes
    double from_storage = 0;
    bool unfinished = false;  // it did not end: its CPU time is an estimate, and not known by user and system

    // Adds what two fetches cost together; when and by whom is that of this one.
    void operator+=(const Fetch& other);
};

// What a record of kind brief_fetch says: it kept its core.
Fetch brief_fetch(const Span& span);

// Puts the fetches of one thread together; sees its spans in the order of the spool.
class Fetches {
public:
    // Gives the fetch that was the last one until this span, when the span begins another.
    std::optional<Fetch> see(const Span& span);

    // The last one so far, which its additions may still follow.
    const std::optional<Fetch>& last() const { return last_; }

private:
    std::optional<Fetch> last_;
    Fetch next_;
    bool collated_ = false;
};

}  // namespace headrace::audit
