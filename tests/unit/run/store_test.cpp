#include "run/store.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <limits>

#include "run/equal.h"
#include "run/fixture.h"

namespace headrace::run {
namespace {

using Whole = headrace::Run;  // inside a test, Run is a member of GoogleTest's

struct Store : testing::Test {
    TemporaryFolder temporary;
    Folder folder{temporary.path()};
    void change(const std::string& sql) {
        SQLite::Database(folder.database().string(), SQLite::OPEN_READWRITE).exec(sql);
    }
    Error error_after(const std::string& sql) {
        EXPECT_TRUE(write(folder, sample_run()));
        change(sql);
        const Result<Whole> run = read(folder);
        EXPECT_FALSE(run) << sql;
        return run ? Error{ErrorCode::internal, ""} : run.error();
    }
};

TEST_F(Store, GivesBackEveryFieldAndLeavesNothingBeside) {
    ASSERT_TRUE(write(folder, sample_run()));
    const Result<Whole> back = read(folder);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, sample_run());
    EXPECT_EQ(names_in(folder.path), std::vector<std::string>{"run.db"});
}

TEST_F(Store, KnowsARunThatHasOnlyBegun) {
    RunInfo info = sample_info();
    info.ended_ns.reset();
    info.exit_code.reset();
    info.outcome = Outcome::running;
    ASSERT_TRUE(write_info(folder, info));
    const Result<Whole> back = read(folder);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->info, info);
    EXPECT_TRUE(back->threads.empty());
    ASSERT_TRUE(write(folder, sample_run()));
    EXPECT_EQ(read_info(folder).value(), sample_info());
}

TEST_F(Store, WorksInAFolderWhoseNameMeansSomethingInAUri) {
    const Folder odd{temporary.path() / "50%25 #1?mode=rw é"};
    std::filesystem::create_directory(odd.path);
    ASSERT_TRUE(write(odd, sample_run()));
    EXPECT_EQ(read(odd).value(), sample_run());
}

// ---- arbitrary runs

rc::Gen<std::string> any_text() { return rc::gen::arbitrary<std::string>(); }
rc::Gen<Nanoseconds> any_time() { return rc::gen::inRange<Nanoseconds>(0, Nanoseconds{1} << 62); }
rc::Gen<std::uint64_t> any_counter() {
    return rc::gen::map(any_time(), [](Nanoseconds t) { return std::uint64_t(t); });
}

template <class T>
std::optional<T> maybe(rc::Gen<T> gen) {
    return *rc::gen::arbitrary<bool>() ? std::optional<T>(*gen) : std::nullopt;
}

Span any_span() {
    using rc::gen::arbitrary;
    return {*arbitrary<std::uint8_t>(),  *any_time(),        *any_time(), *arbitrary<std::uint64_t>(),
            *arbitrary<std::uint64_t>(), *arbitrary<bool>(), *any_text()};
}

ThreadRecord any_thread() {
    using rc::gen::arbitrary;
    ThreadRecord t;
    t.pid = *arbitrary<std::uint32_t>();
    t.tid = *arbitrary<std::uint32_t>();
    t.main_thread = *arbitrary<bool>();
    t.full = *arbitrary<bool>();
    t.full_error = *arbitrary<std::uint16_t>();
    t.opened = *any_time();
    t.rank = maybe(rc::gen::inRange(0, std::numeric_limits<int>::max()));
    t.hooks = *any_counter();
    for (int i = *rc::gen::inRange(0, 6); i > 0; --i) t.spans.push_back(any_span());
    return t;
}

