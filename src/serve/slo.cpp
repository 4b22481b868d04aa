#include "serve/slo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <system_error>

namespace headrace::serve {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_name = "slo.toml";
constexpr double mebibyte = 1024 * 1024;  // bytes

bool is_file(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

// Two digits, rounded up: a figure that a person would write.
double rounded_up(double value) {
    const double unit = std::pow(10, std::floor(std::log10(value)) - 1);
    return std::ceil(value / unit - 1e-9) * unit;
}

std::string evidence_of(const Probe& probe) {
    std::string text =
        fmt::format("In eval mode the model takes {:.2f} ms for one sample", *probe.single_sample_seconds * 1e3);
    if (probe.single_sample_p95_seconds) {
        text += fmt::format(", {:.2f} ms at the 95th percentile", *probe.single_sample_p95_seconds * 1e3);
    }
    text += fmt::format(", with {} thread{}", probe.threads, probe.threads == 1 ? "" : "s");
    if (probe.model_parameters && probe.model_bytes) {
        text += fmt::format("; it has {} parameters, {:.2f} MiB with its buffers", *probe.model_parameters,
                            static_cast<double>(*probe.model_bytes) / mebibyte);
    }
    return text + ". No slo.toml says what it may take.";
}

}  // namespace

std::optional<fs::path> find_slo(const fs::path& directory, const std::vector<std::string>& command) {
    if (directory.empty()) return std::nullopt;
    if (is_file(directory / file_name)) return directory / file_name;
    for (const std::string& word : command) {
        const fs::path script = directory / word;  // `word` itself where that is absolute
        if (script.extension() != ".py" || !is_file(script)) continue;
        if (is_file(script.parent_path() / file_name)) return script.parent_path() / file_name;
        return std::nullopt;  // later words are the script's own
    }
    return std::nullopt;
}

std::optional<Finding> advise_slo(const Probe& probe, bool has_slo) {
    if (has_slo || !probe.single_sample_seconds || *probe.single_sample_seconds <= 0) return std::nullopt;
    const double p95 = std::max(probe.single_sample_p95_seconds.value_or(0), *probe.single_sample_seconds);
    const double memory = std::max(1.0, static_cast<double>(probe.model_bytes.value_or(0)) / mebibyte);
    Finding finding;
    finding.id = "serve.slo";
    finding.area = Area::serve;
    finding.title = "no slo.toml says what the model may take when it is served";
    finding.evidence = evidence_of(probe);
    finding.kind = FixKind::by_hand;
    finding.remedy = fmt::format(
        "Write slo.toml beside the script with the limits that it will have; of this machine and model the next round "
        "figures are:\n[serve]\nlatency_p95_ms = {:.4g}\nmemory_mb = {:.0f}",
        rounded_up(p95 * 1e3), std::ceil(memory));
    return finding;
}

}  // namespace headrace::serve
