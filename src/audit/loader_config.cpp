#include "audit/loader_config.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "audit/library.h"

namespace headrace::audit {
namespace {

using Json = nlohmann::json;

Json parsed(const std::string& text) {
    Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json : Json::object();
}

std::optional<std::uint64_t> number_in(const Json& json, const char* key) {
    const auto value = json.find(key);
    if (value == json.end() || !value->is_number_unsigned()) return std::nullopt;
    return value->get<std::uint64_t>();
}

std::optional<std::string> word_in(const Json& json, const char* key) {
    const auto value = json.find(key);
    if (value == json.end() || !value->is_string()) return std::nullopt;
    return value->get<std::string>();
}

bool is_true(const Json& json, const char* key) {
    const auto value = json.find(key);
    return value != json.end() && *value == true;
}

std::optional<LoaderSite> site_in(const Json& json) {
    const auto made = json.find("made");
    if (made == json.end() || !made->is_object()) return std::nullopt;
    const auto file = word_in(*made, "file"), sampler = word_in(*made, "sampler");
    const auto line = number_in(*made, "line");
    if (!file || !sampler || !line) return std::nullopt;
    return LoaderSite{*file, *line, *sampler, is_library(*file)};
}

}  // namespace

Loader loader_of(const std::string& config, bool training) {
    const Json json = parsed(config);
    Loader loader;
    loader.batch_size = number_in(json, "batch_size");
    loader.workers = number_in(json, "workers").value_or(0);
    loader.prefetch_factor = number_in(json, "prefetch_factor");
    loader.persistent = is_true(json, "persistent");
    loader.method = word_in(json, "method");
    loader.training = training;
    loader.made = site_in(json);
    loader.pin_memory = is_true(json, "pin_memory");
    loader.collate = word_in(json, "collate").value_or("");
    loader.threads = number_in(json, "threads");
    return loader;
}

bool collates_by_default(const Loader& loader) {
    return loader.collate.empty() || loader.collate.starts_with("torch.");
}

bool in_order(const std::string& config) {
    const Json json = parsed(config);
    const auto value = json.find("in_order");
    return value == json.end() || *value != false;
}

bool is_iterable(const std::string& config) { return is_true(parsed(config), "iterable"); }

std::uint64_t take_serial(std::string& config) {
    constexpr std::string_view key = ",\"serial\":";
    const std::size_t at = config.rfind(key);
    if (at == std::string::npos || config.back() != '}') return 0;
    std::uint64_t serial = 0;
    const char* end = config.data() + config.size() - 1;
    const auto read = std::from_chars(config.data() + at + key.size(), end, serial);
    if (read.ec != std::errc() || read.ptr != end) return 0;
    config.replace(at, std::string::npos, "}");
    return serial;
}

}  // namespace headrace::audit
