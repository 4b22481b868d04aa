#include <gtest/gtest.h>

#include "input/collation.h"
#include "input/first_start.h"
#include "input/pinning.h"
#include "input/reading.h"

namespace headrace::input {
namespace {

// 200 steps without workers, of batches of 10 samples that wait 30 ms and compute 20 ms; 10 ms of computing each.
replay::Loop slow_loop() {
    replay::Loop loop;
    loop.batches.assign(200, {.blocked = 0.03, .cpu = 0.02});
    loop.steps.assign(200, {.cpu = 0.01});
    loop.cores = replay::Cores::alike(2);
    return loop;
}

constexpr double loop_seconds = 12;
constexpr SampleCosts waiting{.wall = 5e-3, .cpu = 2e-3, .blocked = 3e-3, .bytes = 20e3};

SampleFiles small_files() {
    SampleFiles files;
    files.files_per_sample = 1;
    files.bytes_per_file = 20e3;
    files.files = 100;
    files.cached = {20e-6, 1e5, 2e9};
    files.uncached = ReadSpeed{3e-3, 2000, 200e6};
    return files;
}

TEST(SmallFiles, AreFoundWhereSamplesWaitForThem) {
    const replay::Loop loop = slow_loop();
    const SampleFiles files = small_files();
    const auto finding = advise_small_files({loop, loop_seconds}, waiting, &files);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "input.small_files");
    // 3 ms of waiting become 0.1 ms at 200 MB/s: steps of 60 ms become 31 ms.
    EXPECT_NEAR(finding->gain->ratio.predicted, 60.0 / 31, 0.01);
    EXPECT_LT(finding->gain->ratio.low, finding->gain->ratio.predicted);
    EXPECT_NE(finding->evidence.find("at 200 MB/s as measured"), std::string::npos) << finding->evidence;
    EXPECT_FALSE(can_be_tried(*finding));
    const auto unmeasured = advise_small_files({loop, loop_seconds}, waiting, nullptr);
    ASSERT_TRUE(unmeasured);
    EXPECT_NEAR(unmeasured->gain->ratio.predicted, 60.0 / 32, 0.01);
}

TEST(SmallFiles, AreNotFoundElsewhere) {
    const replay::Loop loop = slow_loop();
    SampleFiles files = small_files();
    SampleCosts costs = waiting;
    costs.blocked = 0.1e-3;
    EXPECT_FALSE(advise_small_files({loop, loop_seconds}, costs, &files)) << "samples do not wait";
    costs = waiting;
    costs.bytes = 0;
    EXPECT_FALSE(advise_small_files({loop, loop_seconds}, costs, nullptr)) << "it waits for something else";
    files.bytes_per_file = 4e6;
    EXPECT_FALSE(advise_small_files({loop, loop_seconds}, waiting, &files)) << "large files";
    files = small_files();
    files.files_per_sample = 0.01;
    EXPECT_FALSE(advise_small_files({loop, loop_seconds}, waiting, &files)) << "shards already";
    replay::Loop bound = slow_loop();
    bound.configuration.workers = 8;
    bound.steps.assign(200, {.blocked = 0.2});
    EXPECT_FALSE(advise_small_files({bound, 40}, waiting, &files)) << "the step takes longer than its input";
}

constexpr Decoding photos{500, 375, 64, 64, 1.2e-3, 0.4e-3};

TEST(DecodeSize, IsFoundWherePicturesAreMuchTooLarge) {
    const replay::Loop loop = slow_loop();
    const auto finding = advise_decode_size({loop, loop_seconds}, waiting, photos, 10);
    ASSERT_TRUE(finding);
    EXPECT_NEAR(finding->gain->ratio.predicted, 60.0 / 52, 0.01);
    EXPECT_EQ(finding->changes, Changes::numerics);
    EXPECT_NE(finding->remedy.find("image.draft(\"RGB\", (128, 128))"), std::string::npos);
}

TEST(DecodeSize, IsNotFoundElsewhere) {
    const replay::Loop loop = slow_loop();
    const auto advise = [&](Decoding decoding, double batch) {
        return advise_decode_size({loop, loop_seconds}, waiting, decoding, batch).has_value();
    };
    Decoding decoding = photos;
    decoding.needed_width = decoding.needed_height = 224;
    EXPECT_FALSE(advise(decoding, 10)) << "hardly larger than needed";
    decoding = photos;
    decoding.scaled_seconds = 1.1e-3;
    EXPECT_FALSE(advise(decoding, 10)) << "no quicker in a smaller scale";
    decoding = photos;
    decoding.whole_seconds = 0.1e-3;
    decoding.scaled_seconds = 0.05e-3;
    EXPECT_FALSE(advise(decoding, 10)) << "a small part of a sample";
    EXPECT_FALSE(advise(photos, 0));
}

TEST(Collation, IsFoundWhereItTakesAFifthOfTheFetch) {
    const replay::Loop loop = slow_loop();
    const auto finding = advise_collation({{loop, loop_seconds}, "train.pad", 0.01, 0.02});
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "input.collate");
    EXPECT_NEAR(finding->gain->ratio.predicted, 60.0 / 52, 0.01);
    EXPECT_NE(finding->evidence.find("train.pad takes 10.0 ms"), std::string::npos) << finding->evidence;
    EXPECT_FALSE(advise_collation({{loop, loop_seconds}, "train.pad", 0.003, 0.02}));
    EXPECT_FALSE(advise_collation({{loop, loop_seconds}, "train.pad", 0, 0}));
    replay::Loop bound = slow_loop();
    bound.steps.assign(200, {.cpu = 1});
    EXPECT_FALSE(advise_collation({{bound, 200}, "train.pad", 0.01, 0.02}));
}

TEST(FirstStart, IsFoundWhereWorkersAreNotForked) {
    const Pickled large{50'000'000, 1.0}, small{1000, 1e-4};
    const auto sent = advise_first_start({10, 100, 4, "spawn", &large});
    ASSERT_TRUE(sent);
    EXPECT_NEAR(sent->gain->seconds_per_run.predicted, 4.7, 1e-9);
    EXPECT_NE(sent->evidence.find("50.0 MB"), std::string::npos) << sent->evidence;
    const auto imports = advise_first_start({10, 100, 4, "spawn", &small});
    ASSERT_TRUE(imports);
    EXPECT_NE(imports->title, sent->title);
    EXPECT_TRUE(advise_first_start({10, 100, 4, "forkserver", nullptr}));
    EXPECT_FALSE(advise_first_start({10, 100, 4, "fork", nullptr}));
    EXPECT_FALSE(advise_first_start({0.3, 10, 4, "spawn", &large}));
    EXPECT_FALSE(advise_first_start({1, 100, 4, "spawn", &large}));
    EXPECT_FALSE(advise_first_start({0, 100, 0, "", nullptr}));
}

TEST(Pinning, IsFoundWhereCopiesTakeTime) {
    const auto finding = advise_pinning({5, 100, false});
    ASSERT_TRUE(finding);
    EXPECT_FALSE(finding->gain);
    EXPECT_NE(finding->evidence.find("5.0 s"), std::string::npos);
    EXPECT_FALSE(advise_pinning({5, 100, true}));
    EXPECT_FALSE(advise_pinning({1, 100, false}));
    EXPECT_FALSE(advise_pinning({0, 100, false}));
}

}  // namespace
}  // namespace headrace::input
