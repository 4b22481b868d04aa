// Whose history it is, what came of the runs, how long a result takes.
#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "report/gap_blocks.h"

namespace headrace::report {
namespace {

constexpr std::size_t most_users = 6;

std::string gap_count(std::uint64_t count) { return base::format_count(static_cast<std::int64_t>(count)); }

std::string counted(std::uint64_t count, const char* one, const char* several) {
    return fmt::format("{} {}", gap_count(count), count == 1 ? one : several);
}

std::string day_of_moment(const std::string& moment) { return moment.substr(0, moment.find('T')); }

std::string period_words(const Gap& gap) {
    std::string words = fmt::format("{} to {}, {} weeks · {}", day_of_moment(gap.begin), day_of_moment(gap.end),
                                    format_figure(gap.weeks), counted(gap.runs, "run", "runs"));
    if (gap.user) return words + " of " + base::printable(*gap.user);
    return gap.users.size() > 1 ? words + fmt::format(" of {} users", gap.users.size()) : words;
}

std::string rate_words(const Gap& gap) {
    const std::string of = fmt::format("{} of {}", counted(gap.results, "validated result", "validated results"),
                                       counted(gap.experiments, "experiment", "experiments"));
    if (!gap.results_per_week) return of + " in less than a day";
    return fmt::format("{} results a week: {}", format_figure(*gap.results_per_week), of);
}

const ClassCount& class_count(const Gap& gap, RunClass what) { return gap.classes[static_cast<std::size_t>(what)]; }

// What the class of a run is to who asks why there are not more results.
std::string_view class_words(RunClass what) {
    switch (what) {
        case RunClass::validated:
            return "validated";
        case RunClass::unvalidated:
            return "finished without an evaluation after the training";
        case RunClass::unseen:
            return "finished after recording had ended";
        case RunClass::untrained:
            return "without a training step that was seen";
        case RunClass::repeated:
            return "repeated what was validated before";
        case RunClass::interrupted:
            return "interrupted";
        case RunClass::killed:
            return "killed";
        case RunClass::failed:
            return "failed";
        case RunClass::comparison:
            return "by headrace to compare";
    }
    return "";
}

std::string runs_words(const Gap& gap) {
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < run_class_count; ++i) {
        const auto what = static_cast<RunClass>(i);
        const ClassCount& count = class_count(gap, what);
        if (count.runs == 0) continue;
        parts.push_back(
            fmt::format("{} {} ({})", gap_count(count.runs), class_words(what), format_hours(count.run_seconds)));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::string result_words(const Gap& gap) {
    if (!gap.seconds_to_result) return "";
    const Middle& own = *gap.seconds_to_result;
    std::string words = fmt::format("held {} after the start of its run (median; {} to {})", format_time(own.median),
                                    format_time(own.low), format_time(own.high));
    if (gap.seconds_from_first_start) {
        words += fmt::format(", {} after its experiment was first started",
                             format_time(gap.seconds_from_first_start->median));
    }
    return words;
}

std::string user_words(const Gap& gap, const GapUser& user) {
    const std::string name = user.user.empty() ? "unknown" : base::printable(user.user);
    const std::string rate = gap.results_per_week
                                 ? format_figure(static_cast<double>(user.results) / gap.weeks) + " results a week"
                                 : counted(user.results, "result", "results");
    const double lost = user.run_seconds > 0 ? user.lost_seconds / user.run_seconds : 0;
    return fmt::format("{}: {}, {}, {}, {} lost", name, rate, counted(user.experiments, "experiment", "experiments"),
                       format_hours(user.run_seconds), base::format_percent(lost, 0));
}

std::string unknown_words(const Gap& gap) {
    std::vector<std::string> parts;
    if (gap.running > 0) parts.push_back(counted(gap.running, "run still goes on", "runs still go on"));
    if (gap.unreadable > 0) {
        parts.push_back(counted(gap.unreadable, "run folder cannot be read", "run folders cannot be read"));
    }
    if (gap.code_unknown > 0) {
        parts.push_back(counted(gap.code_unknown, "run has no known code state and counts as an experiment of its own",
                                "runs have no known code state and count as experiments of their own"));
    }
    return fmt::format("{}", fmt::join(parts, "; "));
}

void add_fact(Lines& lines, std::string_view label, const std::string& text, const Frame& frame) {
    if (text.empty()) return;
    for (std::string& line : labelled(label, text, frame)) lines.push_back(std::move(line));
}

}  // namespace

Lines gap_headline_lines(const Gap& gap, const Frame& frame) {
    Lines lines = {frame.paint(Ink::dim, rule("headrace gap · " + base::printable(gap.home), frame))};
    for (std::string& line : wrap(period_words(gap), frame.columns())) lines.push_back(std::move(line));
    lines.emplace_back();
    for (const std::string& line : wrap(rate_words(gap), frame.columns())) {
        lines.push_back(frame.paint(Ink::bold, line));
    }
    return lines;
}

Lines gap_fact_lines(const Gap& gap, const Frame& frame) {
    Lines lines;
    add_fact(lines, "Runs", runs_words(gap), frame);
    add_fact(lines, "Hours",
             fmt::format("{} of runs, two at once counted twice; {} of calendar time in which one went on",
                         format_hours(gap.run_seconds), format_hours(gap.busy_seconds)),
             frame);
    add_fact(lines, "Result", result_words(gap), frame);
    for (std::size_t i = 0; gap.users.size() > 1 && i < gap.users.size() && i < most_users; ++i) {
        add_fact(lines, i == 0 ? "Users" : "", user_words(gap, gap.users[i]), frame);
    }
    if (gap.users.size() > most_users) {
        add_fact(lines, "", fmt::format("and {} more: see --json", gap.users.size() - most_users), frame);
    }
    add_fact(lines, "Unknown", unknown_words(gap), frame);
    return lines;
}

}  // namespace headrace::report
