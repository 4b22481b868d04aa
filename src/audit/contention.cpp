#include "audit/contention.h"

#include <algorithm>
#include <optional>

#include "replay/cores.h"

namespace headrace::audit {
namespace {

// A core that is added to busy ones does between so much of the work of one alone.
constexpr double least_added = 0.3, most_added = 1;

constexpr double least_gang = 0.05;

// What a step takes beside the loader, of what it takes alone.
using Measure = std::optional<double> (*)(const ProbeCase& alone, const ProbeCase& loaded);

std::optional<double> by_the_clock(const ProbeCase& alone, const ProbeCase& loaded) {
    return loaded.of_others ? loaded.of_others->median : loaded.median / alone.median;
}

// Neither a wait for a core nor one for the interpreter's lock, which the thread that takes the loader's batches holds
// now and then, is in it.
std::optional<double> by_cpu_time(const ProbeCase& alone, const ProbeCase& loaded) {
    if (loaded.cpu_of_others) return loaded.cpu_of_others;
    if (!alone.cpu_seconds || !loaded.cpu_seconds) return std::nullopt;
    return *loaded.cpu_seconds / *alone.cpu_seconds;
}

// The speed of a step beside the loader, of that alone; 0 where it was not measured.
double speed_beside(const Probe& probe, std::uint64_t threads, Measure measure) {
    const ProbeCase* alone = case_of_threads(probe, false, threads);
    const ProbeCase* loaded = case_of_threads(probe, true, threads);
    if (alone == nullptr || loaded == nullptr) return 0;
    const double slower = measure(*alone, *loaded).value_or(0);
    return slower > 0 ? 1 / slower : 0;
}

// One thread beside others that have cores too: what is lost is lost to shared caches and memory.
double added_of(const Probe& probe, const Beside& beside) {
    if (beside.others <= 0 || beside.cores <= 1) return Contention().added_by_a_core;
    // With `more` cores that are busy beside the first each does (1 + added * more) / (1 + more) of what it does alone,
    // and all threads together share what they do.
    const double more = std::min(beside.others, beside.cores - 1);
    double together = speed_beside(probe, 1, by_cpu_time) * (1 + more);
    if (together <= 0) together = speed_beside(probe, 1, by_the_clock) * (1 + beside.others);
    if (together <= 0) return Contention().added_by_a_core;
    return std::clamp((together - 1) / more, least_added, most_added);
}

double gang_of(const Probe& probe, const Beside& beside, std::uint64_t threads, double added) {
    const double speed = speed_beside(probe, threads, by_the_clock);
    if (speed <= 0) return Contention().gang;
    const auto own = static_cast<double>(threads);
    if (threads < 2 || own + beside.others <= beside.cores) return 1;
    const replay::Cores cores = replay::Cores::alike(beside.cores, added);
    return std::clamp(speed * cores.rate(own) / cores.rate(own + beside.others), least_gang, 1.0);
}

}  // namespace

Contention contention_of(const Probe& probe, const Beside& beside) {
    const double added = added_of(probe, beside);
    return {added, gang_of(probe, beside, probe.threads, added)};
}

std::vector<replay::ThreadPoint> thread_points(const Probe& probe, const Beside& beside) {
    std::vector<replay::ThreadPoint> points;
    const double added = added_of(probe, beside);
    for (const ProbeCase& one : probe.cases) {
        const bool other =
            !one.loader_running && one.threads != probe.threads && case_of_threads(probe, false, one.threads) == &one;
        const std::optional<StepChange> step = other ? change_of(probe, &one) : std::nullopt;
        if (!step) continue;
        points.push_back({static_cast<unsigned>(one.threads), step->factor, gang_of(probe, beside, one.threads, added),
                          step->error});
    }
    return points;
}

}  // namespace headrace::audit
