#include "run/history_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "run/history.h"
#include "run/store.h"
#include "run/trial_file.h"
#include "sys/descriptor.h"
#include "sys/file_lock.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;

constexpr int usual_patience = 10'000;  // milliseconds, for another process that writes where there are no locks

constexpr const char* history_tables =
    "CREATE TABLE IF NOT EXISTS trial(id TEXT PRIMARY KEY, run TEXT NOT NULL, started TEXT NOT NULL, "
    "kind TEXT NOT NULL, host TEXT NOT NULL, cpu TEXT NOT NULL, cores_usable REAL NOT NULL, predicted REAL, "
    "predicted_low REAL, predicted_high REAL, measured REAL NOT NULL, measured_low REAL NOT NULL, "
    "measured_high REAL NOT NULL, inside INTEGER, interval_scale REAL NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS run(id TEXT PRIMARY KEY, name TEXT, started TEXT NOT NULL, wall_seconds REAL NOT NULL, "
    "outcome TEXT NOT NULL, purpose TEXT NOT NULL, user TEXT, host TEXT NOT NULL, cpu TEXT NOT NULL, "
    "cores_usable REAL NOT NULL, memory_bytes INTEGER NOT NULL, accelerators TEXT NOT NULL, directory TEXT NOT NULL, "
    "command TEXT NOT NULL, program TEXT NOT NULL, experiment TEXT, trained INTEGER NOT NULL, validated INTEGER, "
    "result_seconds REAL, ledger TEXT NOT NULL, steps INTEGER NOT NULL, batch_size INTEGER, samples_per_second REAL, "
    "findings TEXT NOT NULL) WITHOUT ROWID";

Error error_of(const SQLite::Exception& exception, const fs::path& file, const char* doing) {
    const std::string what = std::string("cannot ") + doing + " " + file.string() + ": " + exception.what();
    switch (exception.getErrorCode() & 0xff) {
        case SQLITE_FULL:
            return {ErrorCode::no_space, what};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {ErrorCode::damaged, what};
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_CANTOPEN:
            return {ErrorCode::permission_denied, what};
        default:
            return {ErrorCode::io_error, what};
    }
}

// Makes a file that whoever may write in the folder may write, too: in a team's folder, SQLite's own files could be
// written by the first user alone. Empty where it is there already, or cannot be made.
sys::Descriptor make_shared_file(const fs::path& path) {
    sys::Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    struct stat folder {};
    if (file && ::stat(path.parent_path().c_str(), &folder) == 0) (void)::fchmod(file.get(), folder.st_mode & 0666U);
    return file;
}

// One writer at a time, also of those that find it damaged; without locks in the file system SQLite's own must do.
class WriterLock {
public:
    // False: another process held it all the time.
    bool take(const fs::path& home, const std::optional<std::chrono::milliseconds>& patience) {
        const fs::path path = home / "history.lock";
        file_ = make_shared_file(path);
        if (!file_) file_.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        if (!patience) {
            (void)sys::lock_byte(file_, 0, true);
            return true;
        }
        const auto deadline = std::chrono::steady_clock::now() + *patience;
        while (!sys::lock_byte(file_, 0, false) && sys::byte_is_locked(file_, 0) == 1) {
            if (std::chrono::steady_clock::now() >= deadline) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        return true;
    }

private:
    sys::Descriptor file_;
};

// Whether SQLite finds anything wrong in it, which it would otherwise say only where it meets it.
void check_all(SQLite::Database& database) {
    SQLite::Statement quick(database, "PRAGMA quick_check(1)");
    if (quick.executeStep() && quick.getColumn(0).getString() != "ok")
        throw SQLite::Exception("damaged", SQLITE_CORRUPT);
}

std::optional<Error> newer(SQLite::Database& database, const fs::path& file) {
    const int version = database.execAndGet("PRAGMA user_version").getInt();
    if (version <= history_version) return std::nullopt;
    return Error{ErrorCode::newer_version, file.string() + " was written by a newer headrace (version " +
                                               std::to_string(version) + "): install that one"};
}

using Change = std::function<void(SQLite::Database&)>;

Result<void> write_history(const fs::path& file, const Change& change, const ChangeOptions& options) {
    const auto patience = options.patience ? static_cast<int>(options.patience->count()) : usual_patience;
    try {
        SQLite::Database database(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, patience);
        if (std::optional<Error> error = newer(database, file)) return tl::unexpected<Error>(std::move(*error));
        if (options.check_all) check_all(database);
        SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
        database.exec(history_tables);
        database.exec("PRAGMA user_version = " + std::to_string(history_version));
        change(database);
        transaction.commit();
        return {};
    } catch (const SQLite::Exception& exception) {
        return tl::unexpected<Error>(error_of(exception, file, "write"));
    }
}

// Under a name that no other one has.
Result<void> set_aside(const fs::path& file) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char stamp[32];
    (void)std::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &parts);
    const std::string wanted = file.string() + ".damaged-" + stamp;
    std::error_code error;
    fs::path aside = wanted;
    for (int number = 2; fs::exists(aside, error); ++number) aside = wanted + "." + std::to_string(number);
    fs::rename(file, aside, error);
    if (error) return fail_errno(error.value(), "cannot set the damaged " + file.string() + " aside");
    for (const char* ending : {"-journal", "-wal", "-shm"}) {
        std::error_code gone;
        fs::rename(file.string() + ending, aside.string() + ending, gone);
    }
    return {};
}

