#include "trial/cache_counts.h"

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>

namespace headrace::trial {
namespace {

std::string file_of(std::initializer_list<std::initializer_list<std::uint64_t>> processes) {
    std::string bytes(std::size_t{64} * 1024, '\0');
    const auto put = [&](std::size_t at, std::uint64_t value) { std::memcpy(bytes.data() + at, &value, sizeof value); };
    put(0, processes.size());
    std::size_t slot = 1;
    for (const auto& process : processes) {
        std::size_t at = 64 * slot++;
        for (const std::uint64_t value : process) {
            put(at, value);
            at += 8;
        }
    }
    return bytes;
}

TEST(CacheCounts, AreSummedOverProcesses) {
    const auto counts = parse_cache_counts(file_of({{10, 4, 3, 1, 4096, 0}, {20, 6, 5, 0, 8192, 1}}));
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->hits, 30U);
    EXPECT_EQ(counts->misses, 10U);
    EXPECT_EQ(counts->kept, 8U);
    EXPECT_EQ(counts->refused, 1U);
    EXPECT_EQ(counts->bytes, 12288U);
    EXPECT_EQ(counts->full, 1U);
    EXPECT_EQ(why_not_in_place(counts), "");
}

TEST(CacheCounts, AreNoneInAnythingElse) {
    EXPECT_FALSE(parse_cache_counts(""));
    EXPECT_FALSE(parse_cache_counts(std::string(65536, '\0')));
    EXPECT_FALSE(parse_cache_counts(file_of({{1, 1, 1, 1, 1, 1}}).substr(1)));
    EXPECT_FALSE(parse_cache_counts(std::string(65536, '\xff')));
}

TEST(CacheCounts, SayWhyNothingWasServed) {
    const auto why = [](const CacheCounts& counts) { return why_not_in_place(counts); };
    EXPECT_NE(why_not_in_place(std::nullopt).find("did not reach"), std::string::npos);
    EXPECT_NE(why({0, 12, 0, 12, 0, 0}).find("none of 12 samples"), std::string::npos);
    EXPECT_NE(why({0, 12, 0, 0, 0, 12}).find("no room"), std::string::npos);
    EXPECT_NE(why({0, 12, 12, 0, 9000, 0}).find("new dataset"), std::string::npos);
}

}  // namespace
}  // namespace headrace::trial
