// What stands below the bars: hot lines, facts of a line or two, what could not be seen, the next command.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/text.h"
#include "report/blocks.h"

namespace headrace::report {
namespace {

constexpr double smallest_hot = 0.01;    // of the looks: below this a line is noise
constexpr std::size_t limit_height = 2;  // of one limit where there is little room

void append(Lines& lines, const Lines& more) { lines.insert(lines.end(), more.begin(), more.end()); }

std::string count(std::uint64_t value) {
    return base::format_count(static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX)));
}

std::string plural(std::uint64_t value, std::string_view noun) {
    return fmt::format("{} {}{}", value == 0 ? "no" : count(value), noun, value == 1 ? "" : "s");
}

struct HotRow {
    std::string_view where;  // "input" or "loop"
    const HotLineShare* line = nullptr;
};

std::vector<HotRow> rows_of(const std::vector<HotLineShare>& lines, std::string_view where) {
    std::vector<HotRow> rows;
    for (const HotLineShare& line : lines) {
        if (line.share >= smallest_hot) rows.push_back({where, &line});
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const HotRow& left, const HotRow& right) { return left.line->share > right.line->share; });
    return rows;
}

// The lines of the larger part of the time get two thirds of the room, the others the rest; neither leaves room unused.
std::vector<HotRow> chosen_rows(const Audit& audit, std::size_t most) {
    const Ledger& ledger = shown_ledger(audit);
    const double wait = ledger.seconds[static_cast<std::size_t>(Entry::input_wait)];
    std::vector<HotRow> first = rows_of(audit.input_lines, "input");
    std::vector<HotRow> second = rows_of(audit.loop_lines, "loop");
    if (wait < 0.5 * ledger.wall_seconds && !second.empty()) std::swap(first, second);
    const std::size_t second_wanted = std::min(second.size(), std::max<std::size_t>(most / 3, 1));
    const std::size_t first_taken = std::min(first.size(), most - std::min(most, second_wanted));
    const std::size_t second_taken = std::min(second.size(), most - first_taken);
    first.resize(first_taken);
    first.insert(first.end(), second.begin(), second.begin() + static_cast<std::ptrdiff_t>(second_taken));
    return first;
}

std::string loader_words(const Loader& loader) {
    std::vector<std::string> words;
    if (loader.batch_size) words.push_back(fmt::format("batch {}", count(*loader.batch_size)));
    std::string workers = plural(loader.workers, "worker");
    if (loader.workers > 0 && loader.method) workers += fmt::format(" ({})", base::printable(*loader.method));
    words.push_back(workers);
    if (loader.workers > 0 && loader.prefetch_factor) {
        words.push_back(fmt::format("prefetch {}", count(*loader.prefetch_factor)));
    }
    if (loader.persistent) words.emplace_back("persistent");
    return fmt::format("{}", fmt::join(words, ", "));
}

// The loader that training reads from, or else the first one; null without any.
const Loader* shown_loader(const Audit& audit) {
    if (audit.loaders.empty()) return nullptr;
    const auto shown =
        std::find_if(audit.loaders.begin(), audit.loaders.end(), [](const Loader& loader) { return loader.training; });
    return shown == audit.loaders.end() ? &audit.loaders.front() : &*shown;
}

Lines loader_fact(const Audit& audit, const Frame& frame) {
    const Loader* loader = shown_loader(audit);
    if (loader == nullptr) return {};
    std::string text = loader_words(*loader);
    if (audit.loaders.size() > 1) text += fmt::format("; and {}", plural(audit.loaders.size() - 1, "other loader"));
    return labelled("Loader", text, frame);
}

Lines step_fact(const Audit& audit, const Frame& frame) {
    const Steady& steady = audit.steady;
    if (!audit.trained && steady.steps == 0) return {};
    if (steady.steps == 0) return labelled("Steps", "none after the first", frame);
    std::vector<std::string> words;
    if (steady.step_seconds_median) {
        words.push_back(fmt::format("median {}", format_time(*steady.step_seconds_median)));
    }
    if (steady.step_seconds_p95) words.push_back(fmt::format("p95 {}", format_time(*steady.step_seconds_p95)));
    if (steady.samples_per_second)
        words.push_back(fmt::format("{} samples/s", format_figure(*steady.samples_per_second)));
    if (steady.tokens_per_second) words.push_back(fmt::format("{} tokens/s", format_figure(*steady.tokens_per_second)));
    const Loader* loader = shown_loader(audit);
    if (steady.batch_size && (loader == nullptr || loader->batch_size != steady.batch_size)) {
        words.push_back(fmt::format("batch {}", count(*steady.batch_size)));
    }
    const std::string after = words.empty() ? "" : ": ";
    return labelled("Steps", fmt::format("{} after the first{}{}", count(steady.steps), after, fmt::join(words, ", ")),
                    frame);
}

