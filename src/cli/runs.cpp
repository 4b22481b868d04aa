#include "cli/runs.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/shell.h"
#include "base/text.h"
#include "cli/command.h"
#include "report/screen.h"

namespace headrace::cli {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::array<std::string, 6>;

std::string_view word(Outcome outcome) {
    switch (outcome) {
        case Outcome::running:
            return "running";
        case Outcome::finished:
            return "finished";
        case Outcome::failed:
            return "failed";
        case Outcome::killed:
            return "killed";
        case Outcome::interrupted:
            return "interrupted";
    }
    return "";
}

std::optional<double> wall_seconds(const RunInfo& info) {
    if (!info.ended_ns) return std::nullopt;
    return static_cast<double>(*info.ended_ns - info.started_ns) * 1e-9;
}

// 2026-11-24T00:03:19Z as "2026-11-24 00:03:19".
std::string moment(std::string started) {
    if (const std::size_t at = started.find('T'); at != std::string::npos) started[at] = ' ';
    if (started.ends_with('Z')) started.pop_back();
    return base::printable(started);
}

Row row_of(const run::Listed& listed) {
    const RunInfo& info = listed.info;
    const bool damaged = !listed.problem.empty();
    const std::optional<double> wall = damaged ? std::nullopt : wall_seconds(info);
    return {moment(info.started),
            base::printable(listed.folder.id()),
            info.name.empty() ? "-" : base::printable(info.name),
            damaged ? "unreadable" : std::string(word(info.outcome)),
            wall ? base::format_seconds(*wall) : "-",
            damaged ? base::printable(listed.problem) : base::shell_command(info.command)};
}

Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

Json as_json(const run::Listed& listed) {
    const RunInfo& info = listed.info;
    const bool damaged = !listed.problem.empty();
    const std::optional<double> wall = damaged ? std::nullopt : wall_seconds(info);
    Json json;
    json["schema"] = "headrace.runs/1";
    json["id"] = listed.folder.id();
    json["name"] = text_or_null(info.name);
    json["started"] = text_or_null(info.started);
    json["outcome"] = damaged || info.outcome == Outcome::running ? Json(nullptr) : Json(word(info.outcome));
    json["wall_seconds"] = wall ? Json(*wall) : Json(nullptr);
    json["exit_code"] = info.exit_code && !damaged ? Json(*info.exit_code) : Json(nullptr);
    json["signal"] = info.signal && !damaged ? Json(*info.signal) : Json(nullptr);
    json["command"] = info.command;
    json["path"] = listed.folder.path.string();
    json["problem"] = text_or_null(listed.problem);
    return json;
}

// Where HEADRACE_DIR or the working directory named the place, the next command finds it as this one did.
std::string place(const std::optional<std::string>& dir) {
    return dir ? "--dir " + base::shell_word(*dir) + " " : std::string();
}

}  // namespace

std::string report_command(const std::optional<std::string>& dir, const std::vector<std::string>& runs) {
    std::string command = base::shell_word(own_name()) + " report " + place(dir);
    command.pop_back();
    for (const std::string& run : runs) command += " " + base::shell_word(run);
    return command;
}

std::string runs_as_text(const std::vector<run::Listed>& runs, const TextStyle& style, int terminal,
                         const std::filesystem::path& home, const std::optional<std::string>& dir) {
    if (runs.empty()) {
        const std::string text = "There are no runs in " + base::printable(home.string()) + " yet.\nNext       " +
                                 base::shell_word(own_name()) + " audit " + place(dir) + "-- python train.py\n";
        return style.ascii ? report::to_ascii(text) : text;
    }
    std::vector<Row> rows = {{"started (UTC)", "run", "name", "outcome", "wall time", "command"}};
    std::transform(runs.begin(), runs.end(), std::back_inserter(rows), row_of);
    std::array<std::size_t, 6> widths{};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], base::display_width(row[i]));
    }
    constexpr std::size_t longest_name = 24;
    widths[2] = std::min(widths[2], longest_name);
    const report::Frame frame(style);
    std::string text;
    for (std::size_t number = 0; number < rows.size(); ++number) {
        std::string line;
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const std::string cell = i == 2 ? base::truncate_end(rows[number][i], widths[i]) : rows[number][i];
            line += (i == 4 ? base::pad_left(cell, widths[i]) : base::pad_right(cell, widths[i]));
            if (i + 1 < widths.size()) line += "  ";
        }
        if (terminal > 0) line = base::truncate_end(line, static_cast<std::size_t>(terminal));
        text += (number == 0 ? frame.paint(report::Ink::bold, line) : line) + "\n";
    }
    const auto good = std::ranges::find_if(runs, [](const run::Listed& listed) { return listed.problem.empty(); });
    if (good != runs.end()) {
        text +=
            "\n" + frame.paint(report::Ink::bold, "Next") + "       " + report_command(dir, {good->folder.id()}) + "\n";
    }
    return style.ascii ? report::to_ascii(text) : text;
}

void add_commands(Audit& audit, const std::optional<std::string>& dir, const std::string& run,
                  const std::string& show) {
    audit.next = show;
    for (auto finding = audit.findings.rbegin(); finding != audit.findings.rend(); ++finding) {
        if (!can_be_tried(*finding)) continue;
        std::vector<std::string> words = {own_name(), "try"};
        if (dir) words.insert(words.end(), {"--dir", *dir});
        words.insert(words.end(), {"--fix", finding->id, run});
        finding->try_it = base::shell_command(words);
        if (finding->gain && !finding->measured) audit.next = finding->try_it;
    }
}

std::string runs_as_json(const std::vector<run::Listed>& runs) {
    Json json = Json::array();
    for (const run::Listed& listed : runs) json.push_back(as_json(listed));
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace headrace::cli
