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

}  // namespace

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

void Marks::see(const Span& span) {
    if (kind(span) == Kind::step && !trainer_.trained) {
        steps_.push_back(span.start);
    } else if (is_evaluation(span)) {
        evaluations_.push_back({span.start, std::min(end_of(span), trainer_.window.end)});
    } else if (kind(span) == Kind::phase && !span.text.empty() && !entry_of_phase(span)) {
        add_phase(span);
    }
}

void Marks::add_phase(const Span& span) {
    const auto [place, first] = place_.emplace(span.text, sums_.size());
    if (first) {
        sums_.push_back({{span.text, 0, 0}});
    }
    Sum& sum = sums_[place->second];
    ++sum.phase.count;
    if (end_of(span) > sum.until) {
        const Nanoseconds from = std::max(span.start, sum.until);
        sum.phase.seconds += static_cast<double>(end_of(span) - from) * 1e-9;
        sum.until = end_of(span);
    }
}

void Marks::finish(Trainer& trainer) {
    trainer.steps.insert(trainer.steps.end(), steps_.begin(), steps_.end());
    if (!evaluations_.empty()) {
        trainer.evaluations.insert(trainer.evaluations.end(), evaluations_.begin(), evaluations_.end());
        unite(trainer.evaluations);
    }
    for (Sum& sum : sums_) {
        trainer.marked.push_back(std::move(sum.phase));
    }
}

}  // namespace headrace::audit
