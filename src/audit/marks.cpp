#include "audit/marks.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace headrace::audit {
namespace {

constexpr std::array<std::pair<std::string_view, Entry>, 5> entries = {{{"evaluation", Entry::evaluation},
                                                                        {"checkpoint", Entry::checkpoint},
                                                                        {"logging", Entry::logging},
                                                                        {"setup", Entry::startup_setup},
                                                                        {"input", Entry::input_wait}}};

bool is_evaluation(const Span& span) { return entry_of_phase(span) == Entry::evaluation && span.duration > 0; }

// In order and without overlap.
void unite(std::vector<Range>& ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& x, const Range& y) { return x.begin < y.begin; });
    std::vector<Range> united;
    for (const Range& range : ranges) {
        if (!united.empty() && range.begin <= united.back().end) {
            united.back().end = std::max(united.back().end, range.end);
        } else {
            united.push_back(range);
        }
    }
    ranges = std::move(united);
}

}  // namespace

void name_phases(Run& run) {
    for (ThreadRecord& thread : run.threads) {
        for (std::size_t i = 0; i + 1 < thread.spans.size(); ++i) {
            const Span& text = thread.spans[i + 1];
            const bool named = kind(thread.spans[i]) == Kind::phase && kind(text) == Kind::text &&
                               text.b == static_cast<std::uint64_t>(spool::TextKind::phase_name);
            if (named) {
                thread.spans[i].text = text.text;
            }
        }
    }
}

std::optional<Entry> entry_of_phase(const Span& span) {
    if (kind(span) != Kind::phase) {
        return std::nullopt;
    }
    for (const auto& [name, entry] : entries) {
        if (span.text == name) {
            return entry;
        }
    }
    return std::nullopt;
}

void take_marks(Trainer& trainer) {
    bool marked = false;
    for (const Span* span : trainer.spans) {
        if (is_evaluation(*span)) {
            marked = true;
            trainer.evaluations.push_back({span->start, std::min(end_of(*span), trainer.window.end)});
        } else if (kind(*span) == Kind::step && !trainer.trained) {
            trainer.steps.push_back(span->start);
        }
    }
    if (marked) {
        unite(trainer.evaluations);
    }
}

std::vector<MarkedPhase> marked_phases(const Trainer& trainer) {
    struct Sum {
        MarkedPhase phase;
        Nanoseconds until = 0;  // of its last outermost one
    };
    std::vector<Sum> sums;
    for (const Span* span : trainer.spans) {
        if (kind(*span) != Kind::phase || span->text.empty() || entry_of_phase(*span)) {
            continue;
        }
        auto sum = std::find_if(sums.begin(), sums.end(), [&](const Sum& s) { return s.phase.name == span->text; });
        if (sum == sums.end()) {
            sum = sums.insert(sums.end(), Sum{{span->text, 0, 0}});
        }
        ++sum->phase.count;
        if (end_of(*span) > sum->until) {
            const Nanoseconds from = std::max(span->start, sum->until);
            sum->phase.seconds += static_cast<double>(end_of(*span) - from) * 1e-9;
            sum->until = end_of(*span);
        }
    }
    std::vector<MarkedPhase> phases;
    for (Sum& sum : sums) {
        phases.push_back(std::move(sum.phase));
    }
    return phases;
}

}  // namespace headrace::audit
