// The run folder and its database. docs/formats/run.md is the document of both.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "headrace/result.h"
#include "headrace/run.h"
#include "run/spans.h"

namespace headrace::run {

inline constexpr int schema_version = 2;

// A run folder: DIR/.headrace/runs/<time>-<id>/ with run.db, report.json and, while it is being recorded, spool/.
struct Folder {
    std::filesystem::path path;
    std::filesystem::path database() const { return path / "run.db"; }
    std::filesystem::path report() const { return path / "report.json"; }
    std::filesystem::path spool() const { return path / "spool"; }
    // RunInfo.id: the name of the folder. Its last eight digits serve as well where a user names a run.
    std::string id() const;
};

// The .headrace folder: `dir` when not empty, else HEADRACE_DIR, else .headrace in the working directory.
std::filesystem::path home(const std::string& dir);

// Makes a new, empty run folder, and what is missing of home, where git then passes over it (a .gitignore of `*` in
// home where that was made, else in its runs/; what was there stays as it is). `started` is the ISO 8601 time of
// RunInfo, with or without a fraction of a second. Names sort in the order of creation, also within one second.
Result<Folder> create(const std::filesystem::path& home, const std::string& started);

// Writes info alone, at the start, so that a run whose parent is killed is still known. Replaces what is there.
Result<void> write_info(const Folder& folder, const RunInfo& info);

// A row of the tables ledger and input_wait, which are there for SQL users and never read back.
struct DerivedRow {
    std::optional<int> rank;
    std::uint32_t pid = 0;
    std::string name;  // of the entry or stage
    double seconds = 0;
    double share = 0;
};

// What the audit showed, by name; the audit alone knows the names.
using Figure = std::variant<std::monostate, std::int64_t, double, std::string>;
using Figures = std::map<std::string, Figure>;

struct Derived {
    std::vector<DerivedRow> ledger;
    std::vector<DerivedRow> input_wait;
    Figures figures;
};

// Which spans of a run are kept; asked for each one, thread after thread, in the order in which they ended.
using Keep = std::function<bool(std::size_t thread, const Span& span)>;

// Writes the whole run into run.db: appears whole or not at all (temporary name, fsync, rename). On an error (no_space,
// permission_denied, io_error; also where a reader of `source` had one) nothing is left behind and an older run.db is
// unharmed. The spans are those of `source`, or of `run` itself; without `keep` all of them.
Result<void> write(const Folder& folder, const Run& run, const Derived& derived, const SpanSource& source,
                   const Keep& keep);
Result<void> write(const Folder& folder, const Run& run, const Derived& derived = {});

// Reads run.db. Errors: not_found, damaged (not SQLite, a missing table, an impossible value), newer_version.
// When run.db holds info alone (recording goes on, or its parent was killed), threads is empty.
Result<Run> read(const Folder& folder);
Result<RunInfo> read_info(const Folder& folder);

// The figures of a run that kept a part of its spans; none where it kept all, so that they can be computed from them.
Result<std::optional<Figures>> read_figures(const Folder& folder);

// A run without its spans: what can be said of it in a moment, however long it was.
struct Stored {
    RunInfo info;
    Figures figures;         // none where it holds info alone, and in version 1
    bool all_spans = false;  // were kept, so that an audit of them can be made anew
};
Result<Stored> read_stored(const Folder& folder);

// Finds a run: empty (the newest), an id or the unique start of one, a name (the newest of that name), or a path of a
// run folder or its run.db. In this order: a path with a slash, an exact id, a name, the start of an id, any other
// path. Errors: not_found; invalid_argument where several ids begin so.
Result<Folder> find(const std::filesystem::path& home, const std::string& run);

// All runs of home, newest first. Damaged ones are listed with what is known: `problem` is not empty. One that is
// stored as running and goes on no longer has the outcome of conclude (run/ending.h). An error where the folder cannot
// be read; none where there is none.
struct Listed {
    Folder folder;
    RunInfo info;
    std::string problem;
};
Result<std::vector<Listed>> list(const std::filesystem::path& home);

}  // namespace headrace::run