Run any_run() {
    using rc::gen::arbitrary;
    Run run;
    run.info.name = *any_text();
    run.info.command = *arbitrary<std::vector<std::string>>();
    if (*arbitrary<bool>()) run.info.ended_ns = run.info.started_ns + *rc::gen::inRange<Nanoseconds>(0, 1LL << 61);
    run.info.signal = maybe(rc::gen::inRange(1, 65));
    run.info.max_steps = maybe(any_counter());
    run.info.outcome = static_cast<Outcome>(*rc::gen::inRange(0, 5));
    run.info.code.git_commit = maybe(any_text());
    run.info.code.dirty = maybe(arbitrary<bool>());
    run.info.code.digest = maybe(any_text());
    run.info.experiment = maybe(any_text());
    run.info.user = *any_text();
    run.info.purpose = *arbitrary<bool>() ? Purpose::compare : Purpose::audit;
    run.info.machine.cores_usable = *rc::gen::inRange(0, 100000) / 100.0;
    run.info.limits = *arbitrary<std::vector<std::string>>();
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) run.threads.push_back(any_thread());
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i)
        run.processes.push_back(
            {*arbitrary<std::uint32_t>(), 1, *any_time(), maybe(any_time()), *any_text(), *any_time()});
    OutsidePoint point;
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
        const auto grow = [](std::int64_t& counter) { counter += *rc::gen::inRange<std::int64_t>(0, 1LL << 40); };
        grow(point.when);
        grow(point.cpu_ns);
        grow(point.read_bytes);
        grow(point.written_bytes);
        grow(point.requested_read_bytes);
        grow(point.requested_written_bytes);
        point.resident_bytes = *any_time();
        point.processes = *arbitrary<std::uint32_t>();
        run.outside.push_back(point);
    }
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i)
        run.hot_lines.push_back({*arbitrary<std::uint8_t>(), *any_text(), 3, *any_text(), *any_counter()});
    return run;
}

TEST_F(Store, GivesBackAnyRun) {
    const bool held = rc::check("write, then read", [&] {
        const Whole run = any_run();
        const Result<void> written = write(folder, run);
        if (!written) RC_FAIL(written.error().message);
        const Result<Whole> back = read(folder);
        if (!back) RC_FAIL(back.error().message);
        RC_ASSERT(*back == run);
    });
    EXPECT_TRUE(held);
}

// ---- for SQL users

