#include "run/trial_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "sys/file.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view schema = "headrace.trial/1";
constexpr std::string_view schema_name = "headrace.trial/";

template <class T>
Json known(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json interval_json(const Interval& interval) {
    return {{"ratio", interval.predicted}, {"low", interval.low}, {"high", interval.high}};
}

Json parameters_json(const Fix& fix) {
    return {{"workers", known(fix.workers)},
            {"threads", known(fix.threads)},
            {"prefetch_factor", known(fix.prefetch_factor)},
            {"persistent_workers", known(fix.persistent_workers)},
            {"batch_size", known(fix.batch_size)},
            {"precision", known(fix.precision)},
            {"cache_bytes", known(fix.cache_bytes)}};
}

std::string joined(const std::vector<std::string>& ids) {
    std::string text;
    for (const std::string& id : ids) text += (text.empty() ? "" : ",") + id;
    return text;
}

std::vector<std::string> parted(const std::string& text) {
    std::vector<std::string> ids;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        ids.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return ids;
}

// What the accessors of the library throw becomes one error: the reader below is called inside one try block.
template <class T>
std::optional<T> optional_in(const Json& json, const char* key) {
    const Json& value = json.at(key);
    return value.is_null() ? std::nullopt : std::optional<T>(value.get<T>());
}

// Of a key that earlier trials do not have.
template <class T>
std::optional<T> added_in(const Json& json, const char* key) {
    return json.contains(key) ? optional_in<T>(json, key) : std::nullopt;
}

double positive(const Json& json, const char* key) {
    const auto value = json.at(key).get<double>();
    if (!std::isfinite(value) || value <= 0) throw Json::other_error::create(501, "not above 0", &json);
    return value;
}

Interval interval_in(const Json& json) {
    return {positive(json, "ratio"), positive(json, "low"), positive(json, "high")};
}

Fix parameters_in(const Json& json) {
    return {optional_in<std::uint64_t>(json, "workers"),         optional_in<std::uint64_t>(json, "threads"),
            optional_in<std::uint64_t>(json, "prefetch_factor"), optional_in<bool>(json, "persistent_workers"),
            optional_in<std::uint64_t>(json, "batch_size"),      added_in<std::string>(json, "precision"),
            added_in<std::uint64_t>(json, "cache_bytes")};
}

Trial trial_in(const Json& json) {
    Trial trial;
    trial.id = json.at("id").get<std::string>();
    trial.run = json.at("run").get<std::string>();
    trial.started = json.at("started").get<std::string>();
    trial.fixes = parted(json.at("fix").get<std::string>());
    trial.fix = parameters_in(json.at("parameters"));
    if (!json.at("predicted").is_null()) trial.predicted = interval_in(json.at("predicted"));
    trial.interval_scale = positive(json, "interval_scale");
    trial.measured = interval_in(json.at("measured"));
    trial.inside = optional_in<bool>(json, "inside");
    for (const Json& pair : json.at("pairs")) {
        trial.pairs.push_back({positive(pair, "without_step_seconds"), positive(pair, "with_step_seconds")});
    }
    trial.steps = json.at("steps").get<std::uint64_t>();
    trial.warm_up = json.at("warm_up_steps").get<std::uint64_t>();
    trial.sandbox = json.at("sandbox").get<bool>();
    const Json& machine = json.at("machine");
    trial.host = machine.at("host").get<std::string>();
    trial.cpu = machine.at("cpu").get<std::string>();
    trial.cores_usable = machine.at("cores_usable").get<double>();
    return trial;
}

fs::path folder_of(const Folder& folder) { return folder.path / "trials"; }

}  // namespace

std::string trial_json(const Trial& trial) {
    Json pairs = Json::array();
    for (const TrialPair& pair : trial.pairs) {
        pairs.push_back(
            {{"without_step_seconds", pair.without_step_seconds}, {"with_step_seconds", pair.with_step_seconds}});
    }
    Json json;
    json["schema"] = schema;
    json["id"] = trial.id;
    json["run"] = trial.run;
    json["started"] = trial.started;
    json["fix"] = joined(trial.fixes);
    json["parameters"] = parameters_json(trial.fix);
    json["predicted"] = trial.predicted ? interval_json(*trial.predicted) : Json(nullptr);
    json["interval_scale"] = trial.interval_scale;
    json["measured"] = interval_json(trial.measured);
    json["inside"] = known(trial.inside);
    json["pairs"] = std::move(pairs);
    json["steps"] = trial.steps;
    json["warm_up_steps"] = trial.warm_up;
    json["sandbox"] = trial.sandbox;
    json["machine"] = {{"host", trial.host}, {"cpu", trial.cpu}, {"cores_usable", trial.cores_usable}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Trial> parse_trial(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    try {
        const std::string name = json.at("schema").get<std::string>();
        if (name != schema && name.starts_with(schema_name)) {
            return fail(ErrorCode::newer_version,
                        "a trial was written by a newer headrace (" + name + "): install that one to read it");
        }
        if (name == schema) return trial_in(json);
    } catch (const Json::exception&) {  // told below
    }
    return fail(ErrorCode::damaged, "a trial is no document of the schema " + std::string(schema));
}

Result<void> keep_trial(const Folder& folder, const Trial& trial) {
    std::error_code error;
    fs::create_directory(folder_of(folder), error);
    if (error) return fail_errno(error.value(), "cannot make " + folder_of(folder).string());
    return sys::write_whole(folder_of(folder) / (trial.id + ".json"), trial_json(trial));
}

std::vector<Trial> trials_of(const Folder& folder) {
    std::vector<Trial> trials;
    std::error_code error;
    for (fs::directory_iterator entry(folder_of(folder), error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        if (entry->path().extension() != ".json") continue;
        const Result<std::string> text = sys::read_whole(entry->path());
        Result<Trial> trial = text ? parse_trial(*text) : tl::unexpected<Error>(text.error());
        if (trial) trials.push_back(std::move(*trial));
    }
    std::sort(trials.begin(), trials.end(), [](const Trial& x, const Trial& y) { return x.id < y.id; });
    return trials;
}

}  // namespace headrace::run
