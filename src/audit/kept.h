// Which spans of a long run go into run.db: docs/formats/run.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "audit/analyze.h"
#include "audit/recording.h"

namespace headrace::audit {

struct KeptLimits {
    std::uint64_t whole = 500'000;        // up to so many spans all are kept
    std::uint64_t rare = 10'000;          // a kind with up to so many is kept
    std::uint64_t first_spans = 100'000;  // of all threads together, equally many of each
    std::size_t first_steps = 1'000;
    std::size_t slowest_steps = 1'000;
    std::size_t spread_steps = 8'000;  // equally far apart
};

class KeptSpans {
public:
    KeptSpans(const Recording& recording, const Analysis& analysis, const KeptLimits& limits = {});

    bool all() const { return all_; }

    // To be asked for every span of every thread, thread after thread, in the order of the spool.
    bool keep(std::size_t thread, const Span& span);

private:
    void choose_steps(const Analysis& analysis);
    void choose_fetches(const Trainer& trainer, const std::vector<Range>& steps);
    bool wanted(const Span& span);

    const Recording& recording_;
    KeptLimits limits_;
    bool all_;
    std::unordered_map<std::uint32_t, std::vector<Range>> ranges_;  // by pid: what began in them is kept; in order
    std::size_t thread_ = 0;
    const std::vector<Range>* of_thread_ = nullptr;
    std::size_t at_ = 0;      // in of_thread_
    std::uint64_t seen_ = 0;  // spans of the thread
    bool kept_last_ = false;
};

}  // namespace headrace::audit
