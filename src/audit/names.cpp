#include "headrace/ledger.h"

#include <numeric>

namespace headrace {

std::string_view name(Entry entry) noexcept {
    static constexpr std::array<std::string_view, entry_count> names{"startup.launch",
                                                                     "startup.imports",
                                                                     "startup.setup",
                                                                     "startup.workers",
                                                                     "startup.first_step",
                                                                     "input.wait",
                                                                     "transfer",
                                                                     "compute.forward",
                                                                     "compute.backward",
                                                                     "compute.optimizer",
                                                                     "compute.device_wait",
                                                                     "sync",
                                                                     "host",
                                                                     "evaluation",
                                                                     "checkpoint",
                                                                     "logging",
                                                                     "teardown",
                                                                     "unattributed"};
    return names[static_cast<std::size_t>(entry)];
}

std::string_view name(Stage stage) noexcept {
    static constexpr std::array<std::string_view, stage_count> names{"storage", "read",      "decode",
                                                                     "collate", "transport", "workers"};
    return names[static_cast<std::size_t>(stage)];
}

std::string_view name(Activity activity) noexcept {
    static constexpr std::array<std::string_view, 5> names{"computing", "reading", "writing", "idle", "mixed"};
    return names[static_cast<std::size_t>(activity)];
}

double startup_seconds(const Ledger& ledger) noexcept {
    return std::accumulate(ledger.seconds.begin(),
                           ledger.seconds.begin() + static_cast<int>(Entry::startup_first_step) + 1, 0.0);
}

}  // namespace headrace
