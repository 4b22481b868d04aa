#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <map>
#include <new>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "run/row.h"
#include "run/schema.h"
#include "run/store.h"

namespace headrace::run {

namespace {

namespace fs = std::filesystem;

struct Newer {
    std::int64_t version;
};

// Immutable: SQLite takes no lock and looks for no journal, so nothing appears beside the file.
std::string uri_of(const fs::path& path) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string uri = "file://";
    for (const char c : fs::absolute(path).string()) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '%' || c == '?' || c == '#') {
            uri += {'%', digits[byte >> 4], digits[byte & 15]};
        } else {
            uri += c;
        }
    }
    return uri + "?mode=ro&immutable=1";
}

std::int64_t pragma(SQLite::Database& database, const char* name) {
    return database.execAndGet(std::string("PRAGMA ") + name).getInt64();
}

// A table, not a view of that name: a view could compute for ever.
bool has_table(SQLite::Database& database, const char* name) {
    SQLite::Statement query(database, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?");
    query.bind(1, name);
    return query.executeStep() && query.getColumn(0).getInt() == 1;
}

bool has_column(SQLite::Database& database, const char* table, const char* name) {
    SQLite::Statement query(database, "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?");
    query.bind(1, table);
    query.bind(2, name);
    return query.executeStep() && query.getColumn(0).getInt() == 1;
}

void require_tables(SQLite::Database& database) {
    for (const char* name : {"meta", "meta_list", "process", "thread", "span", "hot_line"}) {
        if (!has_table(database, name)) throw Damage{std::string("it has no table ") + name};
    }
}

// SQLite itself would read a last page that is cut as one filled up with zeros.
void require_whole(SQLite::Database& database, const fs::path& path) {
    const std::int64_t whole = pragma(database, "page_count") * pragma(database, "page_size");
    const auto size = static_cast<std::int64_t>(fs::file_size(path));
    if (size < whole) throw Damage{"it ends after " + std::to_string(size) + " of " + std::to_string(whole) + " bytes"};
}

void check_header(SQLite::Database& database, const fs::path& path) {
    database.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
    if (pragma(database, "application_id") != application_id) throw Damage{"it is not a database of a run"};
    const std::int64_t version = pragma(database, "user_version");
    if (version > schema_version) throw Newer{version};
    if (version < 1) throw Damage{"its version is " + std::to_string(version)};
    require_whole(database, path);
    require_tables(database);
}

RunInfo info_of(SQLite::Database& database) {
    RunInfo info;
    SQLite::Statement meta(database, "SELECT value FROM meta WHERE key = ?");
    // False where there is no such key.
    const auto take = [&](const char* key, auto& field) {
        meta.bind(1, key);
        const bool found = meta.executeStep();
        try {
            if (found) Row(meta, "meta").get(0, field);
        } catch (Damage& damage) {
            throw Damage{damage.why + " of key " + key};
        }
        meta.reset();
        return found;
    };
    visit_meta(info, [&](const char* key, auto& field) {
        if (!take(key, field)) throw Damage{std::string("its table meta has no key ") + key};
    });
    visit_added_meta(info, [&](const char* key, auto& field) { (void)take(key, field); });
    SQLite::Statement lists(database, "SELECT value FROM meta_list WHERE key = ? ORDER BY position");
    visit_meta_list(info, [&](const char* key, std::vector<std::string>& values) {
        lists.bind(1, key);
        while (lists.executeStep()) values.push_back(Row(lists, "meta_list").text(0));
        lists.reset();
    });
    if (info.ended_ns && *info.ended_ns < info.started_ns) throw Damage{"its run ended before it was started"};
    return info;
}

// The spans of a thread: rows in the table, and how many it recorded. The first version kept all.
struct SpanCount {
    std::uint64_t kept = 0;
    std::uint64_t recorded = 0;
};

std::vector<ThreadRecord> threads_of(SQLite::Database& database, std::vector<SpanCount>& spans) {
    std::vector<ThreadRecord> threads;
    const std::string recorded = pragma(database, "user_version") >= 2 ? "recorded" : "spans";
    const std::string full_error = has_column(database, "thread", "full_error") ? "full_error" : "0";
    SQLite::Statement query(database,
                            "SELECT id, pid, tid, parent_pid, main_thread, opened_ns, process_start_ns, rank, "
                            "local_rank, full, dropped, hooks, self_ns, disabled, call_cost_ns, spans, " +
                                recorded + ", " + full_error + " FROM thread ORDER BY id");
    const Row row(query, "thread");
    while (query.executeStep()) {
        ThreadRecord t;
        SpanCount& count = spans.emplace_back();
        const auto expected = static_cast<std::int64_t>(threads.size()) + 1;
        (void)row.integer(0, expected, expected);
        int column = 0;
        const auto take = [&](auto&... fields) { (row.get(++column, fields), ...); };
        take(t.pid, t.tid, t.parent_pid, t.main_thread, t.opened, t.process_start, t.rank, t.local_rank, t.full,
             t.dropped, t.hooks, t.self, t.disabled, t.call_cost, count.kept, count.recorded, t.full_error);
        threads.push_back(std::move(t));
    }
    return threads;
}

// Rows stand in the order of threads and of their numbers within each; anything else is damage.
void read_spans(SQLite::Database& database, std::vector<ThreadRecord>& threads, const std::vector<SpanCount>& expected,
                std::uintmax_t file_bytes) {
    for (std::size_t i = 0; i < threads.size(); ++i) {
        if (expected[i].kept > file_bytes)
            throw Damage{"a row of its table thread claims more spans than the file can hold"};
        threads[i].spans.reserve(static_cast<std::size_t>(expected[i].kept));
    }
    SQLite::Statement query(
        database, "SELECT thread_id, seq, kind, start_ns, duration_ns, a, b, open, text FROM span ORDER BY id");
    const Row row(query, "span");
    std::int64_t thread = 1;
    std::int64_t next = 0;
    while (query.executeStep()) {
        const std::int64_t before = thread;
        thread = row.integer(0, thread, static_cast<std::int64_t>(threads.size()));
        const auto place = static_cast<std::size_t>(thread - 1);
        std::vector<Span>& spans = threads[place].spans;
        next = thread == before ? next : 0;
        // Where all were kept they are numbered without a gap.
        const bool all = expected[place].kept == expected[place].recorded;
        const auto last = static_cast<std::int64_t>(expected[place].recorded) - 1;
        next = row.integer(1, next, all ? next : last) + 1;
        Span& span = spans.emplace_back();
        row.get(2, span.kind);
        row.get(3, span.start);
        row.get(4, span.duration);
        row.get_bits(5, span.a);
        row.get_bits(6, span.b);
        row.get(7, span.open);
        row.get(8, span.text);
    }
    for (std::size_t i = 0; i < threads.size(); ++i) {
        const auto [kept, recorded] = expected[i];
        if (kept > recorded) throw Damage{"thread " + std::to_string(i + 1) + " kept more spans than it recorded"};
        if (threads[i].spans.size() != kept) {
            throw Damage{"thread " + std::to_string(i + 1) + " has " + std::to_string(threads[i].spans.size()) +
                         " of " + std::to_string(kept) + " spans"};
        }
    }
}

std::vector<ProcessRecord> processes_of(SQLite::Database& database) {
    std::vector<ProcessRecord> processes;
    SQLite::Statement query(database,
                            "SELECT pid, parent_pid, start_ns, end_ns, command, cpu_ns FROM process ORDER BY id");
    const Row row(query, "process");
    while (query.executeStep()) {
        ProcessRecord& p = processes.emplace_back();
        row.get(0, p.pid);
        row.get(1, p.parent_pid);
        row.get(2, p.start);
        row.get(3, p.end);
        row.get(4, p.command);
        row.get(5, p.cpu_ns);
    }
    return processes;
}

// Empty in a run of a headrace that did not have the table yet. Time and the counters never go back.
std::vector<OutsidePoint> outside_of(SQLite::Database& database) {
    std::vector<OutsidePoint> points;
    if (!has_table(database, "outside")) return points;
    SQLite::Statement query(database,
                            "SELECT when_ns, cpu_ns, read_bytes, written_bytes, requested_read_bytes, "
                            "requested_written_bytes, resident_bytes, processes FROM outside ORDER BY id");
    const Row row(query, "outside");
    OutsidePoint before;
    while (query.executeStep()) {
        OutsidePoint& p = points.emplace_back();
        const auto counter = [&](int column, std::int64_t OutsidePoint::*field) {
            p.*field = row.integer(column, before.*field, std::int64_t{1} << 62);
        };
        counter(0, &OutsidePoint::when);
        counter(1, &OutsidePoint::cpu_ns);
        counter(2, &OutsidePoint::read_bytes);
        counter(3, &OutsidePoint::written_bytes);
        counter(4, &OutsidePoint::requested_read_bytes);
        counter(5, &OutsidePoint::requested_written_bytes);
        row.get(6, p.resident_bytes);
        row.get(7, p.processes);
        before = p;
    }
    return points;
}

std::vector<HotLine> hot_lines_of(SQLite::Database& database) {
    std::vector<HotLine> lines;
    SQLite::Statement query(database, "SELECT context, file, line, function, count FROM hot_line ORDER BY id");
    const Row row(query, "hot_line");
    while (query.executeStep()) {
        HotLine& h = lines.emplace_back();
        row.get(0, h.context);
        row.get(1, h.file);
        row.get(2, h.line);
        row.get(3, h.function);
        row.get(4, h.count);
    }
    return lines;
}

bool keeps_all_spans(SQLite::Database& database) {
    std::vector<SpanCount> spans;
    (void)threads_of(database, spans);
    return std::all_of(spans.begin(), spans.end(), [](const SpanCount& s) { return s.kept == s.recorded; });
}

Figures rows_of_figure(SQLite::Database& database) {
    Figures figures;
    SQLite::Statement query(database, "SELECT name, value FROM figure");
    const Row row(query, "figure");
    while (query.executeStep()) {
        Figure& figure = figures[row.text(0)];
        const SQLite::Column value = query.getColumn(1);
        if (value.isInteger()) figure = value.getInt64();
        if (value.isFloat()) figure = value.getDouble();
        if (value.isText()) figure = value.getString();
    }
    return figures;
}

std::optional<Figures> figures_of(SQLite::Database& database) {
    if (keeps_all_spans(database)) return std::nullopt;
    if (!has_table(database, "figure")) throw Damage{"it has no table figure"};
    return rows_of_figure(database);
}

Stored stored_of(SQLite::Database& database) {
    Stored stored;
    stored.info = info_of(database);
    if (has_table(database, "figure")) stored.figures = rows_of_figure(database);
    stored.all_spans = keeps_all_spans(database);
    return stored;
}

tl::unexpected<Error> damaged(const fs::path& path, const std::string& why) {
    // What SQLite or the file says is data: it must not reach a terminal as it is.
    return fail(ErrorCode::damaged, path.string() + " is damaged: " + base::printable(why) +
                                        "; put back a copy of it, or delete the folder of the run");
}

tl::unexpected<Error> failure_of(const SQLite::Exception& exception, const fs::path& path) {
    switch (exception.getErrorCode()) {
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return fail(ErrorCode::permission_denied, "cannot open " + path.string() + ": " + exception.what());
        case SQLITE_NOMEM:
            return fail(ErrorCode::io_error, "cannot read " + path.string() + ": there is not enough memory");
        case SQLITE_IOERR:
            // A page that ends early is a file cut short, not a failing disk.
            if (exception.getExtendedErrorCode() != SQLITE_IOERR_SHORT_READ)
                return fail(ErrorCode::io_error, "cannot read " + path.string() + ": " + exception.what());
            [[fallthrough]];
        default:
            return damaged(path, exception.what());
    }
}

// Opens run.db, checks that it is one, and hands it to `body`. Every exception ends here.
template <class Body>
auto with_database(const Folder& folder, Body body) -> Result<decltype(body(std::declval<SQLite::Database&>()))> {
    const fs::path path = folder.database();
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found || error == std::errc::not_a_directory)
        return fail(ErrorCode::not_found, folder.path.string() + " is not a run: it holds no run.db");
    if (error) return fail_errno(error.value(), "cannot open " + path.string());
    if (!fs::is_regular_file(status)) return damaged(path, "it is not a regular file");
    try {
        SQLite::Database database(uri_of(path), SQLite::OPEN_READONLY | SQLite::OPEN_URI);
        check_header(database, path);
        return body(database);
    } catch (const Damage& damage) {
        return damaged(path, damage.why);
    } catch (const Newer& newer) {
        return fail(ErrorCode::newer_version, path.string() + " has version " + std::to_string(newer.version) +
                                                  " of the run format and this headrace reads up to version " +
                                                  std::to_string(schema_version) + ": install a newer headrace");
    } catch (const SQLite::Exception& exception) {
        return failure_of(exception, path);
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::io_error, "cannot read " + path.string() + ": there is not enough memory");
    } catch (const std::exception& exception) {
        return fail(ErrorCode::io_error, "cannot read " + path.string() + ": " + exception.what());
    }
}

}  // namespace

Result<RunInfo> read_info(const Folder& folder) { return with_database(folder, info_of); }

Result<std::optional<Figures>> read_figures(const Folder& folder) { return with_database(folder, figures_of); }

Result<Stored> read_stored(const Folder& folder) { return with_database(folder, stored_of); }

Result<Run> read(const Folder& folder) {
    return with_database(folder, [&](SQLite::Database& database) {
        Run run;
        run.info = info_of(database);
        std::vector<SpanCount> spans;
        run.threads = threads_of(database, spans);
        read_spans(database, run.threads, spans, fs::file_size(folder.database()));
        run.processes = processes_of(database);
        run.outside = outside_of(database);
        run.hot_lines = hot_lines_of(database);
        return run;
    });
}

}  // namespace headrace::run
