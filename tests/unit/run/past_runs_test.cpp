#include "run/past_runs.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "run/fixture.h"
#include "run/history.h"
#include "run/processes.h"
#include "run/trial_file.h"
#include "sys/file_lock.h"

namespace headrace::run {
namespace {

namespace fs = std::filesystem;

PastRun past(const std::string& id) {
    PastRun run;
    run.id = id;
    run.name = "a name";
    run.started = "2026-11-27T00:00:00Z";
    run.wall_seconds = 12.5;
    run.user = "ada";
    run.machine.host = "here";
    run.machine.cpu = "a processor";
    run.machine.cores_usable = 1.5;
    run.machine.memory_bytes = 8'000'000'000;
    run.machine.accelerators = {"one", "another"};
    run.directory = "/team";
    run.command = {"python", "train.py", "", "two words"};
    run.program = "/team/train.py";
    run.experiment = "a key";
    run.trained = true;
    run.validated = true;
    run.result_seconds = 11.25;
    run.ledger = {{"input.wait", 2.5}, {"unattributed", 10}};
    run.steps = 99;
    run.batch_size = 32;
    run.samples_per_second = 700.5;
    run.findings = {{"input.workers", "num_workers=2", true, {{1.5, 1.2, 1.875}, {3, -1, 4}}}};
    return run;
}

PastRun unknown(const std::string& id) {
    PastRun run;
    run.id = id;
    run.started = "2026-11-26T00:00:00Z";
    run.outcome = Outcome::killed;
    run.purpose = Purpose::compare;
    return run;
}

void expect_equal(const PastRun& x, const PastRun& y) {
    EXPECT_EQ(x.id, y.id);
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.started, y.started);
    EXPECT_EQ(x.wall_seconds, y.wall_seconds);
    EXPECT_EQ(x.outcome, y.outcome);
    EXPECT_EQ(x.purpose, y.purpose);
    EXPECT_EQ(x.user, y.user);
    EXPECT_EQ(x.machine.host, y.machine.host);
    EXPECT_EQ(x.machine.cpu, y.machine.cpu);
    EXPECT_EQ(x.machine.cores_usable, y.machine.cores_usable);
    EXPECT_EQ(x.machine.memory_bytes, y.machine.memory_bytes);
    EXPECT_EQ(x.machine.accelerators, y.machine.accelerators);
    EXPECT_EQ(x.directory, y.directory);
    EXPECT_EQ(x.command, y.command);
    EXPECT_EQ(x.program, y.program);
    EXPECT_EQ(x.experiment, y.experiment);
    EXPECT_EQ(x.trained, y.trained);
    EXPECT_EQ(x.validated, y.validated);
    EXPECT_EQ(x.result_seconds, y.result_seconds);
    EXPECT_EQ(x.ledger, y.ledger);
    EXPECT_EQ(x.steps, y.steps);
    EXPECT_EQ(x.batch_size, y.batch_size);
    EXPECT_EQ(x.samples_per_second, y.samples_per_second);
    ASSERT_EQ(x.findings.size(), y.findings.size());
    for (std::size_t i = 0; i < x.findings.size(); ++i) {
        EXPECT_EQ(x.findings[i].id, y.findings[i].id);
        EXPECT_EQ(x.findings[i].arguments, y.findings[i].arguments);
        EXPECT_EQ(x.findings[i].can_be_tried, y.findings[i].can_be_tried);
        EXPECT_EQ(x.findings[i].gain.ratio.high, y.findings[i].gain.ratio.high);
        EXPECT_EQ(x.findings[i].gain.seconds_per_run.low, y.findings[i].gain.seconds_per_run.low);
    }
}

Trial tried(const std::string& id) {
    Trial trial;
    trial.id = id;
    trial.run = "one";
    trial.started = "2026-11-27T00:00:00Z";
    trial.fixes = {"input.workers"};
    trial.measured = {1.4, 1.3, 1.5};
    return trial;
}

class PastRunsTest : public ::testing::Test {
protected:
    fs::path home() const { return temporary_.path(); }
    fs::path file() const { return home() / "history.db"; }
    std::vector<PastRun> runs() const {
        const Result<std::vector<PastRun>> all = past_runs(home());
        EXPECT_TRUE(all) << all.error().message;
        return all ? *all : std::vector<PastRun>();
    }
    std::vector<std::string> ids() const {
        std::vector<std::string> found;
        for (const PastRun& run : runs()) found.push_back(run.id);
        return found;
    }
    void change(const std::string& sql) const { SQLite::Database(file().string(), SQLite::OPEN_READWRITE).exec(sql); }
    std::int64_t number(const std::string& sql) const {
        return SQLite::Database(file().string()).execAndGet(sql).getInt64();
    }
    // A trial in the folder of a run, as `try` leaves it.
    void put_trial(const std::string& id) const {
        const Result<Folder> folder = create(home(), "2026-11-27T00:00:00Z");
        ASSERT_TRUE(folder && keep_trial(*folder, tried(id)));
    }
    std::size_t set_aside() const {
        const std::vector<std::string> names = names_in(home());
        return static_cast<std::size_t>(std::count_if(names.begin(), names.end(), [](const std::string& name) {
            return name.starts_with("history.db.damaged-");
        }));
    }

