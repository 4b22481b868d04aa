#include "headrace/finding.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace headrace {

std::string_view name(Basis basis) noexcept { return basis == Basis::measured ? "measured" : "derived"; }

std::string_view name(Area area) noexcept {
    switch (area) {
        case Area::input:
            return "input";
        case Area::prep:
            return "prep";
        case Area::compute:
            return "compute";
        case Area::evaluate:
            return "evaluate";
        case Area::serve:
            return "serve";
    }
    return "";
}

std::string_view name(Changes changes) noexcept {
    switch (changes) {
        case Changes::nothing:
            return "nothing";
        case Changes::rounding:
            return "rounding";
        case Changes::random_streams:
            return "random_streams";
        case Changes::numerics:
            return "numerics";
        case Changes::semantics:
            return "semantics";
    }
    return "";
}

std::string_view name(FixKind kind) noexcept {
    switch (kind) {
        case FixKind::loader:
            return "loader";
        case FixKind::evaluation:
            return "evaluation";
        case FixKind::autocast:
            return "autocast";
        case FixKind::sample_cache:
            return "sample_cache";
        case FixKind::by_hand:
            return "by_hand";
    }
    return "";
}

std::string ratio_words(const Interval& ratio) {
    return fmt::format("{:.2f}x ({:.2f} to {:.2f})", ratio.predicted, ratio.low, ratio.high);
}

Gain gain_of(const Interval& ratio, double loop_seconds) noexcept {
    const auto saved = [&](double r) { return loop_seconds * (1 - 1 / r); };
    return {ratio, {saved(ratio.predicted), saved(ratio.low), saved(ratio.high)}};
}

bool changes_loader(const Fix& fix) noexcept {
    return fix.workers || fix.prefetch_factor || fix.persistent_workers || fix.batch_size;
}

bool can_be_tried(const Finding& finding) noexcept {
    const Fix& fix = finding.fix;
    if (finding.kind == FixKind::evaluation || finding.kind == FixKind::by_hand) return false;
    if (changes_loader(fix) || fix.cache_bytes) return finding.loader.has_value();
    return fix.threads || fix.precision;
}

std::string as_arguments(const Fix& fix) {
    std::vector<std::string> words;
    const auto add = [&](const char* name, const auto& value) {
        if (value) words.push_back(fmt::format("{}={}", name, *value));
    };
    add("num_workers", fix.workers);
    add("prefetch_factor", fix.prefetch_factor);
    if (fix.persistent_workers) {
        words.push_back(*fix.persistent_workers ? "persistent_workers=True" : "persistent_workers=False");
    }
    add("batch_size", fix.batch_size);
    add("threads", fix.threads);
    add("precision", fix.precision);
    add("cache_bytes", fix.cache_bytes);
    return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace headrace
