#include "run/past_runs.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "run/history_file.h"
#include "run/row.h"
#include "run/schema.h"
#include "run/trial_file.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* run_columns =
    "id, name, started, wall_seconds, outcome, purpose, user, host, cpu, cores_usable, memory_bytes, accelerators, "
    "directory, command, program, experiment, trained, validated, result_seconds, ledger, steps, batch_size, "
    "samples_per_second, findings";

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json ends_json(const Interval& interval) {
    return {{"predicted", interval.predicted}, {"low", interval.low}, {"high", interval.high}};
}

Json past_findings_json(const std::vector<PastFinding>& findings) {
    Json json = Json::array();
    for (const PastFinding& finding : findings) {
        json.push_back({{"id", finding.id},
                        {"arguments", finding.arguments},
                        {"can_be_tried", finding.can_be_tried},
                        {"ratio", ends_json(finding.gain.ratio)},
                        {"seconds_per_run", ends_json(finding.gain.seconds_per_run)}});
    }
    return json;
}

Interval ends_in(const Json& json) {
    return {json.at("predicted").get<double>(), json.at("low").get<double>(), json.at("high").get<double>()};
}

std::vector<PastFinding> past_findings_in(const Json& json) {
    std::vector<PastFinding> findings;
    for (const Json& one : json) {
        findings.push_back({one.at("id").get<std::string>(),
                            one.at("arguments").get<std::string>(),
                            one.at("can_be_tried").get<bool>(),
                            {ends_in(one.at("ratio")), ends_in(one.at("seconds_per_run"))}});
    }
    return findings;
}

// Binds the columns of a row from left to right.
class RowWriter {
public:
    explicit RowWriter(SQLite::Statement& statement) : statement_(statement) {}

    void operator()(const std::string& text) { statement_.bind(++column_, text); }
    void operator()(std::string_view text) { (*this)(std::string(text)); }
    void operator()(double number) { statement_.bind(++column_, number); }
    void operator()(std::int64_t number) { statement_.bind(++column_, number); }
    template <class T>
    void optional(const std::optional<T>& value) {
        if (value) {
            (*this)(*value);
        } else {
            statement_.bind(++column_);
        }
    }
    void text_or_null(const std::string& text) { optional(text.empty() ? std::nullopt : std::optional(text)); }

private:
    SQLite::Statement& statement_;
    int column_ = 0;
};

std::optional<std::int64_t> signed_of(const std::optional<std::uint64_t>& value) {
    return value ? std::optional(static_cast<std::int64_t>(*value)) : std::nullopt;
}

void insert_run(SQLite::Database& database, const PastRun& run) {
    const std::string sql = std::string("INSERT OR REPLACE INTO run(") + run_columns +
                            ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    SQLite::Statement statement(database, sql);
    RowWriter row(statement);
    row(run.id);
    row.text_or_null(run.name);
    row(run.started);
    row(run.wall_seconds);
    row(word(run.outcome));
    row(word(run.purpose));
    row.text_or_null(run.user);
    row(run.machine.host);
    row(run.machine.cpu);
    row(run.machine.cores_usable);
    row(run.machine.memory_bytes);
    row(dumped(run.machine.accelerators));
    row(run.directory);
    row(dumped(run.command));
    row(run.program);
    row.optional(run.experiment);
    row(std::int64_t{run.trained});
    row.optional(run.validated ? std::optional(std::int64_t{*run.validated}) : std::nullopt);
    row.optional(run.result_seconds);
    row(dumped(run.ledger));
    row(static_cast<std::int64_t>(run.steps));
    row.optional(signed_of(run.batch_size));
    row.optional(run.samples_per_second);
    row(dumped(past_findings_json(run.findings)));
    statement.exec();
}

// Reads the columns of a row from left to right. What cannot be is thrown as Damage, what is no JSON by its library.
class RowReader {
public:
    explicit RowReader(SQLite::Statement& statement) : row_(statement, "run") {}

    template <class T>
    void operator()(T& field) {
        row_.get(column_++, field);
    }
    void text_or_null(std::string& field) {
        std::optional<std::string> text;
        (*this)(text);
        field = text.value_or("");
    }
    Json json() { return Json::parse(row_.text(column_++)); }

private:
    Row row_;
    int column_ = 0;
};

