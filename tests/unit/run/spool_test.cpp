#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "run/equal.h"
#include "run/fixture.h"
#include "run/spool_builder.h"
#include "run/spool_file.h"
#include "run/spool_reader.h"

namespace headrace::run {
namespace {

using spool::Kind;
using spool::TextKind;

struct ReadSpool {
    std::vector<ThreadRecord> threads;  // with their spans
    std::vector<std::string> problems;
};

std::vector<Span> spans_of(const Spool& spool, std::size_t thread) {
    std::vector<Span> spans;
    const std::unique_ptr<SpanReader> reader = spool.open(thread);
    for (Span span; reader->next(span);) spans.push_back(span);
    return spans;
}

struct SpoolFolder : testing::Test {
    TemporaryFolder temporary;
    std::filesystem::path file = temporary.path() / "100-100-0.spool";

    ReadSpool read_all() const {
        Result<Spool> spool = open_spool(temporary.path());
        EXPECT_TRUE(spool) << spool.error().message;
        if (!spool) return {};
        for (std::size_t i = 0; i < spool->threads.size(); ++i) spool->threads[i].spans = spans_of(*spool, i);
        return {std::move(spool->threads), std::move(spool->problems)};
    }
    ReadSpool read_content(const std::string& content) const {
        put(file, content);
        return read_all();
    }
    // The only thread of a file without problems.
    ThreadRecord thread_of(const SpoolBuilder& builder, std::size_t reserved = 64) const {
        const ReadSpool spool = read_content(builder.content(reserved));
        EXPECT_TRUE(spool.problems.empty()) << spool.problems[0];
        EXPECT_EQ(spool.threads.size(), 1U);
        return spool.threads.empty() ? ThreadRecord{} : spool.threads[0];
    }
};

Span span_of(Kind kind, Nanoseconds start, Nanoseconds duration, std::uint64_t a, std::uint64_t b,
             const std::string& text = "") {
    return {static_cast<std::uint8_t>(kind), start, duration, a, b, false, text};
}

TEST_F(SpoolFolder, GivesTheHeaderAndTheRecordsInOrder) {
    SpoolBuilder builder;
    builder.header.rank = 3;
    builder.header.local_rank = 1;
    builder.header.full = 1;
    builder.header.full_error = 27;
    builder.header.dropped = 11;
    builder.header.hooks = 12;
    builder.header.self_ns = 13;
    builder.header.disabled = 14;
    builder.header.call_ns = 15;
    builder.record(Kind::wait, 3000, 5, 1, spool::wait_ended).record(Kind::put, 4000, 0, 0, 7);
    const ThreadRecord thread = thread_of(builder);
    EXPECT_EQ(thread.pid, 100U);
    EXPECT_EQ(thread.tid, 100U);
    EXPECT_EQ(thread.parent_pid, 99U);
    EXPECT_TRUE(thread.main_thread);
    EXPECT_EQ(thread.opened, 1000);
    EXPECT_EQ(thread.process_start, 900);
    EXPECT_EQ(thread.rank, 2);
    EXPECT_EQ(thread.local_rank, 0);
    EXPECT_TRUE(thread.full);
    EXPECT_EQ(thread.full_error, 27U);
    EXPECT_EQ(thread.dropped, 11U);
    EXPECT_EQ(thread.hooks, 12U);
    EXPECT_EQ(thread.self, 13);
    EXPECT_EQ(thread.disabled, 14U);
    EXPECT_EQ(thread.call_cost, 15);
    const std::vector<Span> expected{span_of(Kind::wait, 3000, 5, 1, spool::wait_ended),
                                     span_of(Kind::put, 4000, 0, 0, 7)};
    EXPECT_TRUE(thread.spans == expected);
}

TEST_F(SpoolFolder, ReadsAFileThatIsFullToItsLastByte) {
    EXPECT_EQ(thread_of(SpoolBuilder().record(Kind::put, 1).record(Kind::put, 2), 0).spans.size(), 2U);
}

TEST_F(SpoolFolder, TextIsASpanOfItsOwn) {
    for (const std::size_t length : {0U, 1U, 31U, 32U, 33U, 64U, 5000U}) {
        const std::string text(length, 'x');
        SpoolBuilder builder;
        builder.record(Kind::import, 3000, 5).text(TextKind::import_name, text, 3005).record(Kind::put, 4000);
        const std::vector<Span> spans = thread_of(builder).spans;
        ASSERT_EQ(spans.size(), 3U) << length;
        EXPECT_TRUE(spans[1] == span_of(Kind::text, 3005, 0, length, 2, text));
        EXPECT_EQ(spans[0].text, "");
        EXPECT_EQ(spans[2].start, 4000);
    }
}

TEST_F(SpoolFolder, LeavesOutATextThatIsNotWrittenToItsEnd) {
    SpoolBuilder builder;
    builder.record(Kind::put, 1).text(TextKind::program, std::string(100, 'x'));
    builder.records.replace(builder.records.size() - 40, 40, 40, '\0');
    EXPECT_EQ(thread_of(builder).spans.size(), 1U);
    EXPECT_EQ(thread_of(SpoolBuilder().record(Kind::text, 1, 0, 100, 1), 0).spans.size(), 0U);
}

TEST_F(SpoolFolder, StopsAtATextThatCannotBeSoLong) {
    SpoolBuilder builder;
    builder.record(Kind::put, 1).record(Kind::text, 2, 0, text_bytes_max + 1, 1).record(Kind::put, 3);
    const ReadSpool spool = read_content(builder.content());
    ASSERT_EQ(spool.problems.size(), 1U);
    EXPECT_NE(spool.problems[0].find("Spool file 100-100-0.spool: its text at byte 4128 claims 16777217"),
              std::string::npos);
    EXPECT_EQ(spool.threads.at(0).spans.size(), 1U);
}

TEST_F(SpoolFolder, OpenIntervalsComeLastOutermostFirst) {
    SpoolBuilder builder;
    builder.record(Kind::put, 1500).record(Kind::forward, 1800, 20);
    builder.open(Kind::wait, 1600).open(Kind::fetch, 1700).open(Kind::forward, 1800).open(Kind::none, 5);
    builder.header.waits_on = 77;
    const std::vector<Span> spans = thread_of(builder).spans;
    // The forward has ended meanwhile, and kind 0 is none.
    ASSERT_EQ(spans.size(), 4U);
    for (const std::size_t i : {2U, 3U}) {
        EXPECT_TRUE(spans[i].open);
        EXPECT_EQ(spans[i].duration, 0);
    }
    EXPECT_EQ(spans[2].start, 1600);
    EXPECT_EQ(spans[2].a, 77U);
    EXPECT_EQ(spans[3].start, 1700);
    EXPECT_EQ(spans[3].a, 0U);
}

TEST_F(SpoolFolder, ADepthBeyondTheListCountsOnlyWhatIsListed) {
    SpoolBuilder builder;
    for (std::size_t i = 0; i < spool::open_depth; ++i) builder.open(Kind::import, 2000 + i);
    builder.header.depth = 1000;
    EXPECT_EQ(thread_of(builder).spans.size(), spool::open_depth);
}

TEST_F(SpoolFolder, AFileCanServeSeveralThreads) {
    SpoolBuilder builder;
    builder.header.tid = 101;
    builder.header.main_thread = 0;
    builder.header.rank = 1;
    builder.header.hooks = 9;
    builder.header.full = 1;
    builder.record(Kind::put, 1).text(TextKind::thread, "102", 5000).record(Kind::put, 2).record(Kind::put, 3);
    builder.text(TextKind::thread, "103", 6000).open(Kind::wait, 7000);
    const ReadSpool spool = read_content(builder.content(32));
    EXPECT_TRUE(spool.problems.empty());
    ASSERT_EQ(spool.threads.size(), 3U);
    const ThreadRecord& first = spool.threads[0];
    const ThreadRecord& second = spool.threads[1];
    const ThreadRecord& third = spool.threads[2];
    EXPECT_EQ(first.tid, 101U);
    EXPECT_EQ(first.spans.size(), 1U);
    EXPECT_EQ(first.hooks, 9U);
    EXPECT_EQ(second.tid, 102U);
    EXPECT_EQ(second.pid, 100U);
    EXPECT_EQ(second.opened, 5000);
    EXPECT_EQ(second.rank, 0);
    EXPECT_EQ(second.spans.size(), 2U);
    EXPECT_EQ(second.hooks, 0U);
    EXPECT_FALSE(second.main_thread);
    EXPECT_FALSE(second.full);
    EXPECT_EQ(third.tid, 103U);
    ASSERT_EQ(third.spans.size(), 1U);
    EXPECT_TRUE(third.spans[0].open);
    EXPECT_TRUE(third.full);
}

TEST_F(SpoolFolder, AThreadRecordWithoutANumberDividesNothing) {
    const ReadSpool spool = read_content(SpoolBuilder().text(TextKind::thread, "12x").record(Kind::put, 1).content());
    EXPECT_EQ(spool.problems.size(), 1U);
    ASSERT_EQ(spool.threads.size(), 1U);
    EXPECT_EQ(spool.threads[0].spans.size(), 2U);
}

TEST_F(SpoolFolder, SkipsAndCountsWhatItDoesNotKnow) {
    SpoolBuilder builder;
    builder.record(Kind::put, 1).record(static_cast<Kind>(200), 2).record(Kind::put, ~std::uint64_t{0});
    builder.record(Kind::put, 4);
    const ReadSpool spool = read_content(builder.content());
    ASSERT_EQ(spool.problems.size(), 1U);
    EXPECT_NE(spool.problems[0].find(": 2 records of unknown kind or impossible time, the first at byte 4128"),
              std::string::npos)
        << spool.problems[0];
    EXPECT_EQ(spool.threads.at(0).spans.size(), 2U);
}

TEST_F(SpoolFolder, StopsAtTheFirstRecordThatIsNotComplete) {
    SpoolBuilder builder;
    builder.record(Kind::put, 1);
    builder.records.append(spool::record_bytes, '\0');
    builder.record(Kind::put, 3);
    EXPECT_EQ(thread_of(builder).spans.size(), 1U);
}

TEST_F(SpoolFolder, NamesEveryFileThatIsNoSpool) {
    SpoolBuilder newer;
    newer.header.version = 2;
    put(temporary.path() / "1-1-0.spool", newer.content());
    put(temporary.path() / "2-2-0.spool", "");
    put(temporary.path() / "3-3-0.spool", std::string(8192, '\0'));
    put(temporary.path() / "4-4-0.spool", "garbage" + std::string(8192, 'x'));
    put(temporary.path() / "5-5.spool", SpoolBuilder().content());
    put(temporary.path() / "notes.txt", "");
    put(temporary.path() / "control", "anything");
    std::filesystem::create_directory(temporary.path() / "6-6-0.spool");
    ASSERT_EQ(::mkfifo((temporary.path() / "7-7-0.spool").c_str(), 0600), 0);
    std::filesystem::create_symlink("nowhere", temporary.path() / "8-8-0.spool");
    const ReadSpool spool = read_content(SpoolBuilder().record(Kind::put, 1).content());
    EXPECT_EQ(spool.threads.size(), 1U);
    ASSERT_EQ(spool.problems.size(), 9U);
    const char* const words[] = {"by its name",   "by its name",  "version 2",    "no whole header", "no whole header",
                                 "no spool file", "regular file", "regular file", "opened"};
    for (std::size_t i = 0; i < 9; ++i)
        EXPECT_NE(spool.problems[i].find(words[i]), std::string::npos) << spool.problems[i];
}

TEST_F(SpoolFolder, SaysThatAFolderIsNotThere) {
    const Result<Spool> spool = open_spool(temporary.path() / "absent");
    ASSERT_FALSE(spool);
    EXPECT_EQ(spool.error().code, ErrorCode::not_found);
}

TEST_F(SpoolFolder, OrdersFilesByProcessAndNumber) {
    for (const unsigned number : {10U, 9U}) {
        SpoolBuilder builder;
        builder.header.tid = 100 + number;
        builder.header.opened = number;
        put(temporary.path() / ("100-100-" + std::to_string(number) + ".spool"), builder.content());
    }
    SpoolBuilder earlier;
    earlier.header.pid = 200;
    earlier.header.process_start = 1;
    put(temporary.path() / "200-200-0.spool", earlier.content());
    const std::vector<ThreadRecord> threads = read_all().threads;
    ASSERT_EQ(threads.size(), 3U);
    EXPECT_EQ(threads[0].pid, 200U);
    EXPECT_EQ(threads[1].tid, 109U);
    EXPECT_EQ(threads[2].tid, 110U);
}

TEST_F(SpoolFolder, ATruncatedFileGivesItsWholeRecords) {
    SpoolBuilder builder;
    builder.record(Kind::put, 1).text(TextKind::framework, "torch 2.13.0 and some more, over one slot");
    builder.record(Kind::wait, 3, 4, 5, 6).text(TextKind::thread, "777").record(Kind::put, 9);
    const std::string whole = builder.content();
    const std::vector<ThreadRecord> all = read_content(whole).threads;
    ASSERT_EQ(all.size(), 2U);
    std::vector<Span> expected = all[0].spans;
    expected.insert(expected.end(), all[1].spans.begin(), all[1].spans.end());
    for (std::size_t size = 0; size < whole.size(); size += size + 1 < spool::header_bytes ? 15 : 1) {
        const ReadSpool cut = read_content(whole.substr(0, size));
        if (size < sizeof(spool::Header)) {
            EXPECT_EQ(cut.problems.size(), 1U) << size;
            EXPECT_TRUE(cut.threads.empty());
            continue;
        }
        std::vector<Span> spans;
        for (const ThreadRecord& thread : cut.threads)
            spans.insert(spans.end(), thread.spans.begin(), thread.spans.end());
        ASSERT_LE(spans.size(), expected.size());
        EXPECT_TRUE(std::equal(spans.begin(), spans.end(), expected.begin())) << size;
        EXPECT_TRUE(cut.problems.empty());
    }
}

TEST_F(SpoolFolder, SurvivesAnyContent) {
    const bool held = rc::check("garbage behind and in the header", [&] {
        SpoolBuilder builder;
        builder.records = *rc::gen::arbitrary<std::string>();
        for (int i = *rc::gen::inRange(0, 8); i > 0; --i) {
            builder.record(static_cast<Kind>(*rc::gen::arbitrary<std::uint8_t>()), *rc::gen::arbitrary<std::uint64_t>(),
                           *rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>(),
                           *rc::gen::arbitrary<std::uint64_t>());
        }
        std::string content = builder.content();
        for (int i = *rc::gen::inRange(0, 20); i > 0; --i)
            content[8 + *rc::gen::inRange<std::size_t>(0, 400)] = *rc::gen::arbitrary<char>();
        for (const ThreadRecord& thread : read_content(content).threads) {
            for (const Span& span : thread.spans)
                RC_ASSERT(span.start >= 0 && span.start <= time_max && span.duration >= 0);
        }
    });
    EXPECT_TRUE(held);
}

// ---- a writer at work

class Mapping {
public:
    Mapping(const std::filesystem::path& path, std::size_t size) : size_(size) {
        put(path, std::string(size, '\0'));
        const int fd = ::open(path.c_str(), O_RDWR);
        at_ = static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        ::close(fd);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { ::munmap(at_, size_); }
    char* at() const { return at_; }

private:
    char* at_ = nullptr;
    std::size_t size_;
};

TEST_F(SpoolFolder, NeverShowsARecordThatIsHalfWritten) {
    constexpr std::uint64_t records = 40'000;
    const Mapping mapping(file, spool::header_bytes + records * spool::record_bytes + 4096);
    std::memcpy(mapping.at(), SpoolBuilder().content().data(), spool::header_bytes);
    auto* const slots = reinterpret_cast<spool::Record*>(mapping.at() + spool::header_bytes);
    std::atomic<bool> begun{false};
    std::thread writer([&] {
        for (std::uint64_t i = 0; i < records; ++i) {
            slots[i].start = i + 1;
            slots[i].a = (i + 1) * 3;
            slots[i].b = ~i;
            __atomic_store_n(&slots[i].duration_kind, (i + 1) << 8 | 14, __ATOMIC_RELEASE);
            begun = true;
            if (i % 64 == 0) std::this_thread::yield();
        }
    });
    while (!begun) std::this_thread::yield();
    std::size_t before = 0;
    while (before < records) {
        const std::vector<Span> spans = read_all().threads.at(0).spans;
        ASSERT_GE(spans.size(), before);
        for (std::uint64_t i = 0; i < spans.size(); ++i) {
            const auto number = static_cast<Nanoseconds>(i + 1);
            ASSERT_TRUE(spans[i] == span_of(Kind::put, number, number, (i + 1) * 3, ~i)) << i;
        }
        before = spans.size();
    }
    writer.join();
}

TEST_F(SpoolFolder, AFileThatIsCutWhileItIsReadEndsNothing) {
    SpoolBuilder builder;
    for (std::uint64_t i = 1; i < 5000; ++i) builder.record(Kind::put, i);
    const std::string whole = builder.content();
    put(file, whole);
    std::atomic<bool> done{false};
    std::thread cutter([&] {
        for (int i = 0; i < 200; ++i) {
            ASSERT_EQ(::truncate(file.c_str(), 5000), 0);
            ASSERT_EQ(::truncate(file.c_str(), static_cast<off_t>(whole.size())), 0);
        }
        done = true;
    });
    while (!done) EXPECT_LE(read_all().threads.at(0).spans.size(), 5000U);
    cutter.join();
}

TEST_F(SpoolFolder, ARunWhoseSpoolIsLostWhileItIsReadIsNotWritten) {
    for (const bool removed : {false, true}) {
        put(file, SpoolBuilder().record(Kind::put, 1).record(Kind::put, 2).content());
        const Result<Spool> taken = open_spool(temporary.path());
        ASSERT_TRUE(taken);
        EXPECT_TRUE(taken->whole);
        auto run = sample_run();
        run.threads = taken->threads;
        const TemporaryFolder other;
        const Folder folder{other.path()};
        EXPECT_TRUE(write(folder, run, {}, *taken, nullptr));
        EXPECT_FALSE(taken->failure());
        std::filesystem::remove(folder.database());
        if (removed)
            std::filesystem::remove(file);
        else
            std::filesystem::resize_file(file, spool::header_bytes + spool::record_bytes);
        const Result<void> written = write(folder, run, {}, *taken, nullptr);
        ASSERT_FALSE(written);
        EXPECT_NE(written.error().message.find("a file of the spool could not be read to its end"), std::string::npos);
        EXPECT_TRUE(taken->failure());
        EXPECT_TRUE(names_in(folder.path).empty());
    }
}

}  // namespace
}  // namespace headrace::run
