#include "serve/slo.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/text.h"
#include "base/toml.h"

namespace headrace::serve {
namespace {

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
                            static_cast<double>(*probe.model_bytes) / base::mebibyte);
    }
    return text + ".";
}

double p95_of(const Probe& probe) {
    return std::max(probe.single_sample_p95_seconds.value_or(0), *probe.single_sample_seconds);
}

Finding without_limits(const Probe& probe) {
    const double memory = std::max(1.0, static_cast<double>(probe.model_bytes.value_or(0)) / base::mebibyte);
    Finding finding;
    finding.title = "no slo.toml says what the model may take when it is served";
    finding.evidence = evidence_of(probe) + " No slo.toml says what it may take.";
    finding.remedy = fmt::format(
        "Write slo.toml beside the script with the limits that it will have; of this machine and model the next round "
        "figures are:\n[serve]\nlatency_p95_ms = {:.4g}\nmemory_mb = {:.0f}",
        rounded_up(p95_of(probe) * 1e3), std::ceil(memory));
    return finding;
}

// What is above its limit; empty where nothing is.
std::string above(const Probe& probe, const Slo& slo) {
    std::string text;
    if (slo.latency_p95_ms && p95_of(probe) * 1e3 > *slo.latency_p95_ms) {
        text =
            fmt::format("{:.2f} ms at the 95th percentile, {:g} ms allowed", p95_of(probe) * 1e3, *slo.latency_p95_ms);
    }
    const double memory = static_cast<double>(probe.model_bytes.value_or(0)) / base::mebibyte;
    if (slo.memory_mb && memory > *slo.memory_mb) {
        text += fmt::format("{}{:.2f} MiB, {:g} MiB allowed", text.empty() ? "" : "; ", memory, *slo.memory_mb);
    }
    return text;
}

}  // namespace

Result<Slo> parse_slo(std::string_view text, const std::string& file) {
    const Result<toml::table> parsed = base::parse_toml(text, file);
    if (!parsed) return fail(parsed.error().code, parsed.error().message);
    Slo slo;
    slo.file = file;
    if (Result<void> known = base::only_keys(*parsed, {"serve"}, file, ""); !known)
        return tl::unexpected(known.error());
    const toml::table* serve = (*parsed)["serve"].as_table();
    if (serve == nullptr) return fail(ErrorCode::invalid_argument, file + ": it has no table [serve]");
    if (Result<void> known = base::only_keys(*serve, {"latency_p95_ms", "memory_mb"}, file, "serve."); !known) {
        return tl::unexpected(known.error());
    }
    for (const auto& [key, value] : {std::pair{"latency_p95_ms", &slo.latency_p95_ms}, {"memory_mb", &slo.memory_mb}}) {
        Result<std::optional<double>> number = base::number_above_0(*serve, key, file, "serve.");
        if (!number) return tl::unexpected(number.error());
        *value = *number;
    }
    return slo;
}

std::optional<Finding> advise_slo(const Probe& probe, const Slo* slo) {
    if (!probe.single_sample_seconds || *probe.single_sample_seconds <= 0) return std::nullopt;
    Finding finding;
    if (slo == nullptr) {
        finding = without_limits(probe);
    } else {
        const std::string what = above(probe, *slo);
        if (what.empty()) return std::nullopt;
        finding.title = "the model takes more than slo.toml allows: " + what;
        finding.evidence = evidence_of(probe);
        finding.remedy =
            "Measure it where it will be served; if it is so there too, choose a smaller model, or another precision, "
            "before more is spent on training this one.";
    }
    finding.id = "serve.slo";
    finding.area = Area::serve;
    finding.kind = FixKind::by_hand;
    return finding;
}

}  // namespace headrace::serve
