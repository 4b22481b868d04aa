// What program this was, what its run was spent on, and how it ended.
#include <fmt/format.h>

#include <csignal>
#include <cstring>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/shell.h"
#include "base/text.h"
#include "report/blocks.h"

namespace headrace::report {
namespace {

constexpr double smallest_named = 0.015;     // a share below this has no place in the headline
constexpr double cause_worth_naming = 0.10;  // of the run, for the wait whose main cause is named
constexpr double main_cause = 0.5;           // of the wait

// What an entry is to someone who asks what the run was spent on.
std::string_view purpose(Entry entry) {
    switch (entry) {
        case Entry::startup_launch:
        case Entry::startup_imports:
        case Entry::startup_setup:
        case Entry::startup_workers:
        case Entry::startup_first_step:
            return "start-up";
        case Entry::input_wait:
            return "waiting for input";
        case Entry::transfer:
            return "copying to the device";
        case Entry::compute_forward:
        case Entry::compute_backward:
        case Entry::compute_optimizer:
        case Entry::compute_device_wait:
            return "computing";
        case Entry::sync:
            return "waiting for other ranks";
        case Entry::host:
            return "in the loop's own Python";
        case Entry::evaluation:
            return "evaluation";
        case Entry::checkpoint:
            return "checkpoints";
        case Entry::logging:
            return "logging";
        case Entry::teardown:
            return "shutdown";
        case Entry::unattributed:
            return "unattributed";
    }
    return "unattributed";
}

std::string_view cause(Stage stage) {
    switch (stage) {
        case Stage::storage:
            return "storage";
        case Stage::read:
            return "reading";
        case Stage::decode:
            return "decode";
        case Stage::collate:
            return "collate";
        case Stage::transport:
            return "transport";
        case Stage::workers:
            return "no worker or core free";
    }
    return "";
}

std::string_view main_cause_of(const Ledger& ledger) {
    const double wait = ledger.seconds[static_cast<std::size_t>(Entry::input_wait)];
    if (!(wait > 0) || !(wait >= cause_worth_naming * ledger.wall_seconds)) return "";
    const auto largest = std::max_element(ledger.wait_seconds.begin(), ledger.wait_seconds.end());
    if (!(*largest >= main_cause * wait)) return "";
    return cause(static_cast<Stage>(largest - ledger.wait_seconds.begin()));
}

struct Part {
    std::string_view purpose;
    double seconds = 0;
};

std::vector<Part> parts_of(const Ledger& ledger) {
    std::vector<Part> parts;
    for (std::size_t i = 0; i < entry_count; ++i) {
        const std::string_view words = purpose(static_cast<Entry>(i));
        auto part = std::find_if(parts.begin(), parts.end(), [&](const Part& p) { return p.purpose == words; });
        if (part == parts.end()) part = parts.insert(parts.end(), Part{words});
        part->seconds += ledger.seconds[i];
    }
    std::stable_sort(parts.begin(), parts.end(),
                     [](const Part& left, const Part& right) { return left.seconds > right.seconds; });
    return parts;
}

struct Told {
    std::string text;
    std::size_t parts = 0;
};

// The largest parts, as many as fit into one line; `cause_words` goes behind the wait for input.
Told tell(std::string text, const Ledger& ledger, std::string_view cause_words, std::size_t columns) {
    Told told{std::move(text)};
    for (const Part& part : parts_of(ledger)) {
        const double share = part.seconds / ledger.wall_seconds;
        if (!(share >= smallest_named)) break;
        std::string words =
            fmt::format("{}{} {}", told.parts == 0 ? ": " : ", ", base::format_percent(share, 0), part.purpose);
        if (part.purpose == purpose(Entry::input_wait)) words += cause_words;
        if (base::display_width(told.text) + base::display_width(words) > columns) break;
        told.text += words;
        ++told.parts;
    }
    return told;
}

// "6 min 12 s: 61 % waiting for input (decode), 30 % computing, 5 % evaluation". The main cause of the wait is told in
// as many words as leave room for the first three parts.
std::string headline(const Audit& audit, const Frame& frame) {
    const Ledger& ledger = shown_ledger(audit);
    if (!(ledger.wall_seconds > 0)) return "Nothing was recorded.";
    std::string begin = format_time(ledger.wall_seconds);
    if (!audit.trained) begin += ", no training step seen";
    const std::size_t possible = tell(begin, ledger, "", frame.columns()).parts;
    const std::string_view cause_words = main_cause_of(ledger);
    if (!cause_words.empty()) {
        for (const std::string& words : {fmt::format(" (mostly {})", cause_words), fmt::format(" ({})", cause_words)}) {
            Told told = tell(begin, ledger, words, frame.columns());
            if (told.parts >= std::min<std::size_t>(possible, 3)) return std::move(told.text);
        }
    }
    return tell(begin, ledger, "", frame.columns()).text;
}

// How the program ended, when it did not simply finish.
std::string ending(const RunInfo& run) {
    const std::string code = run.exit_code ? fmt::format(" with exit code {}", *run.exit_code) : "";
    const std::string signal = run.signal ? fmt::format(" by {}", base::signal_name(*run.signal)) : "";
    switch (run.outcome) {
        case Outcome::finished:
            return "";
        case Outcome::running:
            return "The program is still running: this is what was recorded so far.";
        case Outcome::failed:
            return fmt::format("The program failed{}.", code);
        case Outcome::killed:
            return fmt::format("The program was killed{}.", signal);
        case Outcome::interrupted:
            return fmt::format("The program was interrupted{}{}.", signal, code);
    }
    return "";
}

// Whose time the ledger is, where that is not the command's own process.
std::string_view shown_process(const Audit& audit) {
    if (audit.trained) return "process that trained";
    const auto& seconds = shown_ledger(audit).seconds;
    const bool computed = seconds[static_cast<std::size_t>(Entry::evaluation)] > 0 ||
                          seconds[static_cast<std::size_t>(Entry::compute_forward)] > 0;
    return computed ? "process that ran the model" : "first Python process";
}

// Which part of the command's time the figures are about, when that is not all of it.
std::string recorded_part(const Audit& audit) {
    const double recorded = shown_ledger(audit).wall_seconds;
    const double missing = audit.wall_seconds - recorded;
    if (!(missing > std::max(0.1, 0.01 * audit.wall_seconds)) || !(recorded > 0)) return "";
    const std::string command = format_time(audit.wall_seconds);
    if (audit.stopped && audit.run.max_steps) {
        return fmt::format("Recorded until step {} (--max-steps); the command took {}.",
                           base::format_count(static_cast<std::int64_t>(*audit.run.max_steps)), command);
    }
    return fmt::format("That is the {}; the command took {}.", shown_process(audit), command);
}

std::string rule_of(const Audit& audit, const Frame& frame) {
    std::string words = "headrace";
    if (!audit.run.id.empty()) words += " · " + base::printable(audit.run.id);
    if (!audit.run.name.empty()) words += " · " + base::printable(audit.run.name);
    return rule(words, frame);
}

// Every figure names the machine that it was measured on.
std::string machine_words(const Audit& audit) {
    const Machine& machine = audit.run.machine;
    std::vector<std::string> words;
    if (machine.cores > 0) {
        const auto whole = static_cast<double>(machine.cores);
        const bool all = std::abs(machine.cores_usable - whole) < 0.01 || !(machine.cores_usable > 0);
        words.push_back(all ? fmt::format("{} cores", machine.cores)
                            : fmt::format("{:.3g} of {} cores", machine.cores_usable, machine.cores));
    }
    if (machine.memory_bytes > 0) words.push_back(base::format_bytes(static_cast<double>(machine.memory_bytes)));
    for (const std::string& accelerator : machine.accelerators) words.push_back(base::printable(accelerator));
    if (audit.framework) words.push_back(base::printable(*audit.framework));
    if (audit.processes > 1) {
        words.push_back(fmt::format("{} processes", base::format_count(static_cast<std::int64_t>(audit.processes))));
    }
    if (!machine.host.empty()) words.push_back("on " + base::printable(machine.host));
    return fmt::format("{}", fmt::join(words, " · "));
}

}  // namespace

Lines title_lines(const Audit& audit, const Frame& frame) {
    Lines lines = {frame.paint(Ink::dim, rule_of(audit, frame))};
    for (const std::string& line : {base::shell_command(audit.run.command), machine_words(audit)}) {
        if (!line.empty()) lines.push_back(base::truncate_end(line, frame.columns()));
    }
    return lines;
}

Lines headline_lines(const Audit& audit, const Frame& frame) {
    Lines lines = {frame.paint(Ink::bold, headline(audit, frame))};
    const Ink ink = audit.run.outcome == Outcome::running ? Ink::yellow : Ink::red;
    for (const std::string& line : wrap(ending(audit.run), frame.columns())) lines.push_back(frame.paint(ink, line));
    for (const std::string& line : wrap(recorded_part(audit), frame.columns())) lines.push_back(line);
    return lines;
}

}  // namespace headrace::report
