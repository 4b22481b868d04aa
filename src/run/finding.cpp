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

std::string_view name(FixKind kind) noexcept { return kind == FixKind::loader ? "loader" : "evaluation"; }

bool can_be_tried(const Finding& finding) noexcept {
    const LoaderFix& fix = finding.fix;
    const bool loader = fix.workers || fix.prefetch_factor || fix.persistent_workers || fix.batch_size;
    return finding.kind == FixKind::loader && (loader ? finding.loader.has_value() : fix.threads.has_value());
}

std::string as_arguments(const LoaderFix& fix) {
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
    return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace headrace
