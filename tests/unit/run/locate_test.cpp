#include <gtest/gtest.h>
#include <stdlib.h>

#include <thread>

#include "run/fixture.h"
#include "run/store.h"

namespace headrace::run {
namespace {

struct Locate : testing::Test {
    TemporaryFolder temporary;
    std::filesystem::path base = temporary.path() / ".headrace";

    Folder add(const std::string& name, const std::string& started = "2026-11-24T00:03:19Z") {
        const Result<Folder> folder = create(base, started);
        EXPECT_TRUE(folder) << folder.error().message;
        RunInfo info = sample_info();
        info.id = folder->id();
        info.name = name;
        info.started = started;
        EXPECT_TRUE(write_info(*folder, info));
        return *folder;
    }
    std::string found(const std::string& run) {
        const Result<Folder> folder = find(base, run);
        return folder ? folder->path.filename().string() : "error: " + folder.error().message;
    }
    static std::string digits(const Folder& folder) { return folder.id().substr(folder.id().rfind('-') + 1); }
    static std::string base_name(const Folder& folder) { return folder.path.filename().string(); }
};

TEST_F(Locate, HomeIsTheArgumentOrTheEnvironmentOrHere) {
    ASSERT_EQ(::unsetenv("HEADRACE_DIR"), 0);
    EXPECT_EQ(home(""), ".headrace");
    ASSERT_EQ(::setenv("HEADRACE_DIR", "/somewhere", 1), 0);
    EXPECT_EQ(home(""), "/somewhere");
    EXPECT_EQ(home("else"), "else");
    ASSERT_EQ(::setenv("HEADRACE_DIR", "", 1), 0);
    EXPECT_EQ(home(""), ".headrace");
    ASSERT_EQ(::unsetenv("HEADRACE_DIR"), 0);
}

TEST_F(Locate, MakesAHomeThatGitIgnores) {
    const Folder folder = add("");
    EXPECT_EQ(content_of(base / ".gitignore"), "*\n");
    EXPECT_EQ(folder.path.parent_path(), base / "runs");
    const std::string name = base_name(folder);
    ASSERT_EQ(name.size(), std::string("20261124T000319.000Z-5f0c9a1e").size());
    EXPECT_EQ(name.substr(0, 16), "20261124T000319.");
    EXPECT_EQ(digits(folder).size(), 8U);
    EXPECT_EQ(digits(folder).find_first_not_of("0123456789abcdef"), std::string::npos);
    put(base / ".gitignore", "mine\n");
    (void)add("");
    EXPECT_EQ(content_of(base / ".gitignore"), "mine\n");
}

TEST_F(Locate, LeavesAFolderThatWasThereToGit) {
    std::filesystem::create_directories(base);
    (void)add("");
    EXPECT_FALSE(std::filesystem::exists(base / ".gitignore"));
    EXPECT_EQ(content_of(base / "runs" / ".gitignore"), "*\n");
    std::filesystem::remove(base / "runs" / ".gitignore");
    (void)add("");
    EXPECT_FALSE(std::filesystem::exists(base / "runs" / ".gitignore"));
}

TEST_F(Locate, SaysThatTheRunsCannotBeRead) {
    std::filesystem::create_directories(base);
    put(base / "runs", "no folder");
    for (const Error& error : {list(base).error(), find(base, "").error(), find(base, "name").error()}) {
        EXPECT_EQ(error.message, "cannot read the folder " + (base / "runs").string() + ": Not a directory");
    }
    EXPECT_EQ(list(base / "nothing")->size(), 0U);
}

TEST_F(Locate, RunsOfOneSecondSortByCreation) {
    std::vector<std::string> made;
    for (int i = 0; i < 12; ++i) made.push_back(base_name(add("")));
    for (int i = 0; i < 3; ++i) made.push_back(base_name(add("", "2026-11-24T00:03:19.5Z")));
    EXPECT_TRUE(std::ranges::is_sorted(made));
    EXPECT_EQ(made[12].substr(0, 20), "20261124T000319.500Z");
    const std::vector<Listed> listed = list(base).value();
    ASSERT_EQ(listed.size(), made.size());
    for (std::size_t i = 0; i < made.size(); ++i) EXPECT_EQ(base_name(listed[i].folder), made[made.size() - 1 - i]);
}

TEST_F(Locate, RefusesATimeThatIsNone) {
    for (const char* started : {"", "now", "2026-11-24 00:03:19Z", "2026-11-24T00:03:19", "2026-11-24T00:03:19.Z",
                                "2026-11-24T00:03:19.1xZ", "2026-11-24T00:03:1/Z"}) {
        const Result<Folder> folder = create(base, started);
        ASSERT_FALSE(folder) << started;
        EXPECT_EQ(folder.error().code, ErrorCode::invalid_argument);
    }
    EXPECT_FALSE(std::filesystem::exists(base));
}

TEST_F(Locate, SaysWhereNothingCanBeMade) {
    put(temporary.path() / "file", "");
    const Result<Folder> folder = create(temporary.path() / "file" / "home", "2026-11-24T00:03:19Z");
    ASSERT_FALSE(folder);
    EXPECT_NE(folder.error().message.find("cannot make the folder"), std::string::npos);
}

TEST_F(Locate, FindsTheNewestByDefault) {
    const Result<Folder> none = find(base, "");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::not_found);
    EXPECT_NE(none.error().message.find("headrace audit"), std::string::npos);
    (void)add("", "2026-11-24T00:03:18Z");
    const Folder newest = add("");
    (void)add("", "2025-11-24T00:03:18Z");
    ASSERT_TRUE(create(base, "2027-01-01T00:00:00Z"));  // its recording broke off before anything was known
    EXPECT_EQ(found(""), base_name(newest));
}

TEST_F(Locate, FindsByIdStartNameAndPath) {
    const Folder older = add("baseline");
    const Folder other = add("other");
    const Folder newer = add("baseline");
    EXPECT_EQ(found(older.id()), base_name(older));
    EXPECT_EQ(found(digits(older)), base_name(older));
    EXPECT_EQ(found(digits(other).substr(0, 7)), base_name(other));
    EXPECT_EQ(found(base_name(other)), base_name(other));
    EXPECT_EQ(found(base_name(other).substr(0, 19 + 6)), base_name(other));
    EXPECT_EQ(found("baseline"), base_name(newer));
    EXPECT_EQ(found("other"), base_name(other));
    EXPECT_EQ(found(older.path.string()), base_name(older));
    EXPECT_EQ(found(older.path.string() + "/"), base_name(older));
    EXPECT_EQ(found(older.database().string()), base_name(older));
}

TEST_F(Locate, PrefersAnExactIdToANameAndANameToAStart) {
    const Folder first = add("2026");
    const Folder second = add(digits(first));
    EXPECT_EQ(found(digits(first)), base_name(first));
    EXPECT_EQ(found("2026"), base_name(first));
    EXPECT_EQ(found(digits(second)), base_name(second));
}

TEST_F(Locate, NamesTheCandidatesOfAStartThatSeveralHave) {
    const Folder first = add("");
    const Folder second = add("");
    const Result<Folder> both = find(base, "2026");
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(both.error().message.find(base_name(first)), std::string::npos);
    EXPECT_NE(both.error().message.find(base_name(second)), std::string::npos);
    for (int i = 0; i < 6; ++i) (void)add("");
    EXPECT_NE(find(base, "2026").error().message.find("and 3 more"), std::string::npos);
}

TEST_F(Locate, SaysWhatToDoWhenThereIsNoSuchRun) {
    const Folder folder = add("one");
    for (const char* run : {"absent", "./absent", "two\nlines"}) {
        const Result<Folder> none = find(base, run);
        ASSERT_FALSE(none);
        EXPECT_EQ(none.error().code, ErrorCode::not_found);
        EXPECT_NE(none.error().message.find("headrace report --list"), std::string::npos) << none.error().message;
        EXPECT_EQ(none.error().message.find('\n'), std::string::npos);
    }
    const Result<Folder> no_run = find(base, base.string());
    ASSERT_FALSE(no_run);
    EXPECT_EQ(no_run.error().message, base.string() + " is not a run: it holds no run.db");
    EXPECT_FALSE(find(base, (base / ".gitignore").string()));
}

TEST_F(Locate, ListsDamagedRunsWithWhatIsKnown) {
    const Folder good = add("good");
    const Folder bad = add("bad");
    put(bad.database(), "rubbish");
    const Result<Folder> empty = create(base, "2027-01-01T00:00:00Z");
    ASSERT_TRUE(empty);
    put(base / "runs" / "a stray file", "");
    const std::vector<Listed> listed = list(base).value();
    ASSERT_EQ(listed.size(), 3U);
    EXPECT_EQ(listed[0].folder.path, empty->path);
    EXPECT_NE(listed[0].problem.find("holds no run.db"), std::string::npos);
    EXPECT_EQ(listed[0].info.started, "2027-01-01T00:00:00Z");
    EXPECT_EQ(listed[1].info.id, bad.id());
    EXPECT_NE(listed[1].problem.find("is damaged"), std::string::npos);
    EXPECT_EQ(listed[2].info.name, "good");
    EXPECT_EQ(listed[2].problem, "");
    EXPECT_EQ(list(temporary.path() / "absent")->size(), 0U);
    EXPECT_EQ(found(""), base_name(bad));
}

TEST_F(Locate, KnowsARunByItsStartWhenItsFolderWasRenamed) {
    const Folder renamed = add("", "2026-11-24T00:03:19Z");
    const Folder later = add("", "2026-11-24T00:03:20Z");
    const Folder earlier = add("", "2026-11-24T00:03:18Z");
    std::filesystem::rename(renamed.path, base / "runs" / "kept");
    const std::vector<Listed> listed = list(base).value();
    ASSERT_EQ(listed.size(), 3U);
    EXPECT_EQ(listed[0].folder.path, later.path);
    EXPECT_EQ(base_name(listed[1].folder), "kept");
    EXPECT_EQ(listed[2].folder.path, earlier.path);
    EXPECT_EQ(found(renamed.id()), "kept");
    EXPECT_EQ(found("kept"), "kept");
}

TEST_F(Locate, GivesEveryOfSeveralWritersItsOwnFolder) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([&] { EXPECT_TRUE(create(base, "2026-11-24T00:03:19Z")); });
    for (std::thread& thread : threads) thread.join();
    const std::vector<std::string> names = names_in(base / "runs");
    const auto folders = std::ranges::count_if(names, [](const std::string& name) { return name.front() != '.'; });
    EXPECT_EQ(folders, 8);  // beside a .gitignore, where one of them found home just made by another
    EXPECT_EQ(content_of(base / ".gitignore"), "*\n");
}

}  // namespace
}  // namespace headrace::run
