#include "run/history.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "run/store.h"
#include "run/trial_file.h"
#include "sys/descriptor.h"
#include "sys/file_lock.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;

constexpr int history_version = 1;
constexpr int patience = 10'000;  // milliseconds, for another process that writes

constexpr const char* tables =
    "CREATE TABLE IF NOT EXISTS trial(id TEXT PRIMARY KEY, run TEXT NOT NULL, started TEXT NOT NULL, "
    "kind TEXT NOT NULL, host TEXT NOT NULL, cpu TEXT NOT NULL, cores_usable REAL NOT NULL, predicted REAL, "
    "predicted_low REAL, predicted_high REAL, measured REAL NOT NULL, measured_low REAL NOT NULL, "
    "measured_high REAL NOT NULL, inside INTEGER, interval_scale REAL NOT NULL, document TEXT NOT NULL) WITHOUT ROWID";

fs::path file_of(const fs::path& home) { return home / "history.db"; }

// One writer at a time, also of those that find it damaged; without locks in the file system SQLite's own must do.
sys::Descriptor lock(const fs::path& home) {
    sys::Descriptor file(::open((home / "history.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    (void)sys::lock_byte(file, 0, true);
    return file;
}

Error error_of(const SQLite::Exception& exception, const fs::path& file) {
    const std::string what = "cannot write " + file.string() + ": " + exception.what();
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

// The columns of a trial as its kind: of several fixes tried as one, all their kinds.
std::string kinds_of(const Trial& trial) {
    std::string kinds;
    for (const std::string& id : trial.fixes) kinds += (kinds.empty() ? "" : ",") + kind_of(id);
    return kinds;
}

void insert(SQLite::Database& database, const Trial& trial) {
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

// Whether SQLite finds anything wrong in it, which it would otherwise say only where it meets it.
void check(SQLite::Database& database) {
    SQLite::Statement quick(database, "PRAGMA quick_check(1)");
    if (quick.executeStep() && quick.getColumn(0).getString() != "ok")
        throw SQLite::Exception("damaged", SQLITE_CORRUPT);
}

// Writes one trial, or all of them into a new file. True: the file was new.
Result<bool> write(const fs::path& file, const std::vector<Trial>& trials) {
    try {
        SQLite::Database database(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, patience);
        const int version = database.execAndGet("PRAGMA user_version").getInt();
        if (version > history_version) {
            return fail(ErrorCode::newer_version, file.string() + " was written by a newer headrace (version " +
                                                      std::to_string(version) + "): install that one");
        }
        check(database);
        SQLite::Transaction transaction(database);
        database.exec(tables);
        database.exec("PRAGMA user_version = " + std::to_string(history_version));
        for (const Trial& trial : trials) insert(database, trial);
        transaction.commit();
        return version == 0;
    } catch (const SQLite::Exception& exception) {
        return tl::unexpected<Error>(error_of(exception, file));
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

std::vector<Trial> all_trials(const fs::path& home) {
    std::vector<Trial> trials;
    for (const Listed& listed : list(home).value_or(std::vector<Listed>())) {
        for (Trial& trial : trials_of(listed.folder)) trials.push_back(std::move(trial));
    }
    return trials;
}

// A new history, from all that the run folders hold.
Result<void> rebuild(const fs::path& home, const Trial& trial) {
    std::vector<Trial> trials = all_trials(home);
    trials.push_back(trial);
    const Result<bool> written = write(file_of(home), trials);
    return written ? Result<void>() : tl::unexpected<Error>(written.error());
}

struct PastError {
    std::string kind;
    // The square of the logarithm of measured by predicted, less what of it is the trial's own noise, in variances of
    // the model's own prediction.
    double square;
};

std::vector<PastError> past_errors(const fs::path& file, const std::string& started) {
    constexpr double deviations_to_ends = 1.6449;  // of a normal distribution, for 90 %
    std::vector<PastError> errors;
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY, patience);
    SQLite::Statement rows(database,
                           // One for each run: of several tries of one finding the last.
                           "SELECT kind, predicted, predicted_low, predicted_high, measured, measured_low, "
                           "measured_high, interval_scale, max(id) FROM trial "
                           "WHERE predicted IS NOT NULL AND started < ? GROUP BY run, kind ORDER BY id");
    rows.bind(1, started);
    while (rows.executeStep()) {
        const double predicted = rows.getColumn(1).getDouble(), low = rows.getColumn(2).getDouble();
        const double high = rows.getColumn(3).getDouble(), measured = rows.getColumn(4).getDouble();
        if (low <= 0 || high <= low || predicted <= 0 || measured <= 0) continue;
        const double scale = rows.getColumn(7).getDouble();
        const auto deviation_of = [](double from, double to) { return std::log(to / from) / (2 * deviations_to_ends); };
        const double deviation = deviation_of(low, high) / std::max(scale, 1e-9);
        const double noise = deviation_of(rows.getColumn(5).getDouble(), rows.getColumn(6).getDouble());
        const double error = std::log(measured / predicted);
        const double square = std::max(0.0, error * error - noise * noise) / (deviation * deviation);
        errors.push_back({rows.getColumn(0).getString(), square});
    }
    return errors;
}

}  // namespace

Result<void> add_to_history(const fs::path& home, const Trial& trial) {
    const fs::path file = file_of(home);
    const sys::Descriptor held = lock(home);
    std::error_code error;
    if (!fs::exists(file, error) || fs::file_size(file, error) == 0) return rebuild(home, trial);
    const Result<bool> written = write(file, {trial});
    if (written) return {};
    if (written.error().code != ErrorCode::damaged) return tl::unexpected<Error>(written.error());
    if (Result<void> aside = set_aside(file); !aside) return aside;
    return rebuild(home, trial);
}

IntervalScales interval_scales(const fs::path& home, const std::string& started) {
    // What the model's own intervals count for: as much as so many trials that came out as they say.
    constexpr double trials_of_the_model = 4;
    constexpr double narrowest = 0.5, widest = 4;
    std::error_code error;
    if (!fs::exists(file_of(home), error)) return {};
    std::map<std::string, std::pair<double, double>> sums;  // squares and their number
    try {
        for (const PastError& past : past_errors(file_of(home), started)) {
            auto& [squares, count] = sums[past.kind];
            squares += past.square;
            ++count;
        }
    } catch (const SQLite::Exception&) {
        return {};
    }
    IntervalScales scales;
    for (const auto& [kind, sum] : sums) {
        const double square = (trials_of_the_model + sum.first) / (trials_of_the_model + sum.second);
        scales[kind] = std::clamp(std::sqrt(square), narrowest, widest);
    }
    return scales;
}

std::string kind_of(const std::string& id) {
    const std::size_t area = id.find('.');
    return area == std::string::npos ? id : id.substr(0, id.find('.', area + 1));
}

Interval scaled(const Interval& interval, double scale) {
    const auto end = [&](double at) { return interval.predicted * std::pow(at / interval.predicted, scale); };
    return {interval.predicted, end(interval.low), end(interval.high)};
}

}  // namespace headrace::run