// Of all run folders, whose run.db is not looked at: this is quick however many runs there are.
std::vector<Trial> all_trials(const fs::path& home) {
    std::vector<Trial> trials;
    std::error_code error;
    for (fs::directory_iterator entry(home / "runs", error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        for (Trial& trial : trials_of(Folder{entry->path()})) trials.push_back(std::move(trial));
    }
    return trials;
}

Result<void> make_anew(const fs::path& home, const Change& change, const ChangeOptions& options) {
    const Change all = [&](SQLite::Database& database) {
        for (const Trial& trial : all_trials(home)) insert_trial(database, trial);
        change(database);
    };
    (void)make_shared_file(history_file(home));
    return write_history(history_file(home), all, options);
}

// The columns of a trial as its kind: of several fixes tried as one, all their kinds.
std::string kinds_of(const Trial& trial) {
    std::string kinds;
    for (const std::string& id : trial.fixes) kinds += (kinds.empty() ? "" : ",") + kind_of(id);
    return kinds;
}

bool is_missing(const fs::path& file) {
    std::error_code error;
    return !fs::exists(file, error) || fs::file_size(file, error) == 0;
}

}  // namespace

fs::path history_file(const fs::path& home) { return home / "history.db"; }

Result<void> change_history(const fs::path& home, const Change& change, const ChangeOptions& options) {
    const fs::path file = history_file(home);
    WriterLock lock;
    if (!lock.take(home, options.patience)) {
        return fail(ErrorCode::io_error,
                    "cannot write " + file.string() + ": another headrace was writing all the time");
    }
    if (is_missing(file)) return make_anew(home, change, options);
    Result<void> written = write_history(file, change, options);
    if (written || written.error().code != ErrorCode::damaged) return written;
    if (Result<void> aside = set_aside(file); !aside) return aside;
    return make_anew(home, change, options);
}

Result<void> look_into_history(const fs::path& home, const std::function<void(SQLite::Database&)>& look) {
    const fs::path file = history_file(home);
    if (is_missing(file)) return {};
    try {
        SQLite::Database database(file.string(), SQLite::OPEN_READONLY, usual_patience);
        if (std::optional<Error> error = newer(database, file)) return tl::unexpected<Error>(std::move(*error));
        look(database);
        return {};
    } catch (const SQLite::Exception& exception) {
        return tl::unexpected<Error>(error_of(exception, file, "read"));
    }
}

bool has_history_table(SQLite::Database& database, const char* name) {
    SQLite::Statement query(database, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?");
    query.bind(1, name);
    return query.executeStep() && query.getColumn(0).getInt() == 1;
}

void insert_trial(SQLite::Database& database, const Trial& trial) {
    SQLite::Statement row(database,
                          "INSERT OR REPLACE INTO trial VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    row.bind(1, trial.id);
    row.bind(2, trial.run);
    row.bind(3, trial.started);
    row.bind(4, kinds_of(trial));
    row.bind(5, trial.host);
    row.bind(6, trial.cpu);
    row.bind(7, trial.cores_usable);
    if (trial.predicted) {
        row.bind(8, trial.predicted->predicted);
        row.bind(9, trial.predicted->low);
        row.bind(10, trial.predicted->high);
    }
    row.bind(11, trial.measured.predicted);
    row.bind(12, trial.measured.low);
    row.bind(13, trial.measured.high);
    if (trial.inside) row.bind(14, std::int64_t{*trial.inside});
    row.bind(15, trial.interval_scale);
    row.bind(16, trial_json(trial));
    row.exec();
}

}  // namespace headrace::run
