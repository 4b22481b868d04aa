#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "audit/batches.h"
#include "audit/marks.h"
#include "audit/outside.h"
#include "audit/ranks.h"
#include "audit/timeline.h"
#include "audit/training.h"
#include "headrace/audit.h"
#include "stats/quantile.h"

namespace headrace {
namespace {

using audit::Batches;
using audit::Fetch;
using audit::kind;
using audit::Kind;
using audit::Pass;
using audit::Segment;
using audit::Trainer;

double seconds(Nanoseconds t) { return static_cast<double>(t) * 1e-9; }

// Spans that never ended run to the end of their process.
Run with_open_spans_closed(const Run& run) {
    Run closed = run;
    audit::name_phases(closed);
    for (ThreadRecord& thread : closed.threads) {
        const Nanoseconds end = audit::end_of_process(run, thread.pid);
        for (Span& span : thread.spans) {
            if (span.open) {
                span.duration = std::max<Nanoseconds>(0, end - span.start);
            }
        }
    }
    return closed;
}

std::string command_of(const Run& run, std::uint32_t pid) {
    const auto process = std::find_if(run.processes.begin(), run.processes.end(),
                                      [pid](const ProcessRecord& record) { return record.pid == pid; });
    return process != run.processes.end() ? process->command : "";
}

Ledger make_ledger(const Run& run, const Trainer& trainer, const std::vector<Segment>& segments, const Batches& batches,
                   double system_share) {
    Ledger ledger;
    ledger.rank = trainer.rank;
    ledger.pid = trainer.pid;
    ledger.host = run.info.machine.host;
    ledger.command = command_of(run, trainer.pid);
    ledger.wall_seconds = seconds(trainer.window.end - trainer.window.begin);
    for (const Segment& segment : segments) {
        ledger.seconds[static_cast<std::size_t>(segment.entry)] += seconds(segment.end - segment.begin);
        if (segment.entry == Entry::input_wait) {
            audit::divide_wait(trainer, batches, segment, system_share, ledger.wait_seconds);
        }
    }
    for (double& stage : ledger.wait_seconds) {
        stage *= 1e-9;
    }
    return ledger;
}

// A number or word of the flat JSON object that the recorder writes for a loader; empty when null or absent.
std::string config_value(const std::string& json, const std::string& key) {
    const std::size_t at = json.find("\"" + key + "\":");
    if (at == std::string::npos) {
        return "";
    }
    std::size_t begin = at + key.size() + 3;
    std::size_t end = json.find_first_of(",}", begin);
    std::string value = json.substr(begin, end == std::string::npos ? end : end - begin);
    std::erase(value, '"');
    return value == "null" ? "" : value;
}

std::optional<std::uint64_t> number_in(const std::string& json, const std::string& key) {
    const std::string value = config_value(json, key);
    const bool digits = !value.empty() && value.size() < 19 &&
                        std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    return digits ? std::optional<std::uint64_t>(std::stoull(value)) : std::nullopt;
}

struct LoaderSeen {
    std::uint64_t address;
    Loader loader;
};

// Adds the loaders of one thread that are not known yet. `feeds`: the thread loads ahead for one that trains.
void add_loaders(const Trainer& trainer, bool feeds, std::vector<LoaderSeen>& seen) {
    std::uint64_t address = 0;
    for (const Span& span : trainer.thread->spans) {  // in the order of the spool: the text follows its loader
        if (kind(span) == Kind::loader) {
            address = span.a;
        } else if (kind(span) == Kind::text && address != 0 &&
                   span.b == static_cast<std::uint64_t>(spool::TextKind::loader_config)) {
            const bool known =
                std::any_of(seen.begin(), seen.end(), [&](const LoaderSeen& l) { return l.address == address; });
            if (!known) {
                Loader loader;
                loader.batch_size = number_in(span.text, "batch_size");
                loader.workers = number_in(span.text, "workers").value_or(0);
                loader.prefetch_factor = number_in(span.text, "prefetch_factor");
                loader.persistent = config_value(span.text, "persistent") == "true";
                const std::string method = config_value(span.text, "method");
                loader.method = method.empty() ? std::nullopt : std::optional<std::string>(method);
                loader.training = std::any_of(trainer.passes.begin(), trainer.passes.end(), [&](const Pass& pass) {
                    return (pass.training || feeds) && pass.loader == address;
                });
                seen.push_back({address, loader});
            }
            address = 0;
        }
    }
}

// The loaders of a trainer and of the threads that load for it, each once, training ones first.
std::vector<LoaderSeen> loaders_of(const Trainer& trainer) {
    std::vector<LoaderSeen> seen;
    if (trainer.thread != nullptr) {
        add_loaders(trainer, false, seen);
    }
    for (const Trainer& background : trainer.background) {
        add_loaders(background, true, seen);
    }
    std::stable_sort(seen.begin(), seen.end(),
                     [](const LoaderSeen& x, const LoaderSeen& y) { return x.loader.training && !y.loader.training; });
    return seen;
}

// Time of each step after the first: from the end of the step before, what is no part of a step taken out.
std::vector<double> step_seconds(const Trainer& trainer, const std::vector<Segment>& segments) {
    std::vector<double> durations;
    auto segment = segments.begin();
    for (std::size_t i = 1; i < trainer.steps.size(); ++i) {
        const Nanoseconds begin = trainer.steps[i - 1];
        const Nanoseconds end = trainer.steps[i];
        while (segment != segments.end() && segment->end <= begin) {
            ++segment;
        }
        Nanoseconds out = 0;
        for (auto s = segment; s != segments.end() && s->begin < end; ++s) {
            if (s->entry == Entry::evaluation || s->entry == Entry::checkpoint || s->entry == Entry::logging) {
                out += std::min(s->end, end) - std::max(s->begin, begin);
            }
        }
        durations.push_back(seconds(end - begin - out));
    }
    return durations;
}

struct Throughput {
    double samples = 0;
    double tokens = 0;
    std::size_t unknown = 0;  // batches whose size nobody recorded
};

// Adds the samples of the batches that a thread asked for after `from`; of its training passes, or of all.
void add_samples(const Trainer& trainer, const Batches& batches, Nanoseconds from, bool all, Throughput& sum) {
    std::vector<const Span*> fetches;
    for (const Span* span : trainer.spans) {
        if (kind(*span) == Kind::fetch) {
            fetches.push_back(span);
        }
    }
    for (const Pass& pass : trainer.passes) {
        for (const Span* wait : pass.waits) {
            if (!(pass.training || all) || wait->b == spool::wait_ended || wait->start < from) {
                continue;
            }
            sum.tokens += static_cast<double>(wait->b >> 32);
            std::uint64_t samples = 0;
            if (const Fetch* fetch = batches.find(pass, wait->b & 0xffffffffU)) {
                samples = fetch->samples;
            } else {
                const auto own = std::lower_bound(fetches.begin(), fetches.end(), wait->start,
                                                  [](const Span* s, Nanoseconds t) { return s->start < t; });
                samples = own != fetches.end() && (*own)->start < audit::end_of(*wait) ? (*own)->b : 0;
            }
            sum.samples += static_cast<double>(samples);
            sum.unknown += samples == 0 ? 1 : 0;
        }
    }
}

Throughput count_samples(const Trainer& trainer, const Batches& batches) {
    Throughput sum;
    const Nanoseconds from = trainer.steps.front();
    for (const Trainer& background : trainer.background) {
        add_samples(background, batches, from, true, sum);
    }
    if (trainer.background.empty()) {
        add_samples(trainer, batches, from, false, sum);
    }
    return sum;
}

Steady make_steady(const Trainer& trainer, const std::vector<Segment>& segments, const Batches& batches,
                   const std::vector<Loader>& loaders) {
    Steady steady;
    if (!loaders.empty() && loaders.front().training) {
        steady.batch_size = loaders.front().batch_size;
    }
    if (trainer.steps.empty()) {
        return steady;
    }
    const std::vector<double> steps = step_seconds(trainer, segments);
    steady.steps = steps.size();
    steady.step_seconds_median = stats::median(steps);
    steady.step_seconds_p95 = stats::quantile(steps, 0.95);
    double total = 0;
    for (const double step : steps) {
        total += step;
    }
    const Throughput sum = count_samples(trainer, batches);
    if (total > 0 && sum.samples > 0 && sum.unknown == 0) {
        steady.samples_per_second = sum.samples / total;
    }
    if (total > 0 && sum.tokens > 0) {
        steady.tokens_per_second = sum.tokens / total;
    }
    return steady;
}

PerSample make_per_sample(const Run& run) {
    Fetch sum;
    for (const ThreadRecord& thread : run.threads) {
        for (const Fetch& fetch : audit::fetches_of(thread)) {
            sum.samples += fetch.samples;
            sum.sample_wall += fetch.sample_wall;
            sum.sample_cpu += fetch.sample_cpu;
            sum.run_queue += fetch.run_queue;
            sum.requested += fetch.requested;
            sum.from_storage += fetch.from_storage;
        }
    }
    PerSample mean;
    if (sum.samples == 0) {
        return mean;
    }
    const auto n = static_cast<double>(sum.samples);
    mean.wall_seconds = sum.sample_wall / n * 1e-9;
    mean.cpu_seconds = sum.sample_cpu / n * 1e-9;
    mean.run_queue_seconds = sum.run_queue / n * 1e-9;
    mean.blocked_seconds = std::max(0.0, sum.sample_wall - sum.sample_cpu - sum.run_queue) / n * 1e-9;
    mean.bytes_requested = sum.requested / n;
    mean.bytes_from_storage = sum.from_storage / n;
    return mean;
}

bool is_input(const HotLine& line) {
    const auto k = static_cast<Kind>(line.context);
    return k == Kind::fetch || k == Kind::collate;
}

std::vector<HotLineShare> hot_lines(const Run& run, bool input) {
    std::uint64_t total = 0;
    for (const HotLine& line : run.hot_lines) {
        total += is_input(line) == input ? line.count : 0;
    }
    std::vector<HotLineShare> lines;
    for (const HotLine& line : run.hot_lines) {
        if (is_input(line) != input || total == 0) {
            continue;
        }
        const double share = static_cast<double>(line.count) / static_cast<double>(total);
        const auto same = std::find_if(lines.begin(), lines.end(), [&](const HotLineShare& known) {
            return known.file == line.file && known.line == line.line && known.function == line.function;
        });
        if (same != lines.end()) {  // the same line, seen in fetch and in collate
            same->share += share;
        } else {
            lines.push_back({line.file, line.line, line.function, share});
        }
    }
    std::stable_sort(lines.begin(), lines.end(),
                     [](const HotLineShare& x, const HotLineShare& y) { return x.share > y.share; });
    lines.resize(std::min<std::size_t>(lines.size(), 20));
    return lines;
}

Overhead make_overhead(const Run& run, const Trainer& trainer, const std::vector<Segment>& segments) {
    Overhead overhead;
    for (const ThreadRecord& thread : run.threads) {
        overhead.hooks_disabled += thread.disabled;
    }
    if (trainer.thread == nullptr) {
        return overhead;
    }
    constexpr double typical_call_ns = 100;  // where the program ended before it could be measured
    const ThreadRecord& thread = *trainer.thread;
    const double call = thread.call_cost > 0 ? static_cast<double>(thread.call_cost) : typical_call_ns;
    const double hooks = static_cast<double>(thread.self) + call * static_cast<double>(thread.hooks);
    double shim = 0;
    for (const Span* span : trainer.spans) {
        shim += kind(*span) == Kind::interpreter ? static_cast<double>(span->a) : 0;
    }
    overhead.seconds = (hooks + shim) * 1e-9;
    const double wall = segments.empty() ? 0 : seconds(segments.back().end - segments.front().begin);
    overhead.share = wall > 0 ? std::min(1.0, overhead.seconds / wall) : 0;
    if (!trainer.steps.empty()) {
        overhead.per_step_seconds = hooks * 1e-9 / static_cast<double>(trainer.steps.size());
    }
    return overhead;
}

template <class Visit>
void each_text(const Run& run, spool::TextKind wanted, Visit visit) {
    for (const ThreadRecord& thread : run.threads) {
        for (const Span& span : thread.spans) {
            if (kind(span) == Kind::text && span.b == static_cast<std::uint64_t>(wanted)) {
                visit(span.text);
            }
        }
    }
}

template <class Wanted>
bool any_span(const Trainer& trainer, Wanted wanted) {
    return std::any_of(trainer.spans.begin(), trainer.spans.end(), [&](const Span* span) { return wanted(*span); });
}

std::vector<std::string> make_limits(const Run& run, const Trainer& trainer, bool stopped, std::size_t ranks,
                                     bool one_group) {
    std::vector<std::string> limits = run.info.limits;
    const bool explained = std::any_of(limits.begin(), limits.end(), [](const std::string& limit) {
        return limit.starts_with("Nothing was recorded");
    });
    if (run.threads.empty() && explained) {
        return limits;
    }
    if (run.threads.empty()) {
        limits.push_back(
            "No Python of the program was seen: it is no Python program, or was started with -S, -I or -E, with an "
            "emptied environment, or in a container. Only the outside view is shown.");
        limits.push_back(
            "To see more of a Python program, start it without these options, keep PYTHONPATH and HEADRACE_SPOOL in "
            "its "
            "environment, and run headrace inside the container.");
    } else if (!trainer.trained) {
        limits.push_back(trainer.torch ? "No training step was seen: no backward was followed by an optimizer step."
                                       : "No training step was seen: only PyTorch's are recognised.");
        if (trainer.steps.empty()) {
            limits.push_back(
                "To see more, mark it: headrace.step() after each step, with headrace.phase(\"evaluation\") around a "
                "part.");
        }
    }
    if (any_span(trainer, [](const Span& span) { return audit::entry_of_phase(span) == Entry::input_wait; })) {
        limits.push_back("What the program marked as input is not divided by cause: it stands under transport.");
    }
    if (stopped) {
        limits.push_back("Recording ended after " + std::to_string(run.info.max_steps.value_or(0)) +
                         " steps; the ledger covers the time up to there.");
    }
    std::uint64_t full = 0;
    for (const ThreadRecord& thread : run.threads) {
        full += thread.full ? 1 : 0;
    }
    if (full > 0) {
        limits.push_back("The file system of the run's folder was full: " + std::to_string(full) +
                         " threads stopped recording before their end.");
    }
    if (trainer.world > 1 && !one_group) {
        limits.push_back("Of " + std::to_string(trainer.world) + " ranks " + std::to_string(ranks) +
                         " were recorded here: what they wait for the others stays in compute.backward.");
    }
    std::set<std::string> texts;
    each_text(run, spool::TextKind::disabled, [&](const std::string& text) { texts.insert("Switched off: " + text); });
    each_text(run, spool::TextKind::limit, [&](const std::string& text) { texts.insert(text); });
    limits.insert(limits.end(), texts.begin(), texts.end());
    return limits;
}

bool was_stopped(const Run& run) {
    return std::any_of(run.threads.begin(), run.threads.end(), [](const ThreadRecord& thread) {
        return std::any_of(thread.spans.begin(), thread.spans.end(),
                           [](const Span& span) { return kind(span) == Kind::stopped; });
    });
}

std::optional<std::int64_t> device_peak(const Run& run) {
    std::optional<std::int64_t> peak;
    for (const ThreadRecord& thread : run.threads) {
        for (const Span& span : thread.spans) {
            if (kind(span) == Kind::memory) {
                peak = std::max(peak.value_or(0), static_cast<std::int64_t>(span.a));
            }
        }
    }
    return peak;
}

std::uint64_t count_processes(const Run& run) {
    std::set<std::uint32_t> pids;
    for (const ThreadRecord& thread : run.threads) {
        pids.insert(thread.pid);
    }
    for (const ProcessRecord& process : run.processes) {
        pids.insert(process.pid);
    }
    return pids.size();
}

}  // namespace

Audit analyze(const Run& recorded) {
    const Run run = with_open_spans_closed(recorded);
    const std::vector<Trainer> trainers = audit::find_trainers(run);
    const Batches batches(run);
    const double system_share = audit::system_share(run);
    Audit audit;
    audit.run = run.info;
    audit.wall_seconds = seconds(run.info.ended_ns.value_or(trainers.front().window.end) - run.info.started_ns);
    audit.processes = count_processes(run);
    audit.trained = trainers.front().trained;
    std::vector<std::vector<Segment>> segments;
    for (const Trainer& trainer : trainers) {
        segments.push_back(audit::paint(trainer));
    }
    const bool one_group = audit::are_one_group(trainers);
    if (one_group) {
        audit::divide_backwards(trainers, segments);
    }
    for (std::size_t rank = 0; rank < trainers.size(); ++rank) {
        audit.ranks.push_back(make_ledger(run, trainers[rank], segments[rank], batches, system_share));
    }
    const Trainer& first = trainers.front();
    for (const LoaderSeen& seen : loaders_of(first)) {
        audit.loaders.push_back(seen.loader);
    }
    audit.steady = make_steady(first, segments.front(), batches, audit.loaders);
    audit.per_sample = make_per_sample(run);
    audit.input_lines = hot_lines(run, true);
    audit.loop_lines = hot_lines(run, false);
    audit.host_peak_bytes =
        run.info.host_peak_bytes > 0 ? std::optional<std::int64_t>(run.info.host_peak_bytes) : std::nullopt;
    audit.device_peak_bytes = device_peak(run);
    audit.outside = audit::outside_view(run);
    if (audit.outside) {
        audit.outside->marked = audit::marked_phases(first);
    }
    audit.overhead = make_overhead(run, first, segments.front());
    each_text(run, spool::TextKind::framework, [&](const std::string& text) { audit.framework = text; });
    audit.limits = make_limits(run, first, was_stopped(run), trainers.size(), one_group);
    audit.next = "headrace report " + run.info.id;
    return audit;
}

}  // namespace headrace
