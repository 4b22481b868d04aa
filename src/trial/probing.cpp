#include "trial/probing.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <tuple>
#include <utility>

#include "input/storage.h"
#include "stats/quantile.h"
#include "sys/file.h"
#include "trial/arm.h"
#include "trial/injection.h"
#include "trial/workplace.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// A probe may take so much longer than it should before it is ended.
constexpr double enough_time = 3;

// Blocks below so many say nothing of their spread: half of the interval is taken to be so much then. Single blocks of
// a fifth of a second were seen to differ by that much on virtual machines.
constexpr std::size_t fewest_blocks = 3;
constexpr double unknown_spread = 0.15;

// A few blocks for each condition.
constexpr std::uint64_t fewest_recorded_steps = 60;

using Key = std::tuple<bool, std::uint64_t, std::uint64_t, std::string, bool>;

struct Blocks {
    std::uint64_t steps = 0;
    std::optional<std::int64_t> host_peak, device_peak;  // of the block that needed least: the others had its leavings
};

// What the blocks of a probe say, in the order in which they were measured.
struct Cases {
    struct Mean {
        Key key;
        double seconds;
        double cpu;  // 0: not known
    };
    std::vector<Key> order;  // in which each was measured first: the first one is the program as it is
    std::map<Key, Blocks> blocks;
    std::vector<Mean> means;
};

// A number of bytes of a block; none where it could not be measured.
void take_peak(const Json& line, const char* key, std::optional<std::int64_t>& least) {
    const auto found = line.find(key);
    if (found == line.end() || !found->is_number_integer()) return;
    const auto bytes = found->get<std::int64_t>();
    if (bytes > 0) least = std::min(least.value_or(bytes), bytes);
}

// The single sample, and the model that takes it.
void take_model(const Json& line, Probe& probe) {
    const auto latency = line.at("latency").get<std::vector<double>>();
    if (!latency.empty()) {
        probe.single_sample_seconds = *stats::median(latency);
        probe.single_sample_p95_seconds = *stats::quantile(latency, 0.95);
    }
    if (line.contains("parameters")) probe.model_parameters = line.at("parameters").get<std::uint64_t>();
    if (line.contains("bytes")) probe.model_bytes = line.at("bytes").get<std::int64_t>();
}

// The median of what blocks say, and its 90 % interval by their spread.
Relative summary_of(const std::vector<double>& blocks) {
    const double median = *stats::median(blocks);
    if (blocks.size() < fewest_blocks) return {median, median / (1 + unknown_spread), median * (1 + unknown_spread)};
    const double half = (*stats::quantile(blocks, 0.95) - *stats::quantile(blocks, 0.05)) / 2 /
                        std::sqrt(static_cast<double>(blocks.size()));
    return {median, std::max(median - half, median / 2), median + half};
}

// Sets what each block of a case is of the nearest ones before and after it with which it is compared.
void compare(const Key& key, const Cases& cases, ProbeCase& found) {
    Key other = cases.order.front();
    if (std::get<0>(key)) {
        other = key;
        std::get<0>(other) = false;
    }
    if (key == other) return;
    const auto& means = cases.means;
    const auto is_other = [&](const Cases::Mean& one) { return one.key == other; };
    std::vector<double> ratios, of_cpu;
    for (auto block = means.begin(); block != means.end(); ++block) {
        if (block->key != key) continue;
        const auto previous = std::find_if(std::reverse_iterator(block), means.rend(), is_other);
        const auto next = std::find_if(block, means.end(), is_other);
        if (previous == means.rend() && next == means.end()) continue;
        const Cases::Mean& before = previous == means.rend() ? *next : *previous;
        const Cases::Mean& after = next == means.end() ? before : *next;
        ratios.push_back(block->seconds / std::sqrt(before.seconds * after.seconds));
        const double cpu = block->cpu / std::sqrt(before.cpu * after.cpu);
        if (std::isfinite(cpu) && cpu > 0) of_cpu.push_back(cpu);
    }
    if (!ratios.empty()) found.of_others = summary_of(ratios);
    found.cpu_of_others = stats::median(of_cpu);
}

