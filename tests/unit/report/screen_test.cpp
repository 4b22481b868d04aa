#include "report/screen.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/text.h"

namespace headrace::report {
namespace {

int sum(const std::vector<int>& tenths) { return std::accumulate(tenths.begin(), tenths.end(), 0); }

TEST(TenthsOfPercent, AddUpWhereRoundingEachWouldNot) {
    EXPECT_EQ(tenths_of_percent({1, 1, 1}), (std::vector<int>{334, 333, 333}));
    EXPECT_EQ(tenths_of_percent({2, 1}), (std::vector<int>{667, 333}));
    EXPECT_EQ(sum(tenths_of_percent({0.0005, 0.0005, 0.0005, 99.9985})), 1000);
    EXPECT_EQ(sum(tenths_of_percent(std::vector<double>(18, 1.0 / 18))), 1000);
}

TEST(TenthsOfPercent, IsZeroForNothingAndForWhatIsNoPart) {
    EXPECT_EQ(tenths_of_percent({}), std::vector<int>{});
    EXPECT_EQ(tenths_of_percent({0, 0}), (std::vector<int>{0, 0}));
    const double nothing = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(tenths_of_percent({nothing, -3, 5}), (std::vector<int>{0, 0, 1000}));
}

TEST(TenthsOfPercent, IsShownWithItsUnit) {
    EXPECT_EQ(format_tenths(1000), "100.0 %");
    EXPECT_EQ(format_tenths(7), "0.7 %");
}

TEST(Bar, IsExactToAnEighthAndNeverInvisible) {
    EXPECT_EQ(bar(0.5, 4), "██");
    EXPECT_EQ(bar(0.125, 4), "▌");
    EXPECT_EQ(bar(1e-9, 10), "▏");
    EXPECT_EQ(bar(7, 3), "███");
    EXPECT_EQ(bar(0, 10), "");
    EXPECT_EQ(bar(std::nan(""), 10), "");
    EXPECT_EQ(bar(1, 0), "");
}

TEST(Wrap, BreaksAtSpacesAndCutsWhatHasNone) {
    EXPECT_EQ(wrap("one two three", 8), (Lines{"one two", "three"}));
    EXPECT_EQ(wrap("  one   two ", 80), (Lines{"one two"}));
    EXPECT_EQ(wrap("a 123456789 b", 5), (Lines{"a", "1234…", "b"}));
    EXPECT_EQ(wrap("漢字 漢字", 6), (Lines{"漢字", "漢字"}));
    EXPECT_TRUE(wrap("", 10).empty());
}

TEST(ToAscii, KeepsTheColumns) {
    const std::string text = "██▌▏ 12 µs · …/漢字/é ── ✓ ✗";
    const std::string ascii = to_ascii(text);
    EXPECT_EQ(ascii, "###. 12 us - */\?\?\?\?/\? -- + x");
    EXPECT_EQ(base::display_width(ascii), base::display_width(text));
    EXPECT_EQ(to_ascii("\xff"), "?");
}

TEST(Frame, PaintsOnlyWhereThereAreColours) {
    EXPECT_EQ(Frame({true, 80}).paint(Ink::red, "x"), "\x1b[31mx\x1b[0m");
    EXPECT_EQ(Frame({true, 80}).paint(Ink::plain, "x"), "x");
    EXPECT_EQ(Frame({false, 80}).paint(Ink::red, "x"), "x");
    EXPECT_EQ(Frame({false, -5}).columns(), 40U);
}

}  // namespace
}  // namespace headrace::report