Lines sample_fact(const PerSample& sample, const Frame& frame) {
    if (!sample.wall_seconds) return {};
    std::vector<std::string> words;
    const auto add = [&](std::string_view what, const std::optional<double>& seconds) {
        if (seconds) words.push_back(fmt::format("{} {}", what, format_time(*seconds)));
    };
    add("CPU", sample.cpu_seconds);
    add("run queue", sample.run_queue_seconds);
    add("blocked", sample.blocked_seconds);
    std::string text = format_time(*sample.wall_seconds);
    if (!words.empty()) text += fmt::format(" ({})", fmt::join(words, ", "));
    if (sample.bytes_requested) text += fmt::format(", {} read", base::format_bytes(*sample.bytes_requested));
    return labelled("Samples", text, frame);
}

Lines memory_fact(const Audit& audit, const Frame& frame) {
    std::vector<std::string> words;
    if (audit.host_peak_bytes) {
        words.push_back(fmt::format("{} of host", base::format_bytes(static_cast<double>(*audit.host_peak_bytes))));
    }
    if (audit.device_peak_bytes) {
        words.push_back(fmt::format("{} of device", base::format_bytes(static_cast<double>(*audit.device_peak_bytes))));
    }
    if (words.empty()) return {};
    return labelled("Memory", fmt::format("{} at the peak", fmt::join(words, ", ")), frame);
}

Lines overhead_fact(const Overhead& overhead, const Frame& frame) {
    std::string text = fmt::format("{} of this time was headrace's own ({}", base::format_percent(overhead.share, 2),
                                   format_time(overhead.seconds));
    if (overhead.per_step_seconds) text += fmt::format(", {} a step", format_time(*overhead.per_step_seconds));
    text += ")";
    if (overhead.hooks_disabled > 0) {
        text += fmt::format("; {} switched off after an error", plural(overhead.hooks_disabled, "hook"));
    }
    return labelled("Overhead", text, frame);
}

double share_of(const Ledger& ledger, std::size_t entry) {
    return ledger.wall_seconds > 0 ? ledger.seconds[entry] / ledger.wall_seconds : 0;
}

int rank_number(const Audit& audit, std::size_t index) {
    return audit.ranks[index].rank.value_or(static_cast<int>(index));
}

// What another program of the run was: its time and its largest entry.
std::string program_words(const Ledger& ledger, std::size_t room) {
    const auto largest = std::max_element(ledger.seconds.begin(), ledger.seconds.end());
    const auto entry = static_cast<std::size_t>(largest - ledger.seconds.begin());
    const std::string figures =
        fmt::format(": {}, {} {}", format_time(ledger.wall_seconds), base::format_percent(share_of(ledger, entry), 0),
                    name(static_cast<Entry>(entry)));
    const std::string command = ledger.command.empty() ? fmt::format("process {}", ledger.pid) : ledger.command;
    return base::truncate_end(base::printable(command), room - std::min(room, figures.size())) + figures;
}

// Programs that trained without knowing of each other, after each other for example: each has a ledger of its own.
Lines program_fact(const Audit& audit, const Frame& frame) {
    constexpr std::size_t most = 3;
    const std::size_t room = frame.columns() - label_columns;
    Lines lines = labelled(
        "Programs",
        fmt::format("{} trained, above is the first; report.json has the ledger of each", audit.ranks.size()), frame);
    for (std::size_t i = 1; i < std::min(audit.ranks.size(), most); ++i) {
        append(lines, {std::string(label_columns, ' ') + program_words(audit.ranks[i], room)});
    }
    return lines;
}

// In what the ranks differ most: a rank that waits for input makes all others wait for it.
Lines rank_fact(const Audit& audit, const Frame& frame) {
    if (audit.ranks.size() < 2) return {};
    if (!audit.ranks.front().rank) return program_fact(audit, frame);
    std::size_t entry = 0;
    std::size_t low = 0;
    std::size_t high = 0;
    double spread = -1;
    for (std::size_t i = 0; i < entry_count; ++i) {
        const auto less = [i](const Ledger& left, const Ledger& right) {
            return share_of(left, i) < share_of(right, i);
        };
        const auto [least, most] = std::minmax_element(audit.ranks.begin(), audit.ranks.end(), less);
        if (share_of(*most, i) - share_of(*least, i) <= spread) continue;
        spread = share_of(*most, i) - share_of(*least, i);
        entry = i;
        low = static_cast<std::size_t>(least - audit.ranks.begin());
        high = static_cast<std::size_t>(most - audit.ranks.begin());
    }
    return labelled("Ranks",
                    fmt::format("{}, above is rank {}; they differ most in {}: {} (rank {}) to {} (rank {})",
                                audit.ranks.size(), rank_number(audit, 0), name(static_cast<Entry>(entry)),
                                base::format_percent(share_of(audit.ranks[low], entry)), rank_number(audit, low),
                                base::format_percent(share_of(audit.ranks[high], entry)), rank_number(audit, high)),
                    frame);
}