ProbeCase case_of(const Key& key, const Cases& cases) {
    const Blocks& blocks = cases.blocks.at(key);
    std::vector<double> means, cpu;
    for (const Cases::Mean& block : cases.means) {
        if (block.key != key) continue;
        means.push_back(block.seconds);
        if (block.cpu > 0) cpu.push_back(block.cpu);
    }
    ProbeCase found;
    std::tie(found.loader_running, found.threads, found.batch_size, found.precision, found.channels_last) = key;
    found.steps = blocks.steps;
    found.cpu_seconds = stats::median(cpu);
    found.host_peak_bytes = blocks.host_peak;
    found.device_peak_bytes = blocks.device_peak;
    const Relative seconds = summary_of(means);
    found.median = seconds.median;
    found.low = seconds.low;
    found.high = seconds.high;
    compare(key, cases, found);
    return found;
}

void take_decoding(const Json& line, Probe& probe) {
    Decoding decoding;
    decoding.width = line.at("size").at(0).get<double>();
    decoding.height = line.at("size").at(1).get<double>();
    decoding.needed_width = line.at("needed").at(0).get<std::uint64_t>();
    decoding.needed_height = line.at("needed").at(1).get<std::uint64_t>();
    decoding.whole_seconds = line.at("whole_seconds").get<double>();
    decoding.scaled_seconds = line.at("scaled_seconds").get<double>();
    if (decoding.whole_seconds > 0 && decoding.scaled_seconds > 0) probe.decoding = decoding;
}

// The files that all processes saw being opened, and how many for a sample.
struct Seen {
    std::vector<fs::path> files;
    double per_sample = 0;
};

Seen files_of(const std::string& lines, const fs::path& directory) {
    Seen seen;
    double samples = 0, opens = 0;
    std::istringstream stream(lines);
    for (std::string text; std::getline(stream, text);) {
        const Json line = Json::parse(text, nullptr, false);
        if (!line.is_object() || !line.contains("opens")) continue;
        try {
            samples += line.at("samples").get<double>();
            opens += line.at("opens").get<double>();
            for (const Json& file : line.at("files")) seen.files.push_back(directory / file.get<std::string>());
        } catch (const Json::exception&) {
            continue;
        }
    }
    if (samples > 0) seen.per_sample = opens / samples;
    return seen;
}

// Reads files that the program reads, outside the sandbox: what lies under its overlays is the same.
void add_storage(const std::string& lines, const fs::path& directory, Probe& probe) {
    Seen seen = files_of(lines, directory);
    if (seen.files.empty()) return;
    Result<SampleFiles> measured = input::measure_storage(std::move(seen.files));
    if (!measured) return;
    measured->files_per_sample = seen.per_sample;
    probe.files = *measured;
}

// Of a line of its own; what makes no sense is passed over.
void take_line(const Json& line, Cases& cases, Probe& probe) {
    if (line.contains("latency")) {
        take_model(line, probe);
        return;
    }
    if (line.contains("decoding")) return take_decoding(line.at("decoding"), probe);
    if (line.contains("startup") && line.at("startup").is_object()) {
        const Json& read = line.at("startup");
        probe.startup = StartupInputs{read.at("files").get<std::uint64_t>(), read.at("folders").get<std::uint64_t>(),
                                      read.at("bytes").get<std::uint64_t>(), read.at("digest").get<std::string>(), 0};
        return;
    }
    if (line.contains("worker_cpu")) {
        const auto seconds = line.at("worker_cpu").get<double>();
        if (std::isfinite(seconds) && seconds > 0) probe.worker_cpu_seconds = seconds;
        return;
    }
    if (line.contains("pickled")) {
        const Json& pickled = line.at("pickled");
        probe.dataset = Pickled{pickled.at("bytes").get<std::uint64_t>(), pickled.at("seconds").get<double>()};
        return;
    }
    if (!line.contains("steps")) return;
    const Key key{line.at("loader").get<bool>(), line.at("threads").get<std::uint64_t>(),
                  line.at("batch").get<std::uint64_t>(), line.at("precision").get<std::string>(),
                  line.value("channels_last", false)};
    const auto steps = line.at("steps").get<std::vector<double>>();
    const bool good = !steps.empty() && std::all_of(steps.begin(), steps.end(),
                                                    [](double step) { return std::isfinite(step) && step > 0; });
    if (!good) return;
    if (!cases.blocks.contains(key)) cases.order.push_back(key);
    Blocks& blocks = cases.blocks[key];
    // The mean: a step may take several batches, or do now and then what it does not always do.
    Cases::Mean mean{key, *stats::mean(steps), 0};
    blocks.steps += steps.size();
    const auto cpu = line.value("cpu", std::vector<double>());
    if (cpu.size() == steps.size() && std::all_of(cpu.begin(), cpu.end(), [](double one) { return one > 0; })) {
        mean.cpu = *stats::mean(cpu);
    }
    cases.means.push_back(mean);
    take_peak(line, "host_peak", blocks.host_peak);
    take_peak(line, "device_peak", blocks.device_peak);
}

