#include "run/probe_file.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "sys/file.h"

namespace headrace::run {
namespace {

using Json = nlohmann::ordered_json;

std::filesystem::path file_of(const Folder& folder) { return folder.path / "probe.json"; }

double positive(const Json& json) {
    const auto value = json.get<double>();
    if (!std::isfinite(value) || value <= 0) throw Json::other_error::create(501, "not above 0", &json);
    return value;
}

Probe probe_in(const Json& json) {
    Probe probe;
    probe.threads = json.at("threads").get<std::uint64_t>();
    probe.batch_size = json.at("batch_size").get<std::uint64_t>();
    if (!json.at("single_sample_seconds").is_null()) {
        probe.single_sample_seconds = positive(json.at("single_sample_seconds"));
    }
    for (const Json& one : json.at("cases")) {
        const Json& seconds = one.at("step_seconds");
        probe.cases.push_back({one.at("loader_running").get<bool>(), one.at("threads").get<std::uint64_t>(),
                               one.at("batch_size").get<std::uint64_t>(), one.at("precision").get<std::string>(),
                               positive(seconds.at("median")), positive(seconds.at("low")),
                               positive(seconds.at("high")), one.at("steps").get<std::uint64_t>()});
    }
    return probe;
}

}  // namespace

Json probe_json(const Probe& probe) {
    Json cases = Json::array();
    for (const ProbeCase& one : probe.cases) {
        cases.push_back({{"loader_running", one.loader_running},
                         {"threads", one.threads},
                         {"batch_size", one.batch_size},
                         {"precision", one.precision},
                         {"step_seconds", {{"median", one.median}, {"low", one.low}, {"high", one.high}}},
                         {"steps", one.steps}});
    }
    return {
        {"threads", probe.threads},
        {"batch_size", probe.batch_size},
        {"cases", std::move(cases)},
        {"single_sample_seconds", probe.single_sample_seconds ? Json(*probe.single_sample_seconds) : Json(nullptr)}};
}

Result<void> keep_probe(const Folder& folder, const Probe& probe) {
    return sys::write_whole(file_of(folder), probe_json(probe).dump(2) + "\n");
}

std::optional<Probe> read_probe(const Folder& folder) {
    const Result<std::string> text = sys::read_whole(file_of(folder));
    if (!text) return std::nullopt;
    try {
        return probe_in(Json::parse(*text));
    } catch (const Json::exception&) {
        return std::nullopt;
    }
}

}  // namespace headrace::run