// What the model took in the probe, of what the user's file allows.
Lines slo_fact(const Audit& audit, const Frame& frame) {
    if (!audit.slo) return {};
    if (!audit.probe || !audit.probe->single_sample_seconds) {
        return labelled("SLO", "not measured: audit the program with --probe", frame);
    }
    const Probe& probe = *audit.probe;
    std::vector<std::string> words;
    if (audit.slo->latency_p95_ms) {
        const double p95 = probe.single_sample_p95_seconds.value_or(*probe.single_sample_seconds);
        words.push_back(fmt::format("{} of {} ms at the 95th percentile of one sample", format_figure(p95 * 1e3),
                                    format_figure(*audit.slo->latency_p95_ms)));
    }
    if (audit.slo->memory_mb && probe.model_bytes) {
        words.push_back(fmt::format("{} of {} MiB", format_figure(static_cast<double>(*probe.model_bytes) / (1 << 20)),
                                    format_figure(*audit.slo->memory_mb)));
    }
    return words.empty() ? Lines() : labelled("SLO", fmt::format("{}", fmt::join(words, ", ")), frame);
}

Lines cost_fact(const Audit& audit, const Frame& frame) {
    if (!audit.cost) return {};
    const Cost& cost = *audit.cost;
    const std::string epoch = cost.per_epoch ? fmt::format(", {:.3g} an epoch", *cost.per_epoch) : "";
    return labelled("Cost",
                    base::printable(fmt::format("{:.3g} {} the run{} ({}, {:g} an hour)", cost.per_run, cost.currency,
                                                epoch, cost.machine, cost.per_hour)),
                    frame);
}

}  // namespace

Lines hot_lines(const Audit& audit, const Frame& frame, std::size_t most) {
    const std::vector<HotRow> rows = chosen_rows(audit, most);
    if (rows.empty()) return {};
    std::vector<std::string> places;
    std::size_t place_columns = 0;
    const std::size_t room = frame.columns() - 16;
    for (const HotRow& row : rows) {
        const std::string place = fmt::format("{}:{}", short_path(row.line->file, audit.run.directory), row.line->line);
        places.push_back(base::truncate_start(place, room * 3 / 5));
        place_columns = std::max(place_columns, base::display_width(places.back()));
    }
    Lines lines = {frame.paint(Ink::bold, "Hot lines of your code")};
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::string function = base::printable(rows[i].line->function);
        lines.push_back(fmt::format(
            "  {:<5}{}  {}  {}", rows[i].where, base::pad_left(base::format_percent(rows[i].line->share, 0), 6),
            base::pad_right(places[i], place_columns), base::truncate_start(function, room - place_columns - 1)));
    }
    return lines;
}

Lines fact_lines(const Audit& audit, const Frame& frame) {
    Lines lines = step_fact(audit, frame);
    append(lines, loader_fact(audit, frame));
    append(lines, sample_fact(audit.per_sample, frame));
    append(lines, rank_fact(audit, frame));
    append(lines, memory_fact(audit, frame));
    append(lines, slo_fact(audit, frame));
    append(lines, cost_fact(audit, frame));
    append(lines, overhead_fact(audit.overhead, frame));
    return lines;
}

Lines limit_lines(const Audit& audit, const Frame& frame, std::size_t most) {
    const std::size_t room = frame.columns() - label_columns;
    const std::size_t height = std::min(most, std::max(limit_height, most / 2));
    Lines texts;
    std::size_t told = 0;
    for (const std::string& limit : audit.limits) {
        Lines wrapped = wrap(base::printable(limit), room);
        if (wrapped.size() > height) {
            wrapped.resize(height);
            wrapped.back() = base::truncate_end(wrapped.back(), room - 2) + " …";
        }
        const bool last = told + 1 == audit.limits.size();
        if (texts.size() + wrapped.size() + (last ? 0 : 1) > most) break;
        append(texts, wrapped);
        ++told;
    }
    if (const std::size_t left = audit.limits.size() - told; left > 0) {
        const std::string_view what = told > 0 ? " more" : left == 1 ? " thing" : " things";
        texts.push_back(fmt::format("{}{}: see limits in the run's report.json", left, what));
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        texts[i] = frame.paint(Ink::bold, base::pad_right(i == 0 ? "Not seen" : "", label_columns)) + texts[i];
    }
    return texts;
}

Lines next_lines(const Audit& audit, const Frame& frame) {
    // One line however long: broken in two it could not be pasted.
    if (audit.next.empty()) return {};
    return {frame.paint(Ink::bold, base::pad_right("Next", label_columns)) + base::printable(audit.next)};
}

}  // namespace headrace::report
