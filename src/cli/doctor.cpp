// headrace doctor: what works on this machine, and what to do about what does not.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "audit/shim.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "report/screen.h"
#include "sys/machine.h"

namespace headrace::cli {
namespace {

using Checks = std::vector<sys::Check>;
using Json = nlohmann::ordered_json;

// What an audit cannot do without: at least one check of each name has to work. All else that is missing only leaves
// something out of the report.
constexpr std::array<std::string_view, 3> needed = {"installation", "python", "recording place"};

bool is_needed(const sys::Check& check) { return std::find(needed.begin(), needed.end(), check.name) != needed.end(); }

bool audit_works(const Checks& checks) {
    return std::all_of(needed.begin(), needed.end(), [&](std::string_view name) {
        return std::any_of(checks.begin(), checks.end(),
                           [&](const sys::Check& check) { return check.name == name && check.works; });
    });
}

Checks check_all() {
    const auto shim = audit::find_shim();
    Checks checks = {{"installation", shim.has_value(), shim ? shim->string() : shim.error().message,
                      shim ? "" : "install headrace again, or unset HEADRACE_SHIM"}};
    const Checks machine = sys::check_machine();
    checks.insert(checks.end(), machine.begin(), machine.end());
    return checks;
}

// The words of a check beside its name, wrapped.
std::string block(const sys::Check& check, std::size_t name_columns, const report::Frame& frame) {
    const report::Ink ink = check.works        ? report::Ink::green
                            : is_needed(check) ? report::Ink::red
                                               : report::Ink::yellow;
    std::string left =
        frame.paint(ink, check.works ? "✓" : "✗") + " " + base::pad_right(check.name, name_columns) + "  ";
    const std::string blank(name_columns + 4, ' ');
    std::string text;
    for (const std::string& words : {check.detail, check.remedy.empty() ? "" : "Remedy: " + check.remedy}) {
        for (const std::string& line : report::wrap(base::printable(words), frame.columns() - blank.size())) {
            text += std::exchange(left, blank) + line + "\n";
        }
    }
    return text;
}

std::string verdict(const Checks& checks) {
    if (!audit_works(checks)) return "An audit is not possible here: see the remedies above.\n";
    const auto missing =
        std::count_if(checks.begin(), checks.end(), [](const sys::Check& check) { return !check.works; });
    const std::string next = "Next  headrace audit -- python train.py\n";
    if (missing == 0) return "An audit sees everything here.\n" + next;
    return "An audit works here; what is marked above will be missing from its report.\n" + next;
}

std::string as_text(const Checks& checks, const TextStyle& style) {
    const report::Frame frame(style);
    std::size_t name_columns = 0;
    for (const sys::Check& check : checks) name_columns = std::max(name_columns, base::display_width(check.name));
    std::string text;
    for (const sys::Check& check : checks) text += block(check, name_columns, frame);
    text += "\n" + verdict(checks);
    return style.ascii ? report::to_ascii(text) : text;
}

std::string as_json(const Checks& checks) {
    Json json;
    json["schema"] = "headrace.doctor/1";
    json["audit_works"] = audit_works(checks);
    json["checks"] = Json::array();
    for (const sys::Check& check : checks) {
        json["checks"].push_back({{"name", check.name},
                                  {"works", check.works},
                                  {"needed", is_needed(check)},
                                  {"detail", check.detail},
                                  {"remedy", check.remedy.empty() ? Json(nullptr) : Json(check.remedy)}});
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

int run_doctor(const std::optional<std::string>& json, bool quiet) {
    if (json) {
        if (const auto good = can_write(*json); !good) return tell(good.error().message, exit_bad_input);
    }
    const Checks checks = check_all();
    Result<void> done = json ? write_document(*json, as_json(checks)) : Result<void>();
    if (done && !quiet && json != "-") done = print(STDOUT_FILENO, as_text(checks, style_of(STDOUT_FILENO)));
    if (!done) return tell(done.error().message, exit_bad_input);
    return audit_works(checks) ? exit_done : exit_falls_short;
}

}  // namespace

void add_doctor(CLI::App& app, Invocation& invocation) {
    const auto json = std::make_shared<std::optional<std::string>>();
    const auto quiet = std::make_shared<bool>(false);
    CLI::App* command = app.add_subcommand("doctor",
                                           "say what works on this machine, and the remedy for what does not\n"
                                           "Says what works on this machine and, for what does not, the remedy. "
                                           "Changes nothing. Ends with 1 when an audit "
                                           "is not possible here.");
    command->footer("headrace doctor\nheadrace doctor --quiet && headrace audit -- python train.py");
    command->set_help_flag("-h,--help", "show this help");
    command->add_option("--json", *json, "write the findings as JSON to this file; - is standard output")
        ->type_name("FILE");
    command->add_flag("--quiet", *quiet, "print nothing: the exit code says whether an audit works here");
    command->callback(
        [json, quiet, &invocation] { invocation.action = [json, quiet] { return run_doctor(*json, *quiet); }; });
}

}  // namespace headrace::cli