PastRun run_of(SQLite::Statement& statement) {
    PastRun run;
    RowReader row(statement);
    row(run.id);
    row.text_or_null(run.name);
    row(run.started);
    row(run.wall_seconds);
    row(run.outcome);
    row(run.purpose);
    row.text_or_null(run.user);
    row(run.machine.host);
    row(run.machine.cpu);
    row(run.machine.cores_usable);
    row(run.machine.memory_bytes);
    run.machine.accelerators = row.json().get<std::vector<std::string>>();
    row(run.directory);
    run.command = row.json().get<std::vector<std::string>>();
    row(run.program);
    row(run.experiment);
    row(run.trained);
    row(run.validated);
    row(run.result_seconds);
    run.ledger = row.json().get<std::map<std::string, double>>();
    row(run.steps);
    row(run.batch_size);
    row(run.samples_per_second);
    run.findings = past_findings_in(row.json());
    return run;
}

// Calls take(statement) for each row. One that says the impossible is left out: its run is then one that the history
// does not know, and is taken in anew.
Result<void> each_row(const fs::path& home, const char* table, const std::string& sql,
                      const std::function<void(SQLite::Statement&)>& take) {
    return look_into_history(home, [&](SQLite::Database& database) {
        if (!has_history_table(database, table)) return;
        SQLite::Statement rows(database, sql);
        while (rows.executeStep()) {
            try {
                take(rows);
            } catch (const Damage&) {
            } catch (const Json::exception&) {
            }
        }
    });
}

bool same_memory(std::int64_t x, std::int64_t y) {
    constexpr double tolerance = 0.02;
    return std::abs(static_cast<double>(x - y)) <= tolerance * static_cast<double>(std::max(x, y));
}

}  // namespace

Result<void> add_past_run(const fs::path& home, const PastRun& run) {
    ChangeOptions options;
    options.patience = history_patience;
    options.check_all = false;
    return change_history(
        home, [&](SQLite::Database& database) { insert_run(database, run); }, options);
}

Result<void> add_past_runs(const fs::path& home, std::span<const PastRun> runs) {
    return change_history(home, [&](SQLite::Database& database) {
        for (const PastRun& run : runs) insert_run(database, run);
    });
}

Result<std::vector<PastRun>> past_runs(const fs::path& home) {
    std::vector<PastRun> runs;
    const std::string sql = std::string("SELECT ") + run_columns + " FROM run ORDER BY started, id";
    const Result<void> read = each_row(home, "run", sql, [&](SQLite::Statement& row) { runs.push_back(run_of(row)); });
    if (!read) return tl::unexpected<Error>(read.error());
    return runs;
}

Result<std::vector<Trial>> past_trials(const fs::path& home) {
    std::vector<Trial> trials;
    const Result<void> read =
        each_row(home, "trial", "SELECT document FROM trial ORDER BY started, id", [&](SQLite::Statement& row) {
            Result<Trial> trial = parse_trial(row.getColumn(0).getString());
            if (trial) trials.push_back(std::move(*trial));
        });
    if (!read) return tl::unexpected<Error>(read.error());
    return trials;
}

bool equal_machines(const Machine& x, const Machine& y) {
    return x.cpu == y.cpu && std::abs(x.cores_usable - y.cores_usable) < 1e-6 && x.accelerators == y.accelerators &&
           same_memory(x.memory_bytes, y.memory_bytes);
}

std::vector<EqualRuns> equal_runs(const fs::path& home, const Machine& machine) {
    const Result<std::vector<PastRun>> runs = past_runs(home);
    std::map<std::string, std::vector<EqualRun>> groups;
    for (const PastRun& run : runs ? *runs : std::vector<PastRun>()) {
        if (run.outcome != Outcome::finished || !run.experiment || !equal_machines(run.machine, machine)) continue;
        groups[*run.experiment].push_back({run.id, run.started, run.wall_seconds, run.samples_per_second, run.steps});
    }
    std::vector<EqualRuns> equal;
    for (auto& [experiment, group] : groups) {
        if (group.size() > 1) equal.push_back({experiment, std::move(group)});
    }
    return equal;
}

}  // namespace headrace::run