TEST_F(Store, CanBeQueriedWithReadableNames) {
    Derived derived;
    derived.ledger = {{std::nullopt, 12, "input.wait", 4, 0.5}, {0, 13, "host", 1, 0.25}};
    derived.input_wait = {{std::nullopt, 12, "decode", 1, 0.25}};
    derived.figures = {{"trained", std::int64_t{1}}, {"framework", {}}};
    ASSERT_TRUE(write(folder, sample_run(), derived));
    SQLite::Database database(folder.database().string());
    SQLite::Statement spans(database, "SELECT kind, start_seconds, seconds, pid FROM interval WHERE seq = 0");
    ASSERT_TRUE(spans.executeStep());
    EXPECT_EQ(spans.getColumn(0).getString(), "wait");
    EXPECT_EQ(spans.getColumn(1).getDouble(), 1.0);
    EXPECT_EQ(spans.getColumn(2).getDouble(), 0.5);
    EXPECT_EQ(spans.getColumn(3).getInt(), 12);
    EXPECT_EQ(database.execAndGet("SELECT entry FROM ledger WHERE rank IS NULL AND pid = 12").getString(),
              "input.wait");
    EXPECT_EQ(database.execAndGet("SELECT sum(share) FROM ledger").getDouble(), 0.75);
    EXPECT_EQ(database.execAndGet("SELECT seconds FROM input_wait WHERE stage = 'decode'").getDouble(), 1.0);
    EXPECT_EQ(database.execAndGet("SELECT value FROM figure WHERE name = 'trained'").getInt(), 1);
    EXPECT_EQ(database.execAndGet("SELECT count(*) FROM figure WHERE value IS NULL").getInt(), 1);
    EXPECT_EQ(database.execAndGet("SELECT name FROM text_kind WHERE number = 4").getString(), "framework");
    EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

// ---- a part of the spans

Keep without_texts() {
    return [](std::size_t, const Span& span) { return span.kind != 1; };
}

Derived with_figures() {
    Derived derived;
    derived.figures = {{"count", std::int64_t{7}}, {"share", 0.1 + 0.2}, {"word", "two words"}, {"unknown", {}}};
    return derived;
}

TEST_F(Store, KeepsTheFiguresWhereItKeepsAPartOfTheSpans) {
    const Whole all = sample_run();
    ASSERT_TRUE(write(folder, all, with_figures(), SpansInMemory(all), without_texts()));
    Whole part = all;
    part.threads[0].spans.erase(part.threads[0].spans.begin() + 1);
    EXPECT_EQ(read(folder).value(), part);
    EXPECT_EQ(read_figures(folder).value(), with_figures().figures);
    SQLite::Database database(folder.database().string());
    EXPECT_EQ(database.execAndGet("SELECT seq FROM span ORDER BY id DESC LIMIT 1").getInt(), 2);
    EXPECT_EQ(database.execAndGet("SELECT spans FROM thread WHERE id = 1").getInt(), 2);
    EXPECT_EQ(database.execAndGet("SELECT recorded FROM thread WHERE id = 1").getInt(), 3);
}

TEST_F(Store, GivesNoFiguresWhereTheSpansSayThemselves) {
    const Whole all = sample_run();
    ASSERT_TRUE(write(folder, all, with_figures()));
    EXPECT_EQ(read_figures(folder).value(), std::nullopt);
}

TEST_F(Store, GivesTheFiguresOfAnyRunWithoutItsSpans) {
    const Whole all = sample_run();
    ASSERT_TRUE(write(folder, all, with_figures()));
    EXPECT_EQ(read_stored(folder)->info, all.info);
    EXPECT_EQ(read_stored(folder)->figures, with_figures().figures);
    EXPECT_TRUE(read_stored(folder)->all_spans);
    ASSERT_TRUE(write(folder, all, with_figures(), SpansInMemory(all), without_texts()));
    EXPECT_FALSE(read_stored(folder)->all_spans);
    change("DROP TABLE figure");
    EXPECT_TRUE(read_stored(folder)->figures.empty());
}

TEST_F(Store, CallsAPartThatCannotBeDamaged) {
    const Whole all = sample_run();
    for (const char* sql : {"UPDATE thread SET recorded = 1 WHERE id = 1", "UPDATE thread SET recorded = -1",
                            "UPDATE span SET seq = 3 WHERE seq = 2", "UPDATE span SET seq = 2"}) {
        ASSERT_TRUE(write(folder, all, with_figures(), SpansInMemory(all), without_texts()));
        change(sql);
        const Result<Whole> run = read(folder);
        ASSERT_FALSE(run) << sql;
        EXPECT_EQ(run.error().code, ErrorCode::damaged) << sql;
    }
    ASSERT_TRUE(write(folder, all, with_figures(), SpansInMemory(all), without_texts()));
    change("DROP TABLE figure");
    EXPECT_EQ(read_figures(folder).error().code, ErrorCode::damaged);
}

TEST_F(Store, ReadsTheFirstVersion) {
    ASSERT_TRUE(write(folder, sample_run()));
    change("ALTER TABLE thread DROP COLUMN recorded; DROP TABLE figure; PRAGMA user_version = 1");
    EXPECT_EQ(read(folder).value(), sample_run());
    EXPECT_EQ(read_figures(folder).value(), std::nullopt);
}

TEST_F(Store, ReadsARunThatSaysNothingOfItsKernelAndItsCode) {
    ASSERT_TRUE(write(folder, sample_run()));
    change(
        "DELETE FROM meta WHERE key IN ('boot_id', 'pid_namespace', 'code_digest', 'experiment', 'user', 'purpose')");
    Whole earlier = sample_run();
    earlier.info.kernel = {};
    earlier.info.code.digest.reset();
    earlier.info.experiment.reset();
    earlier.info.user.clear();
    earlier.info.purpose = Purpose::audit;
    EXPECT_EQ(read(folder).value(), earlier);
}

// ---- whole or not at all

TEST_F(Store, LeavesNothingOfAWriteThatFailed) {
    const Result<void> nowhere = write(Folder{temporary.path() / "absent"}, sample_run());
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().code, ErrorCode::not_found);

    std::filesystem::create_directory(folder.database());  // nothing can be renamed over a folder
    put(folder.database() / "inside", "x");
    ASSERT_FALSE(write(folder, sample_run()));
    EXPECT_EQ(names_in(folder.path), std::vector<std::string>{"run.db"});
}

