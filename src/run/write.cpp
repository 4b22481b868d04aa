#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <limits>
#include <new>
#include <system_error>

#include "run/kinds.h"
#include "run/schema.h"
#include "run/store.h"
#include "sys/descriptor.h"

namespace headrace::run {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view temporary_prefix = ".run.db.";
constexpr std::string_view temporary_ending = ".tmp";

// A file beside run.db that is gone again unless it took its place.
class Temporary {
public:
    explicit Temporary(const fs::path& folder) {
        static std::atomic<unsigned> counter{0};
        path_ = folder / (std::string(temporary_prefix) + std::to_string(::getpid()) + "." +
                          std::to_string(counter.fetch_add(1)) + std::string(temporary_ending));
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    ~Temporary() {
        if (made_) (void)::unlink(path_.c_str());
    }

    const fs::path& path() const { return path_; }

    int make() {
        descriptor_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        made_ = static_cast<bool>(descriptor_);
        return made_ ? 0 : errno;
    }

    // Syncs it and puts it into its place.
    int move_to(const fs::path& target) {
        if (::fsync(descriptor_.get()) != 0 && errno != EINVAL) return errno;
        // Network file systems report a full disk only here.
        if (::close(descriptor_.release()) != 0) return errno;
        if (::rename(path_.c_str(), target.c_str()) != 0) return errno;
        made_ = false;
        const sys::Descriptor folder(::open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (folder) (void)::fsync(folder.get());
        return 0;
    }

    // Why it cannot grow; 0: it can.
    int obstacle() const {
        struct stat status {};
        if (::fstat(descriptor_.get(), &status) != 0) return errno;
        return ::pwrite(descriptor_.get(), "", 1, status.st_size) < 0 ? errno : 0;
    }

private:
    fs::path path_;
    sys::Descriptor descriptor_;
    bool made_ = false;
};

// What writers left that were killed.
void remove_rubbish(const fs::path& folder) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (!name.starts_with(temporary_prefix) || !name.ends_with(temporary_ending)) continue;
        pid_t pid = 0;
        (void)std::from_chars(name.data() + temporary_prefix.size(), name.data() + name.size(), pid);
        if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) (void)::unlink(entry->path().c_str());
    }
}

// Binds the fields of one row from left to right and stores it.
class Inserter {
public:
    Inserter(SQLite::Database& database, const char* sql) : statement_(database, sql) {}

    template <class... Fields>
    void insert(const Fields&... fields) {
        int column = 0;
        (bind(++column, fields), ...);
        statement_.exec();
        statement_.reset();
    }

private:
    void bind(int column, std::int64_t value) { statement_.bind(column, value); }
    void bind(int column, int value) { bind(column, std::int64_t{value}); }
    void bind(int column, bool value) { bind(column, std::int64_t{value}); }
    void bind(int column, std::uint32_t value) { bind(column, std::int64_t{value}); }
    // Counters never get there; a number of the user's can.
    void bind(int column, std::uint64_t value) {
        constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        bind(column, static_cast<std::int64_t>(value < most ? value : most));
    }
    void bind(int column, double value) { statement_.bind(column, value); }
    // Not copied: it outlives the step that stores it.
    void bind(int column, const std::string& text) { statement_.bindNoCopy(column, text); }
    void bind(int column, std::string_view text) { statement_.bind(column, std::string(text)); }
    void bind(int column, const char* text) { statement_.bind(column, text); }
    void bind(int column, Outcome outcome) { bind(column, word(outcome)); }
    void bind(int column, Purpose purpose) { bind(column, word(purpose)); }
    void bind(int column, const Figure& figure) {
        std::visit([&](const auto& value) { bind(column, value); }, figure);
    }
    void bind(int column, std::monostate) { statement_.bind(column); }
    template <class T>
    void bind(int column, const std::optional<T>& value) {
        if (value) {
            bind(column, *value);
        } else {
            statement_.bind(column);
        }
    }

    SQLite::Statement statement_;
};

void insert_info(SQLite::Database& database, const RunInfo& info) {
    Inserter meta(database, "INSERT INTO meta VALUES(?, ?)");
    const auto insert = [&](const char* key, const auto& field) { meta.insert(key, field); };
    visit_meta(info, insert);
    visit_added_meta(info, insert);
    Inserter lists(database, "INSERT INTO meta_list VALUES(?, ?, ?)");
    visit_meta_list(info, [&](const char* key, const std::vector<std::string>& values) {
        std::int64_t position = 0;
        for (const std::string& value : values) lists.insert(key, position++, value);
    });
}

void insert_kinds(SQLite::Database& database) {
    Inserter kinds(database, "INSERT INTO kind VALUES(?, ?, ?)");
    for (unsigned number = 0; number < kind_limit; ++number) {
        const KindText text = describe(static_cast<spool::Kind>(number));
        if (!text.name.empty()) kinds.insert(number, text.name, text.meaning);
    }
    Inserter text_kinds(database, "INSERT INTO text_kind VALUES(?, ?, ?)");
    for (unsigned number = 0; number < text_kind_limit; ++number) {
        const KindText text = describe(static_cast<spool::TextKind>(number));
        if (!text.name.empty()) text_kinds.insert(number, text.name, text.meaning);
    }
}

struct Count {
    std::uint64_t kept = 0;
    std::uint64_t recorded = 0;
};

Count insert_spans(Inserter& spans, std::size_t thread, SpanReader& reader, const Keep& keep) {
    Count count;
    for (Span s; reader.next(s); ++count.recorded) {
        if (keep && !keep(thread, s)) continue;
        spans.insert(static_cast<std::uint64_t>(thread) + 1, count.recorded, int{s.kind}, s.start, s.duration,
                     static_cast<std::int64_t>(s.a), static_cast<std::int64_t>(s.b), s.open, s.text);
        ++count.kept;
    }
    return count;
}

