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

// What probes of earlier versions have not.
template <class T>
std::optional<T> added(const Json& json, const char* key) {
    const auto value = json.find(key);
    if (value == json.end() || value->is_null()) return std::nullopt;
    return value->get<T>();
}

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json speed_json(const ReadSpeed& speed) {
    return {{"seconds_per_file", speed.seconds_per_file},
            {"files_per_second", speed.files_per_second},
            {"bytes_per_second", speed.bytes_per_second}};
}

ReadSpeed speed_in(const Json& json) {
    return {positive(json.at("seconds_per_file")), positive(json.at("files_per_second")),
            positive(json.at("bytes_per_second"))};
}

Json files_json(const std::optional<SampleFiles>& files) {
    if (!files) return nullptr;
    return {{"files_per_sample", files->files_per_sample},
            {"bytes_per_file", files->bytes_per_file},
            {"files", files->files},
            {"cached", speed_json(files->cached)},
            {"uncached", files->uncached ? speed_json(*files->uncached) : Json(nullptr)}};
}

SampleFiles files_in(const Json& json) {
    SampleFiles files{json.at("files_per_sample").get<double>(), positive(json.at("bytes_per_file")),
                      json.at("files").get<std::uint64_t>(), speed_in(json.at("cached")), std::nullopt};
    if (!json.at("uncached").is_null()) files.uncached = speed_in(json.at("uncached"));
    return files;
}

Json decoding_json(const std::optional<Decoding>& decoding) {
    if (!decoding) return nullptr;
    return {{"width", decoding->width},
            {"height", decoding->height},
            {"needed_width", decoding->needed_width},
            {"needed_height", decoding->needed_height},
            {"whole_seconds", decoding->whole_seconds},
            {"scaled_seconds", decoding->scaled_seconds}};
}

Decoding decoding_in(const Json& json) {
    return {positive(json.at("width")),
            positive(json.at("height")),
            json.at("needed_width").get<std::uint64_t>(),
            json.at("needed_height").get<std::uint64_t>(),
            positive(json.at("whole_seconds")),
            positive(json.at("scaled_seconds"))};
}

Json dataset_json(const std::optional<Pickled>& dataset) {
    if (!dataset) return nullptr;
    return {{"bytes", dataset->bytes}, {"seconds", dataset->seconds}};
}

Json startup_json(const std::optional<StartupInputs>& startup) {
    if (!startup) return nullptr;
    return {{"files", startup->files},
            {"folders", startup->folders},
            {"bytes", startup->bytes},
            {"digest", startup->digest},
            {"seconds", startup->seconds}};
}

Json relative_json(const std::optional<Relative>& ratio) {
    if (!ratio) return nullptr;
    return {{"median", ratio->median}, {"low", ratio->low}, {"high", ratio->high}};
}

StartupInputs startup_in(const Json& json) {
    return {json.at("files").get<std::uint64_t>(), json.at("folders").get<std::uint64_t>(),
            json.at("bytes").get<std::uint64_t>(), json.at("digest").get<std::string>(),
            json.at("seconds").get<double>()};
}

// Whether a probe has something; earlier ones do not have the key.
bool has(const Json& json, const char* key) { return json.contains(key) && !json.at(key).is_null(); }

Relative relative_in(const Json& json) {
    return {positive(json.at("median")), positive(json.at("low")), positive(json.at("high"))};
}

Probe probe_in(const Json& json) {
    Probe probe;
    probe.threads = json.at("threads").get<std::uint64_t>();
    probe.batch_size = json.at("batch_size").get<std::uint64_t>();
    if (!json.at("single_sample_seconds").is_null()) {
        probe.single_sample_seconds = positive(json.at("single_sample_seconds"));
    }
    probe.single_sample_p95_seconds = added<double>(json, "single_sample_p95_seconds");
    probe.model_parameters = added<std::uint64_t>(json, "model_parameters");
    probe.model_bytes = added<std::int64_t>(json, "model_bytes");
    probe.worker_cpu_seconds = added<double>(json, "worker_cpu_seconds");
    if (has(json, "files")) probe.files = files_in(json.at("files"));
    if (has(json, "decoding")) probe.decoding = decoding_in(json.at("decoding"));
    if (has(json, "startup")) probe.startup = startup_in(json.at("startup"));
    if (has(json, "dataset")) {
        probe.dataset =
            Pickled{json.at("dataset").at("bytes").get<std::uint64_t>(), positive(json.at("dataset").at("seconds"))};
    }
    for (const Json& one : json.at("cases")) {
        const Json& seconds = one.at("step_seconds");
        probe.cases.push_back({one.at("loader_running").get<bool>(), one.at("threads").get<std::uint64_t>(),
                               one.at("batch_size").get<std::uint64_t>(), one.at("precision").get<std::string>(),
                               positive(seconds.at("median")), positive(seconds.at("low")),
                               positive(seconds.at("high")), one.at("steps").get<std::uint64_t>(),
                               added<double>(one, "cpu_seconds"), added<bool>(one, "channels_last").value_or(false),
                               added<std::int64_t>(one, "host_peak_bytes"),
                               added<std::int64_t>(one, "device_peak_bytes"),
                               has(one, "of_others") ? std::optional(relative_in(one.at("of_others"))) : std::nullopt,
                               added<double>(one, "cpu_of_others")});
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
                         {"channels_last", one.channels_last},
                         {"step_seconds", {{"median", one.median}, {"low", one.low}, {"high", one.high}}},
                         {"steps", one.steps},
                         {"cpu_seconds", or_null(one.cpu_seconds)},
                         {"host_peak_bytes", or_null(one.host_peak_bytes)},
                         {"device_peak_bytes", or_null(one.device_peak_bytes)},
                         {"of_others", relative_json(one.of_others)},
                         {"cpu_of_others", or_null(one.cpu_of_others)}});
    }
    return {{"threads", probe.threads},
            {"batch_size", probe.batch_size},
            {"cases", std::move(cases)},
            {"single_sample_seconds", or_null(probe.single_sample_seconds)},
            {"single_sample_p95_seconds", or_null(probe.single_sample_p95_seconds)},
            {"model_parameters", or_null(probe.model_parameters)},
            {"model_bytes", or_null(probe.model_bytes)},
            {"worker_cpu_seconds", or_null(probe.worker_cpu_seconds)},
            {"files", files_json(probe.files)},
            {"decoding", decoding_json(probe.decoding)},
            {"startup", startup_json(probe.startup)},
            {"dataset", dataset_json(probe.dataset)}};
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
