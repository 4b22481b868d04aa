#include "audit/loader_config.h"

#include <gtest/gtest.h>

namespace headrace::audit {
namespace {

TEST(LoaderConfig, IsReadFromTheRecordersText) {
    const Loader loader = loader_of(
        R"({"batch_size":4,"workers":2,"prefetch_factor":3,"persistent":true,"method":"fork","in_order":true,)"
        R"("made":{"file":"a \"b\"\\c/\u00e9.py","line":12,"sampler":"RandomSampler"}})",
        true);
    EXPECT_EQ(loader.batch_size, 4U);
    EXPECT_EQ(loader.workers, 2U);
    EXPECT_EQ(loader.prefetch_factor, 3U);
    EXPECT_TRUE(loader.persistent);
    EXPECT_EQ(loader.method, "fork");
    EXPECT_TRUE(loader.training);
    ASSERT_TRUE(loader.made);
    EXPECT_EQ(loader.made->file, "a \"b\"\\c/\u00e9.py");
    EXPECT_EQ(loader.made->line, 12U);
    EXPECT_EQ(loader.made->sampler, "RandomSampler");
    EXPECT_FALSE(loader.made->library);
}

TEST(LoaderConfig, OfEarlierRunsOrDamagedIsUnknown) {
    for (const char* text : {"", "[]", "{", R"({"workers":-1,"batch_size":"x","made":null})",
                             R"({"made":{"file":"x","line":"12","sampler":"S"}})"}) {
        const Loader loader = loader_of(text, false);
        EXPECT_EQ(loader.workers, 0U) << text;
        EXPECT_FALSE(loader.batch_size) << text;
        EXPECT_FALSE(loader.made) << text;
        EXPECT_TRUE(in_order(text)) << text;
    }
    EXPECT_FALSE(in_order(R"({"in_order":false})"));
}

TEST(LoaderConfig, KnowsWhatLiesInAPackage) {
    const Loader loader = loader_of(
        R"({"made":{"file":"/x/lib/python3.11/site-packages/transformers/trainer.py","line":1,"sampler":"S"}})", true);
    ASSERT_TRUE(loader.made);
    EXPECT_TRUE(loader.made->library);
}

TEST(LoaderConfig, GivesTheSerialApart) {
    std::string config = R"({"workers":1,"made":null,"serial":12})";
    EXPECT_EQ(take_serial(config), 12U);
    EXPECT_EQ(config, R"({"workers":1,"made":null})");
    for (const char* text : {"", "{}", R"({"serial":3})", R"({"a":1,"serial":x})", R"({"a":1,"serial":3)"}) {
        std::string without = text;
        EXPECT_EQ(take_serial(without), 0U);
        EXPECT_EQ(without, text);
    }
}

}  // namespace
}  // namespace headrace::audit
