#include "compute/threads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace headrace::compute {
namespace {

constexpr double share_of_run = 0.1;  // that steps take, at the least
constexpr double worth_it = 1.05;
constexpr double computing = 1.2;  // threads at once: with fewer the others only exist

double sum_of(const ThreadsUse& use) {
    double sum = 0;
    for (const ProcessThreads& one : use.processes) sum += one.set;
    return sum;
}

bool compute_together(const ThreadsUse& use) {
    return std::any_of(use.processes.begin(), use.processes.end(),
                       [](const ProcessThreads& one) { return one.together > computing; });
}

// What a probe measured of so many threads: the own step's time for that; 0 where it did not.
double measured(const ThreadsUse& use, std::uint64_t threads) {
    if (use.probe == nullptr) return 0;
    const ProbeCase *own = own_case(*use.probe), *fewer = case_of_threads(*use.probe, false, threads);
    return own != nullptr && fewer != nullptr ? own->median / fewer->median : 0;
}

std::string thread_words(const ThreadsUse& use, double faster, std::uint64_t threads) {
    const ProcessThreads& first = use.processes.front();
    std::string text = use.processes.size() == 1
                           ? fmt::format("The program has {:.0f} intra-op threads", first.set)
                           : fmt::format("{} processes that train have {:.0f} intra-op threads in all",
                                         use.processes.size(), sum_of(use));
    text += fmt::format(
        " for {:.3g} usable cores; for each second of its training thread the process used {:.1f} s of the CPU in its "
        "steps, which took {:.1f} s of {:.1f} s.",
        use.cores, first.together, use.compute_seconds, use.run_seconds);
    if (faster > 0) {
        text += fmt::format(" On batches in memory a step with {} of them is {:.2f} times as fast.", threads, faster);
    }
    return text;
}

}  // namespace

std::optional<Finding> advise_threads(const ThreadsUse& use) {
    if (use.processes.empty() || use.cores <= 0 || use.compute_seconds < share_of_run * use.run_seconds) return {};
    const auto each =
        static_cast<std::uint64_t>(std::max(1.0, std::floor(use.cores / static_cast<double>(use.processes.size()))));
    const double most = std::max_element(use.processes.begin(), use.processes.end(),
                                         [](const ProcessThreads& x, const ProcessThreads& y) { return x.set < y.set; })
                            ->set;
    if (sum_of(use) <= std::ceil(use.cores) || most <= static_cast<double>(each) || !compute_together(use)) return {};
    const double faster = measured(use, each);
    if (faster > 0 && faster < worth_it) return {};
    Finding finding;
    finding.id = "compute.threads";
    finding.area = Area::compute;
    finding.title = fmt::format("{} intra-op thread{} instead of {:.0f}{}", each, each == 1 ? "" : "s", most,
                                use.processes.size() == 1 ? "" : " in each process");
    finding.evidence = thread_words(use, faster, each);
    finding.fix.threads = each;
    finding.changes = Changes::rounding;
    finding.remedy =
        fmt::format("Call torch.set_num_threads({}) before the training, or set OMP_NUM_THREADS={}.", each, each);
    if (use.probe == nullptr) finding.remedy += " What it wins: " + use.probe_command;
    return finding;
}

}  // namespace headrace::compute