void insert_threads(SQLite::Database& database, const std::vector<ThreadRecord>& records, const SpanSource& source,
                    const Keep& keep) {
    Inserter threads(database, "INSERT INTO thread VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    Inserter spans(database, "INSERT INTO span VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (std::size_t i = 0; i < records.size(); ++i) {
        const ThreadRecord& t = records[i];
        const Count count = insert_spans(spans, i, *source.open(i), keep);
        threads.insert(static_cast<std::uint64_t>(i) + 1, t.pid, t.tid, t.parent_pid, t.main_thread, t.opened,
                       t.process_start, t.rank, t.local_rank, t.full, t.dropped, t.hooks, t.self, t.disabled,
                       t.call_cost, count.kept, count.recorded, t.full_error);
    }
}

void insert_outside_view(SQLite::Database& database, const Run& run) {
    Inserter processes(database, "INSERT INTO process VALUES(NULL, ?, ?, ?, ?, ?, ?)");
    for (const ProcessRecord& p : run.processes)
        processes.insert(p.pid, p.parent_pid, p.start, p.end, p.command, p.cpu_ns);
    Inserter points(database, "INSERT INTO outside VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (const OutsidePoint& p : run.outside) {
        points.insert(p.when, p.cpu_ns, p.read_bytes, p.written_bytes, p.requested_read_bytes,
                      p.requested_written_bytes, p.resident_bytes, p.processes);
    }
    Inserter lines(database, "INSERT INTO hot_line VALUES(NULL, ?, ?, ?, ?, ?)");
    for (const HotLine& h : run.hot_lines) lines.insert(int{h.context}, h.file, h.line, h.function, h.count);
}

void insert_derived(SQLite::Database& database, const Derived& derived) {
    Inserter ledger(database, "INSERT INTO ledger VALUES(?, ?, ?, ?, ?)");
    for (const DerivedRow& row : derived.ledger) ledger.insert(row.rank, row.pid, row.name, row.seconds, row.share);
    Inserter wait(database, "INSERT INTO input_wait VALUES(?, ?, ?, ?, ?)");
    for (const DerivedRow& row : derived.input_wait) wait.insert(row.rank, row.pid, row.name, row.seconds, row.share);
    Inserter figures(database, "INSERT INTO figure VALUES(?, ?)");
    for (const auto& [name, figure] : derived.figures) figures.insert(name, figure);
}

// What a run has besides its info.
struct Whole {
    const Run& run;
    const Derived& derived;
    const SpanSource& source;
    const Keep& keep;
};

// The file is a temporary one: what a crash leaves of it is thrown away, so it needs no journal and no sync of its own.
void fill(SQLite::Database& database, const RunInfo& info, const Whole* whole) {
    database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE");
    database.exec("PRAGMA application_id = " + std::to_string(application_id));
    database.exec("PRAGMA user_version = " + std::to_string(schema_version));
    database.exec("BEGIN");
    database.exec(schema_sql);
    insert_kinds(database);
    insert_info(database, info);
    if (whole != nullptr) {
        insert_threads(database, whole->run.threads, whole->source, whole->keep);
        insert_outside_view(database, whole->run);
        insert_derived(database, whole->derived);
    }
    database.exec("COMMIT");
}

// What SQLite met. Its own words for an error of the operating system ("disk I/O error") say less than errno does,
// which it does not always keep.
tl::unexpected<Error> failure_of(const SQLite::Exception& exception, int error_number, const Temporary& file,
                                 const std::string& doing) {
    if (exception.getErrorCode() == SQLITE_FULL) return fail_errno(ENOSPC, doing);
    if (exception.getErrorCode() == SQLITE_IOERR) {
        const int error = error_number != 0 ? error_number : file.obstacle();
        if (error != 0) return fail_errno(error, doing);
    }
    return fail(ErrorCode::io_error, doing + ": " + exception.what());
}

Result<void> write_database(const Folder& folder, const RunInfo& info, const Whole* whole) {
    const std::string doing = "cannot write " + folder.database().string();
    try {
        const fs::path absolute = fs::absolute(folder.path);  // SQLite might take a relative name for a URI
        remove_rubbish(absolute);
        Temporary temporary(absolute);
        if (const int error = temporary.make(); error != 0) return fail_errno(error, doing);
        {
            SQLite::Database database(temporary.path().string(), SQLite::OPEN_READWRITE);
            try {
                fill(database, info, whole);
            } catch (const SQLite::Exception& exception) {
                return failure_of(exception, sqlite3_system_errno(database.getHandle()), temporary, doing);
            }
        }
        if (const auto failure = whole != nullptr ? whole->source.failure() : std::nullopt) {
            return fail(ErrorCode::io_error,
                        doing + ": a file of the spool could not be read to its end: " + failure->message);
        }
        if (const int error = temporary.move_to(absolute / "run.db"); error != 0) return fail_errno(error, doing);
        return {};
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::io_error, doing + ": there is not enough memory");
    } catch (const std::exception& exception) {
        return fail(ErrorCode::io_error, doing + ": " + exception.what());
    }
}

}  // namespace

Result<void> write_info(const Folder& folder, const RunInfo& info) { return write_database(folder, info, nullptr); }

Result<void> write(const Folder& folder, const Run& run, const Derived& derived, const SpanSource& source,
                   const Keep& keep) {
    const Whole whole{run, derived, source, keep};
    return write_database(folder, run.info, &whole);
}

Result<void> write(const Folder& folder, const Run& run, const Derived& derived) {
    return write(folder, run, derived, SpansInMemory(run), nullptr);
}

}  // namespace headrace::run
