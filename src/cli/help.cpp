#include "cli/help.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "report/screen.h"

namespace headrace::cli {
namespace {

constexpr std::size_t screen_columns = 80;

using Row = std::pair<std::string, std::string>;

std::string indented(const std::string& text, std::size_t indent) {
    std::string lines;
    for (const std::string& line : report::wrap(text, screen_columns - indent)) {
        lines += std::string(indent, ' ') + line + "\n";
    }
    return lines;
}

std::string table(const std::string& title, const std::vector<Row>& rows) {
    if (rows.empty()) return "";
    std::size_t left = 0;
    for (const Row& row : rows) left = std::max(left, row.first.size());
    std::string text = "\n" + title + ":\n";
    for (const Row& row : rows) {
        std::string words = indented(row.second, left + 4);
        words.replace(0, left + 4, "  " + base::pad_right(row.first, left) + "  ");
        text += words;
    }
    return text;
}

// The first line of a description stands in the list of commands; what follows it, in the command's own help.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }
std::string details(const std::string& text) {
    const std::size_t end = text.find('\n');
    return end == std::string::npos ? text : text.substr(end + 1);
}

std::vector<Row> command_rows(const CLI::App& app) {
    std::vector<Row> rows;
    for (const CLI::App* command : app.get_subcommands(nullptr)) {
        rows.emplace_back(command->get_name(), first_line(command->get_description()));
    }
    return rows;
}

std::vector<Row> option_rows(const CLI::App& app, bool positional) {
    std::vector<Row> rows;
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_positional() != positional) continue;
        std::string words = option->get_name(positional, true);
        if (const std::size_t comma = words.find(','); comma != std::string::npos) words.insert(comma + 1, " ");
        if (positional) {
            words = option->get_type_name();
        } else if (option->get_items_expected_min() > 0) {
            words += " " + option->get_type_name();
        } else if (option->get_items_expected_max() > 0) {
            words += option->get_type_name();  // "[=SECONDS]"
        }
        rows.emplace_back(std::move(words), option->get_description());
    }
    // Help and version come last: they are never what a reader looks for.
    std::stable_partition(rows.begin(), rows.end(), [](const Row& row) {
        return row.first.find("--help") == std::string::npos && row.first.find("--version") == std::string::npos;
    });
    return rows;
}

std::string usage(const CLI::App& app) {
    if (app.get_parent() == nullptr) return "headrace COMMAND [options]";
    std::string text = "headrace " + app.get_name();
    for (const Row& row : option_rows(app, false)) {
        if (row.first.find("--help") == std::string::npos) text += " [" + row.first + "]";
    }
    for (const Row& row : option_rows(app, true)) text += " [" + row.first + "]";
    // The program is not CLI11's to read (parse.cpp), so it knows nothing of it.
    return app.get_name() == "audit" ? text + " -- PROGRAM [ARGUMENTS]" : text;
}

}  // namespace

std::string Help::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
    std::string text = indented(details(app->get_description()), 0);
    const std::string hanging = indented(usage(*app), 7);
    text += "\nUsage: " + hanging.substr(7);
    text += table("Commands", command_rows(*app));
    text += table("Arguments", option_rows(*app, true));
    text += table("Options", option_rows(*app, false));
    text += app->get_parent() == nullptr ? "\nStart with:\n" : "\nExamples:\n";
    std::string examples = app->get_footer();
    for (std::size_t end = 0; !examples.empty(); examples.erase(0, end)) {
        end = std::min(examples.find('\n') + 1, examples.size());
        if (end == 0) end = examples.size();
        const std::string line = examples.substr(0, end);
        text += "  " + line + (line.ends_with('\n') ? "" : "\n");
    }
    return text;
}

}  // namespace headrace::cli
