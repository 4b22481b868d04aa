// A comparison on one screen: who, the verdict, and the ledger entry by entry.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/shell.h"
#include "base/text.h"
#include "headrace/report.h"
#include "report/screen.h"

namespace headrace {
namespace {

using report::Frame;
using report::Ink;
using report::Lines;

constexpr std::size_t name_width = 22, time_width = 11;
constexpr double smallest_entry = 0.001;  // of the longer run: what is less on both sides goes to "others"

std::string runs_word(std::size_t count) { return count == 1 ? "1 run" : fmt::format("{} runs", count); }

// The whole command where it fits into three lines: what differs between two of them is often their last word.
Lines side_lines(std::string_view letter, const ComparedSide& side, const Frame& frame) {
    constexpr std::size_t most = 3, indent = 3;
    Lines lines = report::wrap(base::shell_command(side.command), frame.columns() - indent);
    if (lines.size() > most) {
        lines.resize(most);
        lines.back() = base::truncate_end(lines.back() + " …", frame.columns() - indent);
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
        lines[i] = base::pad_right(i == 0 ? std::string(letter) : "", indent) + lines[i];
    }
    return lines;
}

std::string counts_words(const Comparison& comparison) {
    const std::size_t before = comparison.before.runs.size(), after = comparison.after.runs.size();
    if (comparison.spread == Spread::pairs) return fmt::format("{} runs of each, by turns", before);
    return fmt::format("{} of a, {} of b", runs_word(before), runs_word(after));
}

std::string machine_line(const std::string& counts, const Machine& machine, const Frame& frame) {
    std::string words =
        fmt::format("{} · {:.3g} cores · {} · {}", counts, machine.cores_usable,
                    base::format_bytes(static_cast<double>(machine.memory_bytes)), base::printable(machine.cpu));
    for (const std::string& accelerator : machine.accelerators) words += " · " + base::printable(accelerator);
    return base::truncate_end(words, frame.columns());
}

std::string work_words(const ComparedWork& work) {
    if (!work.trained) return "Each ran to its end; no training step was seen.";
    std::string words = "Each trained for ";
    if (work.steps) words += base::format_count(static_cast<std::int64_t>(*work.steps)) + " steps";
    if (work.steps && work.samples) words += ", ";
    if (work.samples) words += "about " + base::format_count(static_cast<std::int64_t>(*work.samples)) + " samples";
    return words + (work.evaluated ? ", and evaluated its model." : ".");
}

// How much slower or faster, as parts of the speed of `before`: "4.8 % slower (3.9 % to 5.6 %)".
std::string change_words(const Estimate& ratio) {
    const bool slower = ratio.value < 1;
    const auto change = [&](double at) { return slower ? 1 - at : at - 1; };
    std::string words = fmt::format("{} {}", base::format_percent(change(ratio.value)), slower ? "slower" : "faster");
    if (!ratio.low) return words;
    const double near = change(slower ? *ratio.high : *ratio.low), far = change(slower ? *ratio.low : *ratio.high);
    return words + fmt::format(" ({} to {})", base::format_percent(near), base::format_percent(far));
}

// The one of the two measures that the verdict is about, and its name.
std::pair<const Estimate*, std::string_view> judged_by(const Comparison& comparison) {
    const auto beyond = [&](const Estimate& ratio) {
        if (comparison.regression) return ratio.high && *ratio.high < 1 - comparison.max_regression;
        if (comparison.verdict == Verdict::slower) return ratio.high && *ratio.high < 1;
        return comparison.verdict != Verdict::faster || (ratio.low && *ratio.low > 1);
    };
    if (comparison.steps && beyond(*comparison.steps)) return {&*comparison.steps, "The steps of b are"};
    return {&comparison.run, "A run of b is"};
}

std::string verdict_words(const Comparison& comparison) {
    const auto [ratio, subject] = judged_by(comparison);
    std::string change = fmt::format("{} {}", subject, change_words(*ratio));
    const std::string allowed = base::format_percent(comparison.max_regression);
    if (comparison.regression) {
        return comparison.max_regression > 0 ? fmt::format("{}: a regression, beyond the {} allowed", change, allowed)
                                             : change + ": a regression";
    }
    switch (comparison.verdict) {
        case Verdict::slower:
            return fmt::format("{}: not surely beyond the {} allowed", change, allowed);
        case Verdict::faster:
            return change;
        case Verdict::no_difference:
            return "No difference beyond chance";
        case Verdict::unknown:
            return change + ": whether that is more than chance is not known";
    }
    return change;
}

Ink ink_of(const Comparison& comparison) {
    if (comparison.regression) return Ink::red;
    if (comparison.verdict == Verdict::faster) return Ink::green;
    return comparison.verdict == Verdict::slower || comparison.verdict == Verdict::unknown ? Ink::yellow : Ink::bold;
}

std::string signed_time(double seconds) { return (seconds > 0 ? "+" : "") + report::format_time(seconds); }

std::string row(std::string_view label, std::string_view before, std::string_view after, std::string_view rest) {
    return base::pad_right(std::string(label), name_width) + base::pad_left(std::string(before), time_width) +
           base::pad_left(std::string(after), time_width) + "  " + std::string(rest);
}

std::string part_line(const ComparedPart& part, const Frame& frame) {
    std::string difference = signed_time(part.difference.value);
    const bool known = part.difference.low.has_value();
    if (known) {
        difference += fmt::format(" ({} to {})", signed_time(*part.difference.low), signed_time(*part.difference.high));
    }
    const bool surely = known && (*part.difference.low > 0 || *part.difference.high < 0);
    const Ink ink = !surely ? Ink::plain : part.difference.value > 0 ? Ink::red : Ink::green;
    return row(part.name, report::format_time(part.before_seconds), report::format_time(part.after_seconds),
               frame.paint(ink, difference));
}

// The entries that are a thousandth of a run or more; the others are added up.
Lines part_lines(const Comparison& comparison, const Frame& frame) {
    double whole = 0;
    for (const ComparedPart& part : comparison.parts) whole += std::max(part.before_seconds, part.after_seconds);
    Lines lines;
    double before = 0, after = 0;
    std::size_t others = 0;
    for (const ComparedPart& part : comparison.parts) {
        const double larger = std::max(part.before_seconds, part.after_seconds);
        if (larger >= smallest_entry * whole) {
            lines.push_back(part_line(part, frame));
        } else if (larger > 0) {
            before += part.before_seconds;
            after += part.after_seconds;
            ++others;
        }
    }
    if (others > 0) {
        lines.push_back(row(fmt::format("others ({})", others), report::format_time(before), report::format_time(after),
                            signed_time(after - before)));
    }
    return lines;
}

double mean_wall(const ComparedSide& side) {
    double sum = 0;
    for (const ComparedRun& run : side.runs) sum += run.wall_seconds;
    return sum / static_cast<double>(side.runs.size());
}

std::string mean_pace(const ComparedSide& side) {
    double sum = 0;
    for (const ComparedRun& run : side.runs) {
        if (!run.samples_per_second) return "";
        sum += *run.samples_per_second;
    }
    return report::format_figure(sum / static_cast<double>(side.runs.size()));
}

std::string ratio_words(const Estimate& ratio) {
    std::string words = fmt::format("{:.3f}x", ratio.value);
    if (ratio.low) words += fmt::format(" ({:.3f} to {:.3f})", *ratio.low, *ratio.high);
    return words;
}

std::string spread_words(const Comparison& comparison) {
    const std::string deviation = comparison.deviation ? base::format_percent(*comparison.deviation) : "";
    switch (comparison.spread) {
        case Spread::pairs:
            return fmt::format("equal runs differ by {} (standard deviation), by the pairs; intervals hold 95 %",
                               deviation);
        case Spread::groups:
            return fmt::format("equal runs differ by {} (standard deviation), by these runs; intervals hold 95 %",
                               deviation);
        case Spread::machine:
            return fmt::format(
                "equal runs differ by {} (standard deviation), by all that was run here before; "
                "intervals hold 95 %",
                deviation);
        case Spread::unknown:
            return "how much equal runs differ here is not known: audit one program some times, or let compare run "
                   "the commands by turns";
    }
    return "";
}

}  // namespace

std::string render_text(const Comparison& comparison, const TextStyle& style) {
    const Frame frame(style);
    Lines lines = {frame.paint(Ink::dim, report::rule("headrace compare", frame))};
    for (std::string& line : side_lines("a", comparison.before, frame)) lines.push_back(std::move(line));
    for (std::string& line : side_lines("b", comparison.after, frame)) lines.push_back(std::move(line));
    lines.push_back(machine_line(counts_words(comparison), comparison.machine, frame));
    for (const std::string& line : report::wrap(work_words(comparison.work), frame.columns())) lines.push_back(line);
    lines.emplace_back();
    for (const std::string& line : report::wrap(verdict_words(comparison), frame.columns())) {
        lines.push_back(frame.paint(ink_of(comparison), line));
    }
    lines.emplace_back();
    lines.push_back(frame.paint(Ink::dim, row("", "a", "b", "b - a")));
    for (std::string& line : part_lines(comparison, frame)) lines.push_back(std::move(line));
    const double before = mean_wall(comparison.before), after = mean_wall(comparison.after);
    lines.push_back(frame.paint(Ink::dim, row("", "", "", "speed of b by that of a")));
    lines.push_back(row("run", report::format_time(before), report::format_time(after), ratio_words(comparison.run)));
    if (comparison.steps) {
        const std::string pace = mean_pace(comparison.before);
        lines.push_back(row(pace.empty() ? "steps" : "steps, samples/s", pace, mean_pace(comparison.after),
                            ratio_words(*comparison.steps)));
    }
    for (const std::string& line : report::labelled("Spread", spread_words(comparison), frame)) lines.push_back(line);
    return report::as_text(lines, style);
}

}  // namespace headrace
