#include "audit/outside.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "base/text.h"
#include "stats/change_points.h"

namespace headrace::audit {
namespace {

constexpr double idle_cores = 0.05;
constexpr double computing_cores = 0.25;  // a core that is shared with other programs gives no more
constexpr double waiting_cores = 1.5;     // up to here a program with heavy I/O mostly waits for it or copies for it
constexpr double heavy_io = 10 * base::mebibyte;
constexpr double some_io = base::mebibyte;
constexpr double dominant = 0.75;
constexpr std::size_t most_processes = 10;

// What does not matter: a phase is not ended by it, however quiet it is.
constexpr double core_noise = 0.05;
constexpr double core_noise_of_machine = 0.01;  // of its cores
constexpr double io_noise = 0.25;               // of a factor of 10
constexpr double clear_change = 6;              // in units of this noise

double seconds(Nanoseconds t) { return static_cast<double>(t) * 1e-9; }

// What happened between two points.
struct Stretch {
    double begin = 0;  // seconds since the first point
    double end = 0;
    double cpu = 0;  // seconds
    double read = 0;
    double written = 0;

    double length() const { return end - begin; }
    double cores() const { return cpu / length(); }
};

Stretch between(const OutsidePoint& first, const OutsidePoint& last, Nanoseconds origin) {
    return {seconds(first.when - origin), seconds(last.when - origin), seconds(last.cpu_ns - first.cpu_ns),
            static_cast<double>(last.read_bytes - first.read_bytes),
            static_cast<double>(last.written_bytes - first.written_bytes)};
}

// One quantity of the stretches, for change points: on the scale on which its changes are judged, and as a rate.
struct Series {
    stats::Channel channel;
    std::vector<double> rates;
};

// Bytes a second over orders of magnitude: 0, 1, 2 for none, 9 and 99 MiB/s.
double level(double bytes_per_second) { return std::log10(1 + bytes_per_second / base::mebibyte); }

std::array<Series, 3> series_of(std::span<const Stretch> stretches, double cores_usable) {
    std::array<Series, 3> all;
    auto& [cores, read, written] = all;
    cores.channel.least_noise = core_noise + core_noise_of_machine * cores_usable;
    read.channel.least_noise = written.channel.least_noise = io_noise;
    for (const Stretch& stretch : stretches) {
        cores.rates.push_back(stretch.cores());
        cores.channel.values.push_back(stretch.cores());
        for (auto [series, bytes] : {std::pair{&read, stretch.read}, {&written, stretch.written}}) {
            series->rates.push_back(bytes / stretch.length());
            series->channel.values.push_back(level(series->rates.back()));
        }
    }
    return all;
}

Activity activity_of(double cores, double read, double written) {
    const double io = read + written;
    if (cores < idle_cores && io < some_io) return Activity::idle;
    if (io >= heavy_io) {
        if (cores >= waiting_cores) return Activity::mixed;
        return read >= dominant * io      ? Activity::reading
               : written >= dominant * io ? Activity::writing
                                          : Activity::mixed;
    }
    return cores >= computing_cores ? Activity::computing : Activity::mixed;
}

Stretch sum(std::span<const Stretch> stretches) {
    Stretch whole{stretches.front().begin, stretches.back().end};
    for (const Stretch& stretch : stretches) {
        whole.cpu += stretch.cpu;
        whole.read += stretch.read;
        whole.written += stretch.written;
    }
    return whole;
}

OutsidePhase phase_of(std::span<const Stretch> stretches, double offset) {
    const Stretch whole = sum(stretches);
    OutsidePhase phase;
    phase.begin_seconds = whole.begin + offset;
    phase.end_seconds = whole.end + offset;
    phase.cpu_cores = whole.cores();
    phase.read_bytes_per_second = whole.read / whole.length();
    phase.written_bytes_per_second = whole.written / whole.length();
    // The first and the last stretch hold some of the neighbouring phases: they have no say in what this one is.
    const Stretch inner = stretches.size() > 4 ? sum(stretches.subspan(1, stretches.size() - 2)) : whole;
    phase.what = activity_of(inner.cores(), inner.read / inner.length(), inner.written / inner.length());
    return phase;
}

// A look falls where it likes, so one interval holds the end of a phase and the begin of the next. It is taken for the
// one that has more of it, in all that changes there: in between, or of one phase by its CPU time and of the other by
// its bytes, it would begin a phase of its own. How much of it is whose is told by the rates: by orders of magnitude a
// twentieth of an interval of writing is nearer to writing.
void settle_transitions(std::array<Series, 3>& all) {
    const std::array<Series, 3> seen = all;
    const std::size_t intervals = seen[0].rates.size();
    for (std::size_t i = 1; i + 1 < intervals; ++i) {
        double later = 0;
        std::vector<std::size_t> changing;
        for (std::size_t k = 0; k < seen.size(); ++k) {
            const std::vector<double>& values = seen[k].channel.values;
            const std::vector<double>& rates = seen[k].rates;
            if (std::abs(values[i + 1] - values[i - 1]) <= clear_change * seen[k].channel.least_noise) continue;
            changing.push_back(k);
            later += std::clamp((rates[i] - rates[i - 1]) / (rates[i + 1] - rates[i - 1]), 0.0, 1.0);
        }
        const std::size_t like = later < 0.5 * static_cast<double>(changing.size()) ? i - 1 : i + 1;
        for (const std::size_t k : changing) all[k].channel.values[i] = seen[k].channel.values[like];
    }
}

std::vector<OutsidePhase> phases_of(const std::vector<Stretch>& stretches, double cores_usable, double offset) {
    std::array<Series, 3> all = series_of(stretches, cores_usable);
    settle_transitions(all);
    const std::array<stats::Channel, 3> channels{all[0].channel, all[1].channel, all[2].channel};
    std::vector<double> weights;
    for (const Stretch& stretch : stretches) weights.push_back(stretch.length());
    const std::vector<std::size_t> begins = stats::change_points(channels, weights);
    std::vector<OutsidePhase> phases;
    for (std::size_t i = 0; i < begins.size(); ++i) {
        const std::size_t end = i + 1 < begins.size() ? begins[i + 1] : stretches.size();
        phases.push_back(phase_of(std::span(stretches).subspan(begins[i], end - begins[i]), offset));
    }
    return phases;
}

std::vector<OutsideProcess> top_processes(const Run& run, Nanoseconds end) {
    std::vector<OutsideProcess> processes;
    for (const ProcessRecord& record : run.processes) {
        if (record.cpu_ns <= 0) continue;
        const Nanoseconds begin = std::max(record.start, run.info.started_ns);
        processes.push_back({record.command, record.pid,
                             seconds(std::max<Nanoseconds>(0, record.end.value_or(end) - begin)),
                             seconds(record.cpu_ns)});
    }
    std::stable_sort(processes.begin(), processes.end(),
                     [](const OutsideProcess& x, const OutsideProcess& y) { return x.cpu_seconds > y.cpu_seconds; });
    processes.resize(std::min(processes.size(), most_processes));
    return processes;
}

}  // namespace

std::optional<Outside> outside_view(const Run& run) {
    if (run.outside.size() < 2) return std::nullopt;
    const OutsidePoint& first = run.outside.front();
    const OutsidePoint& last = run.outside.back();
    if (last.when <= first.when) return std::nullopt;
    std::vector<Stretch> stretches;
    double idle = 0;
    const OutsidePoint* before = &first;
    for (const OutsidePoint& point : run.outside) {
        if (point.when <= before->when) continue;  // no time: what was used in it belongs to what follows
        const Stretch stretch = between(*before, point, first.when);
        idle += stretch.cores() < idle_cores ? stretch.length() : 0;
        stretches.push_back(stretch);
        before = &point;
    }
    const Stretch whole = between(first, last, first.when);
    Outside outside;
    outside.cpu_seconds = whole.cpu;
    outside.cores_mean = whole.cores();
    outside.idle_share = std::clamp(idle / whole.length(), 0.0, 1.0);
    outside.read_bytes = last.read_bytes - first.read_bytes;
    outside.written_bytes = last.written_bytes - first.written_bytes;
    outside.processes = top_processes(run, last.when);
    outside.phases = phases_of(stretches, run.info.machine.cores_usable,
                               seconds(std::max<Nanoseconds>(0, first.when - run.info.started_ns)));
    return outside;
}

}  // namespace headrace::audit