// One, and as many as there are cores, beside what the program has by itself.
std::string thread_counts(const Audit& audit) {
    const auto cores = static_cast<std::uint64_t>(std::max(1.0, std::floor(audit.run.machine.cores_usable)));
    std::string text = "1";
    for (std::uint64_t count = 2; count < cores; count *= 2) text += "," + std::to_string(count);
    if (cores > 1) text += "," + std::to_string(cores);
    return text;
}

bool is_done(const fs::path& results) {
    const Result<std::string> text = sys::read_whole(results);
    return text && text->find("{\"done\": true}") != std::string::npos;
}

}  // namespace

Result<Probe> probe_program(const Audit& audit, const ProbeOptions& options) {
    if (!audit.trained || audit.loaders.empty() || !audit.loaders.front().training || !audit.loaders.front().made) {
        return fail(ErrorCode::unsupported, "no loader was seen being made that training reads from");
    }
    if (audit.steady.steps < fewest_recorded_steps) {
        return fail(ErrorCode::not_enough_data, "it had fewer than 60 steps after the first");
    }
    const Result<Workplace> workplace = Workplace::make(options.home);
    if (!workplace) return tl::unexpected<Error>(workplace.error());
    const fs::path results = workplace->folder() / "probe.jsonl";
    ArmOptions arm;
    arm.command = audit.run.command;
    arm.directory = audit.run.directory;
    arm.folder = workplace->folder();
    arm.injection = injection_of(&*audit.loaders.front().made, {}) + injection_line("probe", results.string()) +
                    injection_line("probe_seconds", std::to_string(options.seconds)) +
                    injection_line("probe_steps", std::to_string(audit.steady.steps)) +
                    injection_line("probe_batch", std::to_string(audit.loaders.front().batch_size.value_or(0))) +
                    injection_line("probe_threads", thread_counts(audit));
    arm.steps = UINT64_MAX;
    arm.seconds = least_patience + enough_time * (startup_seconds(audit.ranks.front()) + options.seconds);
    arm.stopped = options.stopped;
    arm.done = [&results] { return is_done(results); };
    const Result<Arm> ran = run_arm(arm);
    if (!ran) return tl::unexpected<Error>(ran.error());
    const std::string lines = sys::read_whole(results).value_or("");
    std::optional<Probe> probe = parse_probe(lines);
    if (probe) {
        add_storage(lines, audit.run.directory, *probe);
        if (probe->startup) {
            probe->startup->seconds = audit.ranks.front().seconds[static_cast<std::size_t>(Entry::startup_setup)];
        }
        return std::move(*probe);
    }
    std::string why = "its steps could not be measured";
    if (ran->whole && !ran->end.empty()) why = "the program ended " + ran->end + " before its steps were measured";
    return fail(ErrorCode::not_enough_data,
                ran->last_words.empty() ? why : why + "; its last words: " + ran->last_words);
}

std::optional<Probe> parse_probe(const std::string& lines) {
    Probe probe;
    Cases cases;
    std::istringstream stream(lines);
    for (std::string text; std::getline(stream, text);) {
        const Json line = Json::parse(text, nullptr, false);
        if (!line.is_object()) continue;  // the last one of a program that was killed
        try {
            take_line(line, cases, probe);
        } catch (const Json::exception&) {
            continue;
        }
    }
    if (cases.order.empty()) return std::nullopt;
    // The first is the program as it is.
    probe.threads = std::get<1>(cases.order.front());
    probe.batch_size = std::get<2>(cases.order.front());
    for (const Key& key : cases.order) probe.cases.push_back(case_of(key, cases));
    return probe;
}

}  // namespace headrace::trial
