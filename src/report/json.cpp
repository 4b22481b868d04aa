// docs/formats/report.schema.json is the document of what is written here.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "headrace/report.h"
#include "report/blocks.h"
#include "report/json_values.h"
#include "run/probe_file.h"

namespace headrace {
namespace {

using report::Json;
using report::known;
using report::text_or_null;

double share(double part, double whole) { return whole > 0 ? std::clamp(part / whole, 0.0, 1.0) : 0; }

Json outcome(Outcome value) {
    switch (value) {
        case Outcome::running:
            return nullptr;
        case Outcome::finished:
            return "finished";
        case Outcome::failed:
            return "failed";
        case Outcome::killed:
            return "killed";
        case Outcome::interrupted:
            return "interrupted";
    }
    return nullptr;
}

Json machine_json(const Machine& machine) {
    return {{"cores_usable", machine.cores_usable},
            {"cores", machine.cores},
            {"memory_bytes", machine.memory_bytes},
            {"host", machine.host},
            {"system", machine.system},
            {"cpu", machine.cpu},
            {"accelerators", machine.accelerators}};
}

Json run_json(const Audit& audit) {
    const RunInfo& run = audit.run;
    Json json;
    json["id"] = run.id;
    json["name"] = text_or_null(run.name);
    json["command"] = run.command;
    json["started"] = run.started;
    json["wall_seconds"] = audit.wall_seconds;
    json["exit_code"] = known(run.exit_code);
    json["signal"] = known(run.signal);
    json["outcome"] = outcome(run.outcome);
    json["machine"] = machine_json(run.machine);
    json["code"] = {{"git_commit", known(run.code.git_commit)}, {"dirty", known(run.code.dirty)}};
    json["framework"] = known(audit.framework);
    json["processes"] = audit.processes;
    json["ranks"] = audit.ranks.size();
    return json;
}

Json ledger_json(const Ledger& ledger) {
    Json entries = Json::array();
    for (std::size_t i = 0; i < entry_count; ++i) {
        entries.push_back({{"name", name(static_cast<Entry>(i))},
                           {"seconds", ledger.seconds[i]},
                           {"share", share(ledger.seconds[i], ledger.wall_seconds)}});
    }
    return {{"rank", known(ledger.rank)},          {"pid", ledger.pid},
            {"host", text_or_null(ledger.host)},   {"command", text_or_null(ledger.command)},
            {"wall_seconds", ledger.wall_seconds}, {"entries", std::move(entries)}};
}

Json ranks_json(const std::vector<Ledger>& ranks) {
    Json json = Json::array();
    for (const Ledger& ledger : ranks) json.push_back(ledger_json(ledger));
    return json;
}

Json steady_json(const Steady& steady) {
    return {{"steps", steady.steps},
            {"step_seconds", {{"median", known(steady.step_seconds_median)}, {"p95", known(steady.step_seconds_p95)}}},
            {"samples_per_second", known(steady.samples_per_second)},
            {"tokens_per_second", known(steady.tokens_per_second)},
            {"batch_size", known(steady.batch_size)}};
}

// The loaders that training reads from come first.
Json loaders_json(std::vector<Loader> loaders) {
    std::stable_partition(loaders.begin(), loaders.end(), [](const Loader& loader) { return loader.training; });
    Json json = Json::array();
    for (const Loader& loader : loaders) {
        json.push_back({{"batch_size", known(loader.batch_size)},
                        {"workers", loader.workers},
                        {"prefetch_factor", known(loader.prefetch_factor)},
                        {"persistent", loader.persistent},
                        {"method", known(loader.method)}});
    }
    return json;
}

Json wait_json(const Ledger& ledger) {
    const double wait = ledger.seconds[static_cast<std::size_t>(Entry::input_wait)];
    Json json = Json::array();
    for (std::size_t i = 0; i < stage_count; ++i) {
        json.push_back({{"stage", name(static_cast<Stage>(i))},
                        {"seconds", ledger.wait_seconds[i]},
                        {"share", share(ledger.wait_seconds[i], wait)}});
    }
    return json;
}

Json hot_lines_json(const std::vector<HotLineShare>& lines) {
    Json json = Json::array();
    for (const HotLineShare& line : lines) {
        json.push_back({{"file", line.file}, {"line", line.line}, {"function", line.function}, {"share", line.share}});
    }
    return json;
}

Json input_json(const Audit& audit) {
    const PerSample& sample = audit.per_sample;
    Json json;
    json["loaders"] = loaders_json(audit.loaders);
    json["wait"] = wait_json(report::shown_ledger(audit));
    json["per_sample"] = {{"wall_seconds", known(sample.wall_seconds)},
                          {"cpu_seconds", known(sample.cpu_seconds)},
                          {"run_queue_seconds", known(sample.run_queue_seconds)},
                          {"blocked_seconds", known(sample.blocked_seconds)},
                          {"bytes_requested", known(sample.bytes_requested)},
                          {"bytes_from_storage", known(sample.bytes_from_storage)}};
    json["hot_lines"] = hot_lines_json(audit.input_lines);
    return json;
}

Json phases_json(const std::vector<OutsidePhase>& phases) {
    Json json = Json::array();
    for (const OutsidePhase& phase : phases) {
        json.push_back({{"begin_seconds", phase.begin_seconds},
                        {"end_seconds", phase.end_seconds},
                        {"cpu_cores", phase.cpu_cores},
                        {"read_bytes_per_second", phase.read_bytes_per_second},
                        {"written_bytes_per_second", phase.written_bytes_per_second},
                        {"what", name(phase.what)}});
    }
    return json;
}

Json outside_json(const std::optional<Outside>& outside) {
    if (!outside) return nullptr;
    Json processes = Json::array();
    for (const OutsideProcess& process : outside->processes) {
        processes.push_back({{"command", process.command},
                             {"pid", process.pid},
                             {"seconds", process.seconds},
                             {"cpu_seconds", process.cpu_seconds}});
    }
    Json marked = Json::array();
    for (const MarkedPhase& phase : outside->marked) {
        marked.push_back({{"name", phase.name}, {"seconds", phase.seconds}, {"count", phase.count}});
    }
    Json json;
    json["cpu_seconds"] = outside->cpu_seconds;
    json["cores_mean"] = outside->cores_mean;
    json["idle_share"] = outside->idle_share;
    json["read_bytes"] = outside->read_bytes;
    json["written_bytes"] = outside->written_bytes;
    json["processes"] = std::move(processes);
    json["phases"] = phases_json(outside->phases);
    json["marked"] = std::move(marked);
    return json;
}

Json ceilings_json(const std::vector<Ceiling>& ceilings) {
    Json json = Json::array();
    for (const Ceiling& ceiling : ceilings) {
        json.push_back({{"name", ceiling.name},
                        {"samples_per_second", ceiling.samples_per_second},
                        {"basis", name(ceiling.basis)}});
    }
    return json;
}

Json prediction_json(const Prediction& prediction) {
    return {{"valid", prediction.valid},
            {"reproduction",
             {{"mean_error", known(prediction.mean_error)},
              {"p95_error", known(prediction.p95_error)},
              {"crowded_cores", known(prediction.crowded_cores)}}},
            {"reason", text_or_null(prediction.reason)}};
}

Json interval_json(const Interval& interval) {
    return {{"predicted", interval.predicted}, {"low", interval.low}, {"high", interval.high}};
}

Json gain_json(const std::optional<Gain>& gain) {
    if (!gain) return nullptr;
    return {{"ratio", interval_json(gain->ratio)}, {"seconds_per_run", interval_json(gain->seconds_per_run)}};
}

Json fix_json(const Finding& finding) {
    const Fix& fix = finding.fix;
    Json parameters = Json::object();
    if (finding.kind == FixKind::evaluation) parameters["rows"] = known(fix.evaluation_rows);
    if (finding.kind == FixKind::autocast) parameters["precision"] = known(fix.precision);
    if (finding.kind == FixKind::sample_cache) parameters["cache_bytes"] = known(fix.cache_bytes);
    if (finding.kind == FixKind::loader)
        parameters = {{"workers", known(fix.workers)},
                      {"threads", known(fix.threads)},
                      {"prefetch_factor", known(fix.prefetch_factor)},
                      {"persistent_workers", known(fix.persistent_workers)},
                      {"batch_size", known(fix.batch_size)}};
    return {{"kind", name(finding.kind)}, {"parameters", std::move(parameters)}};
}

Json measured_json(const std::optional<Interval>& measured) {
    if (!measured) return nullptr;
    return {{"ratio", measured->predicted}, {"low", measured->low}, {"high", measured->high}};
}

Json call_site_json(const std::optional<LoaderSite>& loader) {
    if (!loader || loader->library) return nullptr;
    return {{"file", loader->file}, {"line", loader->line}};
}

Json findings_json(const std::vector<Finding>& findings) {
    Json json = Json::array();
    for (const Finding& finding : findings) {
        json.push_back({{"id", finding.id},
                        {"area", name(finding.area)},
                        {"title", finding.title},
                        {"evidence", finding.evidence},
                        {"fix", fix_json(finding)},
                        {"gain", gain_json(finding.gain)},
                        {"changes", name(finding.changes)},
                        {"remedy", finding.remedy},
                        {"call_site", call_site_json(finding.loader)},
                        {"diff", text_or_null(finding.diff)},
                        {"try", text_or_null(finding.try_it)},
                        {"measured", measured_json(finding.measured)}});
    }
    return json;
}

Json slo_json(const std::optional<Slo>& slo) {
    if (!slo) return nullptr;
    return {{"file", slo->file}, {"latency_p95_ms", known(slo->latency_p95_ms)}, {"memory_mb", known(slo->memory_mb)}};
}

Json cost_json(const std::optional<Cost>& cost) {
    if (!cost) return nullptr;
    return {{"file", cost->file},         {"currency", cost->currency}, {"machine", cost->machine},
            {"per_hour", cost->per_hour}, {"per_run", cost->per_run},   {"per_epoch", known(cost->per_epoch)}};
}

}  // namespace

std::string render_json(const Audit& audit) {
    Json json;
    json["schema"] = "headrace.report/1";
    json["run"] = run_json(audit);
    json["ledger"] = ledger_json(report::shown_ledger(audit));
    json["ranks"] = ranks_json(audit.ranks);
    json["steady"] = steady_json(audit.steady);
    json["input"] = input_json(audit);
    json["memory"] = {{"host_peak_bytes", known(audit.host_peak_bytes)},
                      {"device_peak_bytes", known(audit.device_peak_bytes)}};
    json["outside"] = outside_json(audit.outside);
    json["overhead"] = {{"seconds", audit.overhead.seconds},
                        {"share", audit.overhead.share},
                        {"per_step_seconds", known(audit.overhead.per_step_seconds)},
                        {"hooks_disabled", audit.overhead.hooks_disabled}};
    json["ceilings"] = ceilings_json(audit.ceilings);
    json["prediction"] = prediction_json(audit.prediction);
    json["probe"] = audit.probe ? run::probe_json(*audit.probe) : Json(nullptr);
    json["slo"] = slo_json(audit.slo);
    json["cost"] = cost_json(audit.cost);
    json["findings"] = findings_json(audit.findings);
    json["limits"] = audit.limits;
    json["next"] = text_or_null(audit.next);
    return report::as_document(json);
}

}  // namespace headrace