TEST_F(Store, KeepsTheOlderFileWhenAWriteBreaksOff) {
    ASSERT_TRUE(write_info(folder, sample_info()));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{16 * 1024, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const Result<void> written = write(folder, sample_run());
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)::signal(SIGXFSZ, handler);
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().message.find("cannot write " + folder.database().string()), std::string::npos);
    EXPECT_EQ(names_in(folder.path), std::vector<std::string>{"run.db"});
    EXPECT_TRUE(read_info(folder).value() == sample_info());
}

// In a child with a file system of its own that holds 64 KiB. Exits with 0 when all is as it should be.
int write_to_a_full_disk(const std::filesystem::path& at) {
    constexpr int not_permitted = 77;
    const bool alone = ::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    if (!alone || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return not_permitted;
    if (::mount("none", at.c_str(), "tmpfs", 0, "size=64k") != 0) return not_permitted;
    const Folder folder{at};
    if (!write_info(folder, sample_info())) return 1;
    Whole large = sample_run();
    large.threads[0].spans.resize(20'000);
    const Result<void> written = write(folder, large);
    if (written || written.error().code != ErrorCode::no_space) return 2;
    if (names_in(at) != std::vector<std::string>{"run.db"}) return 3;
    return read_info(folder) ? 0 : 4;
}

TEST_F(Store, SaysThatTheDiskIsFull) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(write_to_a_full_disk(folder.path));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting is not permitted here";
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Store, RemovesWhatAKilledWriterLeft) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    put(folder.path / (".run.db." + std::to_string(child) + ".0.tmp"), "half");
    put(folder.path / (".run.db." + std::to_string(::getppid()) + ".0.tmp"), "of one that is at work");
    ASSERT_TRUE(write(folder, sample_run()));
    EXPECT_EQ(names_in(folder.path).size(), 2U);
    EXPECT_FALSE(std::filesystem::exists(folder.path / (".run.db." + std::to_string(child) + ".0.tmp")));
}

// ---- what is not a run, or no longer

TEST_F(Store, SaysWhatIsNotARun) {
    for (const std::filesystem::path& path :
         {folder.path, folder.path / "absent", std::filesystem::path("/dev/null")}) {
        const Result<Whole> run = read(Folder{path});
        ASSERT_FALSE(run);
        EXPECT_EQ(run.error().code, ErrorCode::not_found);
        EXPECT_EQ(run.error().message, path.string() + " is not a run: it holds no run.db");
    }
    EXPECT_TRUE(names_in(folder.path).empty());
}

TEST_F(Store, NamesBothVersionsOfANewerRun) {
    const Error error = error_after("PRAGMA user_version = 7");
    EXPECT_EQ(error.code, ErrorCode::newer_version);
    EXPECT_NE(error.message.find("version 7"), std::string::npos);
    EXPECT_NE(error.message.find("version " + std::to_string(schema_version)), std::string::npos);
}

