#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "audit/made_up.h"
#include "headrace/audit.h"

namespace headrace {
namespace {

using namespace made_up;

bool says(const Audit& audit, const std::string& part) {
    return std::any_of(audit.limits.begin(), audit.limits.end(),
                       [&](const std::string& limit) { return limit.find(part) != std::string::npos; });
}

// What all processes had written up to a moment.
OutsidePoint written(double when, double mebibytes) {
    OutsidePoint point;
    point.when = ms(when);
    point.written_bytes = static_cast<std::int64_t>(mebibytes * 1024 * 1024);
    return point;
}

constexpr const char* handed_over_unseen = "Another thread takes the batches";
constexpr const char* own_records = "headrace's own records";

// By an asyncio loop or a Condition; with a queue the wait is known.
TEST(Limits, SayThatBatchesWereHandedOverUnseen) {
    constexpr std::uint64_t queue = 7;
    for (const bool seen : {false, true}) {
        Thread loop(program_pid);
        loop.moment(Kind::interpreter, 0);
        for (double at = 10; at < 60; at += 20) {
            if (seen) loop.interval(Kind::handover, at, at + 10, queue);
            loop.interval(Kind::forward, at + 11, at + 13)
                .interval(Kind::backward, at + 13, at + 18)
                .interval(Kind::optimizer, at + 18, at + 19, 5);
        }
        Thread ahead(program_pid, false);
        ahead.interval(Kind::iter, 8, 9, train_loader, train_iterator);
        for (double at = 9; at < 60; at += 20) ahead.interval(Kind::wait, at, at + 9, train_iterator);
        EXPECT_EQ(says(analyze(run_of({loop, ahead}, 69)), handed_over_unseen), !seen);
    }
}

TEST(Limits, SayThatTheRecordsAreAmongWhatWasWritten) {
    Thread t(program_pid);
    t.moment(Kind::interpreter, 0);
    for (int i = 0; i < 40000; ++i) t.interval(Kind::logging, 1 + i * 1e-3, 1 + (i + 0.5) * 1e-3);
    headrace::Run run = run_of({t}, 100);  // 1.2 MiB of records
    run.outside = {written(0, 0), written(100, 2)};
    EXPECT_TRUE(says(analyze(run), "Of the 2.0 MiB written, 1.2 MiB are headrace's own records."));
    run.outside.back() = written(100, 500);  // they do not matter
    EXPECT_FALSE(says(analyze(run), own_records));
    run.outside.back() = written(100, 0.1);  // they went into memory
    EXPECT_FALSE(says(analyze(run), own_records));
    run.outside.clear();
    EXPECT_FALSE(says(analyze(run), own_records));
}

TEST(Limits, BlameNoPythonWhereTheRecordingCouldNotBeRead) {
    headrace::Run run = run_of({}, 100);
    EXPECT_TRUE(says(analyze(run), "No Python of the program was seen"));
    run.info.limits = {"The recording could not be read: it is gone."};
    const Audit audit = analyze(run);
    EXPECT_EQ(audit.limits, run.info.limits);
}

}  // namespace
}  // namespace headrace
