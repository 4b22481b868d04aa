#include "audit/probing.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <tuple>

#include "audit/arm.h"
#include "audit/injection.h"
#include "audit/workplace.h"
#include "stats/quantile.h"
#include "sys/file.h"

namespace headrace::audit {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// A probe may take so much longer than it should before it is ended.
constexpr double patience = 3, patience_seconds = 120;

// Blocks below so many say nothing of their spread: then it is taken to be 5 %.
constexpr std::size_t fewest_blocks = 3;
constexpr double unknown_spread = 0.05;

// A few blocks for each condition.
constexpr std::uint64_t fewest_steps = 60;

using Key = std::tuple<bool, std::uint64_t, std::uint64_t, std::string>;

struct Blocks {
    std::vector<double> means;  // of each block
    std::uint64_t steps = 0;
};

ProbeCase case_of(const Key& key, const Blocks& blocks) {
    ProbeCase found;
    std::tie(found.loader_running, found.threads, found.batch_size, found.precision) = key;
    found.steps = blocks.steps;
    found.median = *stats::median(blocks.means);
    if (blocks.means.size() < fewest_blocks) {
        found.low = found.median / (1 + unknown_spread);
        found.high = found.median * (1 + unknown_spread);
    } else {  // of the median, by the spread of what it is the median of
        const double half = (*stats::quantile(blocks.means, 0.95) - *stats::quantile(blocks.means, 0.05)) / 2 /
                            std::sqrt(static_cast<double>(blocks.means.size()));
        found.low = std::max(found.median - half, found.median / 2);
        found.high = found.median + half;
    }
    return found;
}

// Of a line of its own; what makes no sense is passed over.
void take_line(const Json& line, std::vector<Key>& order, std::map<Key, Blocks>& cases, Probe& probe) {
    if (line.contains("latency")) {
        const auto latency = line.at("latency").get<std::vector<double>>();
        if (!latency.empty()) probe.single_sample_seconds = *stats::median(latency);
        return;
    }
    if (!line.contains("steps")) return;
    const Key key{line.at("loader").get<bool>(), line.at("threads").get<std::uint64_t>(),
                  line.at("batch").get<std::uint64_t>(), line.at("precision").get<std::string>()};
    const auto steps = line.at("steps").get<std::vector<double>>();
    const bool good = !steps.empty() && std::all_of(steps.begin(), steps.end(),
                                                    [](double step) { return std::isfinite(step) && step > 0; });
    if (!good) return;
    if (!cases.contains(key)) order.push_back(key);
    Blocks& blocks = cases[key];
    // The mean: a step may take several batches, or do now and then what it does not always do.
    blocks.means.push_back(*stats::mean(steps));
    blocks.steps += steps.size();
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
    if (audit.steady.steps < fewest_steps) {
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
    arm.seconds = patience_seconds + patience * (startup_seconds(audit.ranks.front()) + options.seconds);
    arm.stopped = options.stopped;
    arm.done = [&results] { return is_done(results); };
    const Result<Arm> ran = run_arm(arm);
    if (!ran) return tl::unexpected<Error>(ran.error());
    std::optional<Probe> probe = parse_probe(sys::read_whole(results).value_or(""));
    if (probe) return std::move(*probe);
    std::string why = "its steps could not be measured";
    if (ran->whole && !ran->end.empty()) why = "the program ended " + ran->end + " before its steps were measured";
    return fail(ErrorCode::not_enough_data,
                ran->last_words.empty() ? why : why + "; its last words: " + ran->last_words);
}

std::optional<Probe> parse_probe(const std::string& lines) {
    Probe probe;
    std::vector<Key> order;
    std::map<Key, Blocks> cases;
    std::istringstream stream(lines);
    for (std::string text; std::getline(stream, text);) {
        const Json line = Json::parse(text, nullptr, false);
        if (!line.is_object()) continue;  // the last one of a program that was killed
        try {
            take_line(line, order, cases, probe);
        } catch (const Json::exception&) {
            continue;
        }
    }
    if (order.empty()) return std::nullopt;
    // The first is the program as it is.
    probe.threads = std::get<1>(order.front());
    probe.batch_size = std::get<2>(order.front());
    for (const Key& key : order) probe.cases.push_back(case_of(key, cases.at(key)));
    return probe;
}

const ProbeCase* find_case(const Probe& probe, bool loader_running, std::uint64_t threads) {
    const auto found = std::find_if(probe.cases.begin(), probe.cases.end(), [&](const ProbeCase& one) {
        return one.loader_running == loader_running && one.threads == threads && one.batch_size == probe.batch_size &&
               one.precision == "float32";
    });
    return found == probe.cases.end() ? nullptr : &*found;
}

}  // namespace headrace::audit