TEST_F(Store, CallsEveryImpossibleContentDamaged) {
    const std::vector<std::string> changes = {
        "PRAGMA user_version = 0",
        "PRAGMA application_id = 1",
        "DROP VIEW interval; DROP TABLE span",
        "DROP TABLE hot_line",
        "DROP TABLE meta_list",
        "DROP VIEW interval; ALTER TABLE span DROP COLUMN a",
        "ALTER TABLE process RENAME COLUMN cpu_ns TO other",
        "DELETE FROM meta WHERE key = 'outcome'",
        "UPDATE meta SET value = 'walking' WHERE key = 'outcome'",
        "UPDATE meta SET value = 'x' WHERE key = 'started_ns'",
        "UPDATE meta SET value = NULL WHERE key = 'started_ns'",
        "UPDATE meta SET value = 5 WHERE key = 'ended_ns'",  // before the start
        "UPDATE meta SET value = 2 WHERE key = 'dirty'",
        "UPDATE meta SET value = 'fun' WHERE key = 'purpose'",
        "UPDATE meta SET value = -1.0 WHERE key = 'cores_usable'",
        "UPDATE meta SET value = x'00' WHERE key = 'name'",
        "UPDATE span SET duration_ns = -1 WHERE seq = 0",
        "UPDATE span SET start_ns = 9223372036854775807 WHERE seq = 0",
        "UPDATE span SET kind = 256 WHERE seq = 0",
        "UPDATE span SET a = 'x' WHERE seq = 0",
        "UPDATE span SET open = NULL WHERE seq = 0",
        "UPDATE span SET seq = 9 WHERE seq = 0",
        "UPDATE span SET thread_id = 3 WHERE seq = 2",
        "UPDATE span SET thread_id = 0 WHERE seq = 0",
        "UPDATE span SET text = 1.5 WHERE seq = 0; UPDATE span SET text = x'00'",
        "DELETE FROM span WHERE seq = 2",
        "DELETE FROM thread WHERE id = 1",
        "UPDATE thread SET pid = 4294967296",
        "UPDATE thread SET spans = 1000000000000",
        "UPDATE thread SET rank = -1",
        "UPDATE process SET start_ns = -5",
        "UPDATE hot_line SET count = -1",
        "UPDATE outside SET cpu_ns = 0 WHERE id = 1; UPDATE outside SET cpu_ns = -1 WHERE id = 2",
        "UPDATE outside SET read_bytes = 9 WHERE id = 1",  // more than later
        "UPDATE outside SET when_ns = 1 WHERE id = 2",
        "UPDATE outside SET resident_bytes = 'x'",
        "UPDATE outside SET processes = 4294967296",
        "ALTER TABLE outside DROP COLUMN written_bytes",
        "DROP VIEW interval; DROP TABLE span; CREATE VIEW span AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x "
        "FROM r) SELECT x AS id, x AS thread_id FROM r",
    };
    for (const std::string& sql : changes) {
        const Error error = error_after(sql);
        EXPECT_EQ(error.code, ErrorCode::damaged) << sql;
        EXPECT_NE(error.message.find("run.db is damaged: "), std::string::npos) << error.message;
        EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
    }
}

TEST_F(Store, TakesARunWithoutPointsFromOutsideForOneThatHasNone) {
    Whole older = sample_run();
    ASSERT_TRUE(write(folder, older));
    change("DROP TABLE outside");
    older.outside.clear();
    EXPECT_EQ(read(folder).value(), older);
    change("CREATE VIEW outside AS SELECT 1 AS when_ns");  // nothing of a view's is computed
    EXPECT_EQ(read(folder).value(), older);
}

TEST_F(Store, IgnoresWhatALaterMinorVersionAdds) {
    ASSERT_TRUE(write(folder, sample_run()));
    change("ALTER TABLE span ADD COLUMN more; CREATE TABLE extra(x); INSERT INTO meta VALUES('new', 1)");
    EXPECT_EQ(read(folder).value(), sample_run());
}

// Reads a run.db of this content and says how it went. A crash or a changed folder fails the test.
void expect_read_unharmed(const Folder& folder, const std::string& content) {
    put(folder.database(), content);
    const Result<Whole> run = read(folder);
    if (!run) {
        const ErrorCode code = run.error().code;
        EXPECT_TRUE(code == ErrorCode::damaged || code == ErrorCode::newer_version) << run.error().message;
    }
    EXPECT_EQ(names_in(folder.path), std::vector<std::string>{"run.db"});
}

TEST_F(Store, SurvivesTruncationAnywhere) {
    ASSERT_TRUE(write(folder, sample_run()));
    const std::string whole = content_of(folder.database());
    for (std::size_t size = 0; size < whole.size(); size += size < 200 ? 7 : 487) {
        expect_read_unharmed(folder, whole.substr(0, size));
        EXPECT_FALSE(read(folder)) << "cut to " << size;
    }
    expect_read_unharmed(folder, "this is not SQLite");
}

TEST_F(Store, SurvivesFlippedBytes) {
    ASSERT_TRUE(write(folder, sample_run()));
    const std::string whole = content_of(folder.database());
    const bool held = rc::check("flip bytes, then read", [&] {
        std::string content = whole;
        for (int i = *rc::gen::inRange(1, 30); i > 0; --i)
            content[*rc::gen::inRange<std::size_t>(0, content.size())] = *rc::gen::arbitrary<char>();
        expect_read_unharmed(folder, content);
    });
    EXPECT_TRUE(held);
}

}  // namespace
}  // namespace headrace::run
