#include "headrace/gap.h"

namespace headrace {

std::string_view name(RunClass what) noexcept {
    static constexpr std::array<std::string_view, run_class_count> names{
        "validated", "unvalidated", "unseen", "untrained", "repeated", "interrupted", "killed", "failed", "comparison"};
    return names[static_cast<std::size_t>(what)];
}

std::string_view gap_entry_name(std::size_t entry) noexcept {
    static constexpr std::array<std::string_view, gap_entry_count - entry_count> others{
        "failed", "killed", "interrupted", "repeated", "comparison"};
    return entry < entry_count ? name(static_cast<Entry>(entry)) : others[entry - entry_count];
}

std::string_view name(TrendVerdict verdict) noexcept {
    static constexpr std::array<std::string_view, 4> names{"too_few_weeks", "not_told", "rising", "falling"};
    return names[static_cast<std::size_t>(verdict)];
}

}  // namespace headrace
