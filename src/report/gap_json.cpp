// docs/formats/gap.schema.json is the document of what is written here.
#include <algorithm>
#include <string>
#include <vector>

#include "headrace/report.h"
#include "report/json_values.h"

namespace headrace {
namespace {

using report::Json;
using report::known;
using report::text_or_null;

Json classes_json(const Gap& gap) {
    Json json = Json::array();
    for (std::size_t i = 0; i < run_class_count; ++i) {
        json.push_back({{"name", name(static_cast<RunClass>(i))},
                        {"runs", gap.classes[i].runs},
                        {"run_seconds", gap.classes[i].run_seconds}});
    }
    return json;
}

Json gap_entries_json(const GapSeconds& seconds, double whole) {
    Json json = Json::array();
    for (std::size_t i = 0; i < gap_entry_count; ++i) {
        const double share = whole > 0 ? std::clamp(seconds[i] / whole, 0.0, 1.0) : 0;
        json.push_back({{"name", gap_entry_name(i)}, {"seconds", seconds[i]}, {"share", share}});
    }
    return json;
}

Json middle_json(const std::optional<Middle>& middle) {
    if (!middle) return nullptr;
    return {{"median", middle->median}, {"low", middle->low}, {"high", middle->high}};
}

Json trend_json(const GapTrend& trend) {
    Json weeks = Json::array();
    for (const GapWeek& week : trend.weeks) {
        weeks.push_back({{"begin", week.begin},
                         {"end", week.end},
                         {"runs", week.runs},
                         {"results", week.results},
                         {"run_seconds", week.run_seconds},
                         {"entries", gap_entries_json(week.seconds, week.run_seconds)}});
    }
    const std::optional<Interval>& change = trend.change;
    const Json told =
        change ? Json{{"value", change->predicted}, {"low", change->low}, {"high", change->high}} : Json(nullptr);
    return {{"verdict", name(trend.verdict)}, {"change_per_week", told}, {"weeks", std::move(weeks)}};
}

Json users_json(const Gap& gap) {
    Json json = Json::array();
    for (const GapUser& user : gap.users) {
        const double rate = static_cast<double>(user.results) / gap.weeks;
        json.push_back({{"user", text_or_null(user.user)},
                        {"runs", user.runs},
                        {"experiments", user.experiments},
                        {"results", user.results},
                        {"results_per_week", gap.results_per_week ? Json(rate) : Json(nullptr)},
                        {"run_seconds", user.run_seconds},
                        {"lost_seconds", user.lost_seconds}});
    }
    return json;
}

Json saving_json(const Saving& saving) { return {{"likely", saving.likely}, {"low", saving.low}}; }

Json open_json(const Gap& gap) {
    Json findings = Json::array();
    for (const OpenFinding& open : gap.open) {
        findings.push_back({{"program", open.program},
                            {"run", open.run},
                            {"finding", open.finding},
                            {"arguments", text_or_null(open.arguments)},
                            {"can_be_tried", open.can_be_tried},
                            {"state", open.proven ? "proven" : "untried"},
                            {"runs", open.runs},
                            {"seconds_per_run", saving_json(open.seconds_per_run)},
                            {"run_seconds", saving_json(open.run_seconds)}});
    }
    const auto& more = gap.open_results_per_week;
    return {{"results_per_week", more ? saving_json(*more) : Json(nullptr)}, {"findings", std::move(findings)}};
}

Json ratio_json(const Interval& interval) {
    return {{"ratio", interval.predicted}, {"low", interval.low}, {"high", interval.high}};
}

Json fixes_json(const std::vector<TriedFix>& fixes) {
    Json json = Json::array();
    for (const TriedFix& fix : fixes) {
        json.push_back({{"trial", fix.trial},
                        {"run", fix.run},
                        {"started", fix.started},
                        {"fix", fix.fix},
                        {"arguments", text_or_null(fix.arguments)},
                        {"predicted", fix.predicted ? ratio_json(*fix.predicted) : Json(nullptr)},
                        {"measured", ratio_json(fix.measured)},
                        {"inside", known(fix.inside)},
                        {"machine", {{"host", fix.host}, {"cpu", fix.cpu}, {"cores_usable", fix.cores_usable}}}});
    }
    return json;
}

}  // namespace

std::string render_json(const Gap& gap) {
    Json json;
    json["schema"] = "headrace.gap/1";
    json["home"] = gap.home;
    json["period"] = {{"begin", gap.begin}, {"end", gap.end}, {"weeks", gap.weeks}};
    json["user"] = known(gap.user);
    json["runs"] = {{"total", gap.runs},
                    {"classes", classes_json(gap)},
                    {"code_unknown", gap.code_unknown},
                    {"running", gap.running},
                    {"unreadable", gap.unreadable}};
    json["experiments"] = gap.experiments;
    json["results"] = {{"total", gap.results},
                       {"per_week", known(gap.results_per_week)},
                       {"seconds_to_result", middle_json(gap.seconds_to_result)},
                       {"seconds_from_first_start", middle_json(gap.seconds_from_first_start)}};
    json["hours"] = {{"run_seconds", gap.run_seconds},
                     {"busy_seconds", gap.busy_seconds},
                     {"entries", gap_entries_json(gap.seconds, gap.run_seconds)}};
    json["trend"] = trend_json(gap.trend);
    json["users"] = users_json(gap);
    json["open"] = open_json(gap);
    json["fixes"] = fixes_json(gap.fixes);
    json["next"] = gap.next;
    return report::as_document(json);
}

}  // namespace headrace
