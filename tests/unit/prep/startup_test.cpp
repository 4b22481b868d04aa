#include "prep/startup.h"

#include <gtest/gtest.h>

namespace headrace::prep {
namespace {

TEST(StartupAdvice, NeedsAnEarlierRunThatReadTheSame) {
    const StartupInputs inputs{3, 1, 2'000'000, "abc", 10};
    EXPECT_FALSE(advise_startup({inputs, 100, {}}));
    const auto finding = advise_startup({inputs, 100, {9, 12}});
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "prep.startup");
    EXPECT_EQ(finding->area, Area::prep);
    EXPECT_NEAR(finding->gain->seconds_per_run.predicted, 6.3, 1e-9);
    EXPECT_NE(finding->evidence.find("3 runs spent 9.0 s"), std::string::npos) << finding->evidence;
    EXPECT_FALSE(can_be_tried(*finding));
}

TEST(StartupAdvice, IsSilentAboutAShortOne) {
    const StartupInputs inputs{3, 1, 2'000'000, "abc", 2};
    EXPECT_TRUE(advise_startup({inputs, 60, {2}}));
    EXPECT_FALSE(advise_startup({inputs, 100, {2}}));
    EXPECT_FALSE(advise_startup({inputs, 60, {0.5}}));
}

}  // namespace
}  // namespace headrace::prep