    TemporaryFolder temporary_;
};

TEST_F(PastRunsTest, ComeBackAsTheyWere) {
    ASSERT_TRUE(add_past_run(home(), past("one")));
    ASSERT_TRUE(add_past_run(home(), unknown("two")));
    const std::vector<PastRun> all = runs();
    ASSERT_EQ(all.size(), 2U);
    expect_equal(all[0], unknown("two"));  // began earlier
    expect_equal(all[1], past("one"));
    PastRun changed = past("one");
    changed.validated = false;
    ASSERT_TRUE(add_past_run(home(), changed));
    EXPECT_EQ(ids(), (std::vector<std::string>{"two", "one"})) << "a second time takes its place";
    expect_equal(runs()[1], changed);
}

TEST_F(PastRunsTest, OfNoHistoryAreNone) {
    EXPECT_TRUE(ids().empty());
    EXPECT_TRUE(past_trials(home())->empty());
    EXPECT_TRUE(equal_runs(home(), {}).empty());
    EXPECT_FALSE(fs::exists(file())) << "looking makes nothing";
}

TEST_F(PastRunsTest, StandBesideTheTrials) {
    ASSERT_TRUE(add_to_history(home(), tried("a trial")));
    ASSERT_TRUE(add_past_run(home(), past("one")));
    ASSERT_TRUE(add_to_history(home(), tried("another")));
    EXPECT_EQ(ids(), std::vector<std::string>{"one"});
    const Result<std::vector<Trial>> trials = past_trials(home());
    ASSERT_TRUE(trials);
    ASSERT_EQ(trials->size(), 2U);
    EXPECT_EQ(trials->front().id, "a trial");
}

// As an earlier headrace made it.
void make_first_version(const fs::path& file) {
    SQLite::Database database(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec(
        "CREATE TABLE trial(id TEXT PRIMARY KEY, run TEXT NOT NULL, started TEXT NOT NULL, kind TEXT NOT NULL, "
        "host TEXT NOT NULL, cpu TEXT NOT NULL, cores_usable REAL NOT NULL, predicted REAL, predicted_low REAL, "
        "predicted_high REAL, measured REAL NOT NULL, measured_low REAL NOT NULL, measured_high REAL NOT NULL, "
        "inside INTEGER, interval_scale REAL NOT NULL, document TEXT NOT NULL) WITHOUT ROWID; PRAGMA user_version = 1");
    SQLite::Statement row(database,
                          "INSERT INTO trial VALUES('old', 'one', '2026-11-20T00:00:00Z', 'input.workers', 'here', "
                          "'cpu', 2, NULL, NULL, NULL, 1.4, 1.3, 1.5, NULL, 1, ?)");
    row.bind(1, trial_json(tried("old")));
    row.exec();
}

TEST_F(PastRunsTest, AreAddedToTheFirstVersionInPlace) {
    make_first_version(file());
    EXPECT_TRUE(ids().empty()) << "it can be read as it is";
    EXPECT_EQ(past_trials(home())->size(), 1U);
    EXPECT_EQ(number("PRAGMA user_version"), 1) << "and looking changes nothing";
    ASSERT_TRUE(add_past_run(home(), past("one")));
    EXPECT_EQ(number("PRAGMA user_version"), 2);
    EXPECT_EQ(ids(), std::vector<std::string>{"one"});
    EXPECT_EQ(past_trials(home())->front().id, "old");
    EXPECT_EQ(set_aside(), 0U);
}

TEST_F(PastRunsTest, AreNotAddedToANewerVersion) {
    ASSERT_TRUE(add_past_run(home(), past("one")));
    change("PRAGMA user_version = 3");
    const Result<void> added = add_past_run(home(), past("two"));
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, ErrorCode::newer_version);
    EXPECT_EQ(past_runs(home()).error().code, ErrorCode::newer_version);
    EXPECT_EQ(number("SELECT count(*) FROM run"), 1);
}

TEST_F(PastRunsTest, OfADamagedHistoryAreSetAsideAndTheTrialsMadeAnew) {
    put_trial("in a folder");
    ASSERT_TRUE(add_past_run(home(), past("one")));
    put(file(), "no database, however one looks at it");
    EXPECT_EQ(past_runs(home()).error().code, ErrorCode::damaged);
    ASSERT_TRUE(add_past_run(home(), past("two")));
    EXPECT_EQ(ids(), std::vector<std::string>{"two"});
    EXPECT_EQ(past_trials(home())->size(), 1U);
    EXPECT_EQ(set_aside(), 1U);
}

TEST_F(PastRunsTest, OfAMissingHistoryComeWithTheTrialsOfTheFolders) {
    put_trial("in a folder");
    ASSERT_TRUE(add_past_run(home(), past("one")));
    EXPECT_EQ(past_trials(home())->size(), 1U);
}

TEST_F(PastRunsTest, ARowThatSaysTheImpossibleIsLeftOut) {
    for (const char* id : {"one", "two", "three", "four", "five"}) ASSERT_TRUE(add_past_run(home(), past(id)));
    change("UPDATE run SET ledger = '{\"input.wait\": \"long\"}' WHERE id = 'one'");
    change("UPDATE run SET outcome = 'lost' WHERE id = 'two'");
    change("UPDATE run SET wall_seconds = -1 WHERE id = 'three'");
    change("UPDATE run SET findings = '[{' WHERE id = 'four'");
    EXPECT_EQ(ids(), std::vector<std::string>{"five"});
    ASSERT_TRUE(add_past_run(home(), past("two")));
    EXPECT_EQ(ids().size(), 2U) << "it can be put in again";
}

TEST_F(PastRunsTest, SeveralProcessesMayWrite) {
    constexpr int writers = 6, each = 5;
    const auto write = [&](int writer) {
        bool good = true;
        for (int i = 0; i < each; ++i) {
            const std::string id = std::to_string(writer) + "-" + std::to_string(i);
            // The first of them race for a file that is not there yet.
            const std::vector<PastRun> one = {past(id)};
            good = add_past_runs(home(), one).has_value() && good;
            good = add_to_history(home(), tried(id)).has_value() && good;
        }
        return good;
    };
    EXPECT_EQ(processes_that_succeed(writers, write), writers);
    EXPECT_EQ(ids().size(), std::size_t{writers} * each);
    EXPECT_EQ(past_trials(home())->size(), std::size_t{writers} * each);
}

TEST_F(PastRunsTest, SeveralUsersMayWriteInAFolderOfATeam) {
    fs::permissions(home(), fs::perms::all);
    const mode_t before = ::umask(022);
    ASSERT_TRUE(add_past_run(home(), past("one")));
    ::umask(before);
    constexpr auto read_write = fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read |
                                fs::perms::group_write | fs::perms::others_read | fs::perms::others_write;
    for (const char* name : {"history.db", "history.lock"}) {
        EXPECT_EQ(fs::status(home() / name).permissions(), read_write) << name;
    }
    if (::geteuid() != 0) return;
    const pid_t other = ::fork();
    if (other == 0) {
        constexpr uid_t nobody = 65534;
        const bool is_other = ::setgid(nobody) == 0 && ::setuid(nobody) == 0;
        ::_exit(is_other && add_past_run(home(), past("two")) ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(other, &status, 0), other);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(ids().size(), 2U);
}

TEST_F(PastRunsTest, OfAFolderOfOnesOwnAreOnesOwn) {
    fs::permissions(home(), fs::perms::owner_all);
    ASSERT_TRUE(add_past_run(home(), past("one")));
    EXPECT_EQ(fs::status(file()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(PastRunsTest, DoNotWaitForEverForAnotherWriter) {
    ASSERT_TRUE(add_past_run(home(), past("one")));
    const sys::Descriptor held(::open((home() / "history.lock").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(sys::lock_byte(held, 0, false));
    const auto begin = std::chrono::steady_clock::now();
    const Result<void> added = add_past_run(home(), past("two"));
    ASSERT_FALSE(added);
    EXPECT_NE(added.error().message.find("another headrace"), std::string::npos) << added.error().message;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30 * history_patience);
    EXPECT_EQ(ids(), std::vector<std::string>{"one"});
}

TEST_F(PastRunsTest, SayWhereTheyCannotBeKept) {
    const Result<void> added = add_past_run(home() / "absent", past("one"));
    ASSERT_FALSE(added);
    EXPECT_NE(added.error().message.find("history.db"), std::string::npos);
    EXPECT_EQ(added.error().message.find('\n'), std::string::npos);
}

// ---- equal runs

TEST_F(PastRunsTest, EqualOnesAreGroupedByExperimentAndMachine) {
    const auto add = [&](const std::string& id, auto change_run) {
        PastRun run = past(id);
        change_run(run);
        ASSERT_TRUE(add_past_run(home(), run));
    };
    add("b", [](PastRun& run) { run.started = "2026-11-28T00:00:00Z"; });
    add("a", [](PastRun& run) { run.machine.host = "of another name"; });
    add("c", [](PastRun& run) {
        run.started = "2026-11-29T00:00:00Z";
        run.purpose = Purpose::compare;
        run.samples_per_second.reset();
        run.machine.memory_bytes = 8'100'000'000;
    });
    add("failed", [](PastRun& run) { run.outcome = Outcome::failed; });
    add("more cores", [](PastRun& run) { run.machine.cores_usable = 2; });
    add("another processor", [](PastRun& run) { run.machine.cpu = "another"; });
    add("less memory", [](PastRun& run) { run.machine.memory_bytes = 4'000'000'000; });
    add("without accelerators", [](PastRun& run) { run.machine.accelerators.clear(); });
    add("unknown", [](PastRun& run) { run.experiment.reset(); });
    add("unknown too", [](PastRun& run) { run.experiment.reset(); });
    add("alone", [](PastRun& run) { run.experiment = "another key"; });
    const std::vector<EqualRuns> groups = equal_runs(home(), past("").machine);
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups.front().experiment, "a key");
    std::vector<std::string> found;
    for (const EqualRun& run : groups.front().runs) found.push_back(run.id);
    EXPECT_EQ(found, (std::vector<std::string>{"a", "b", "c"}));
    const EqualRun& first = groups.front().runs.front();
    EXPECT_EQ(first.wall_seconds, 12.5);
    EXPECT_EQ(first.samples_per_second, 700.5);
    EXPECT_EQ(first.steps, 99U);
    EXPECT_FALSE(groups.front().runs.back().samples_per_second);
}

TEST_F(PastRunsTest, EqualOnesAreNoneInADamagedHistory) {
    put(file(), "no database");
    EXPECT_TRUE(equal_runs(home(), past("").machine).empty());
}

// ---- the document

TEST_F(PastRunsTest, HaveEveryColumnInTheDocument) {
    ASSERT_TRUE(add_past_run(home(), past("one")));
    const std::string text = content_of(fs::path(__FILE__).parent_path() / "../../../docs/formats/history.md");
    SQLite::Database database(file().string());
    SQLite::Statement columns(database,
                              "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c "
                              "WHERE m.type = 'table'");
    int seen = 0;
    for (; columns.executeStep(); ++seen) {
        EXPECT_NE(text.find("`" + columns.getColumn(1).getString() + "`"), std::string::npos)
            << columns.getColumn(0).getString() << "." << columns.getColumn(1).getString();
    }
    EXPECT_EQ(seen, 16 + 24);
    EXPECT_NE(text.find("| `user_version` | " + std::to_string(number("PRAGMA user_version"))), std::string::npos);
}

}  // namespace
}  // namespace headrace::run
