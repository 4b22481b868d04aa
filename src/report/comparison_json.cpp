// docs/formats/compare.schema.json is the document of what is written here.
#include "headrace/report.h"
#include "report/json_values.h"

namespace headrace {
namespace {

using report::Json;
using report::known;

Json side_json(const ComparedSide& side) {
    Json runs = Json::array();
    for (const ComparedRun& run : side.runs) {
        runs.push_back({{"id", run.id},
                        {"wall_seconds", run.wall_seconds},
                        {"samples_per_second", known(run.samples_per_second)}});
    }
    return {{"command", side.command}, {"runs", std::move(runs)}};
}

Json ratio_json(const Estimate& ratio) {
    return {{"ratio", ratio.value}, {"low", known(ratio.low)}, {"high", known(ratio.high)}};
}

Json parts_json(const std::vector<ComparedPart>& parts) {
    Json json = Json::array();
    for (const ComparedPart& part : parts) {
        json.push_back({{"name", part.name},
                        {"before_seconds", part.before_seconds},
                        {"after_seconds", part.after_seconds},
                        {"difference_seconds", part.difference.value},
                        {"low_seconds", known(part.difference.low)},
                        {"high_seconds", known(part.difference.high)}});
    }
    return json;
}

}  // namespace

std::string render_json(const Comparison& comparison) {
    const Machine& machine = comparison.machine;
    Json json;
    json["schema"] = "headrace.compare/1";
    json["before"] = side_json(comparison.before);
    json["after"] = side_json(comparison.after);
    json["machine"] = {{"host", machine.host},
                       {"cpu", machine.cpu},
                       {"cores_usable", machine.cores_usable},
                       {"memory_bytes", machine.memory_bytes},
                       {"accelerators", machine.accelerators}};
    json["work"] = {{"trained", comparison.work.trained},
                    {"steps", known(comparison.work.steps)},
                    {"samples", known(comparison.work.samples)},
                    {"evaluated", comparison.work.evaluated}};
    json["spread"] = name(comparison.spread);
    json["deviation"] = known(comparison.deviation);
    json["steps"] = comparison.steps ? ratio_json(*comparison.steps) : Json(nullptr);
    json["run"] = ratio_json(comparison.run);
    json["entries"] = parts_json(comparison.parts);
    json["max_regression"] = comparison.max_regression;
    json["verdict"] = name(comparison.verdict);
    json["regression"] = comparison.regression;
    return report::as_document(json);
}

}  // namespace headrace
