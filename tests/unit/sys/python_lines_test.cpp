#include "sys/python_lines.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "sys/python_layout.h"

namespace headrace::sys {
namespace {

std::string bytes_of(std::initializer_list<int> values) {
    std::string bytes;
    for (const int value : values) bytes.push_back(static_cast<char>(value));
    return bytes;
}

TEST(LineTable, DecodesPairsOf310) {
    // def f():              # line 10
    //     a()               # line 11: 4 units, one step
    //     (no line)         #          1 unit
    //     b()               # line 300: steps of 127, 127 and 35 with no unit for the first two
    const auto table =
        LineTable::decode(FrameStyle::frame_object, bytes_of({8, 1, 2, 0x80, 0, 127, 0, 127, 4, 35}), 10);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->units(), 7U);
    EXPECT_EQ(table->line_of(0), 11U);
    EXPECT_EQ(table->line_of(3), 11U);
    EXPECT_EQ(table->line_of(4), 11U) << "no line of its own: that of the instruction before";
    EXPECT_EQ(table->line_of(5), 300U);
    EXPECT_EQ(table->line_of(6), 300U);
    EXPECT_EQ(table->line_of(7), std::nullopt);
}

TEST(LineTable, DecodesStepsBackwards) {
    const auto table = LineTable::decode(FrameStyle::frame_object, bytes_of({2, 5, 2, 0xfd}), 1);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->line_of(0), 6U);
    EXPECT_EQ(table->line_of(1), 3U);
}

TEST(LineTable, DecodesEveryKindOfEntryOf311) {
    const auto entry = [](int kind, int units) { return 0x80 | (kind << 3) | (units - 1); };
    const auto table = LineTable::decode(FrameStyle::interpreter_frame,
                                         bytes_of({entry(15, 1),                       // no location
                                                   entry(0, 2), 0x12,                  // short form: same line
                                                   entry(11, 1), 4, 9,                 // one line further
                                                   entry(12, 8), 4, 9,                 // two lines further
                                                   entry(13, 1), 0x07,                 // no columns: three back
                                                   entry(14, 3), 0x48, 0x06, 2, 1, 4,  // long form: 196 further
                                                   entry(15, 1)}),
                                         100);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->units(), 17U);
    const std::vector<std::pair<std::uint32_t, std::uint32_t>> expected = {
        {0, 100}, {1, 100}, {2, 100}, {3, 101}, {4, 103}, {11, 103}, {12, 100}, {13, 296}, {15, 296}, {16, 296}};
    for (const auto& [unit, line] : expected) EXPECT_EQ(table->line_of(unit), line) << unit;
}

TEST(LineTable, RefusesWhatIsNoTable) {
    const auto refused = [](FrameStyle style, std::initializer_list<int> values) {
        return !LineTable::decode(style, bytes_of(values), 1);
    };
    EXPECT_TRUE(refused(FrameStyle::interpreter_frame, {}));
    EXPECT_TRUE(refused(FrameStyle::interpreter_frame, {0x12})) << "no first byte of an entry";
    EXPECT_TRUE(refused(FrameStyle::interpreter_frame, {0xd8, 4})) << "ends inside an entry";
    EXPECT_TRUE(refused(FrameStyle::interpreter_frame, {0xe8, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f}));
    EXPECT_TRUE(refused(FrameStyle::interpreter_frame, {0xe8, 0x09})) << "a line below zero";
    EXPECT_TRUE(refused(FrameStyle::frame_object, {}));
    EXPECT_TRUE(refused(FrameStyle::frame_object, {8}));
    EXPECT_TRUE(refused(FrameStyle::frame_object, {8, 0xf0})) << "a line below zero";
}

TEST(LineTable, SurvivesAnyBytes) {
    std::mt19937 random(1);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes(random() % 40, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random());
        for (const FrameStyle style : {FrameStyle::frame_object, FrameStyle::interpreter_frame}) {
            const auto table = LineTable::decode(style, bytes, static_cast<std::uint32_t>(random()));
            if (!table) continue;
            EXPECT_TRUE(table->line_of(table->units() - 1));
            EXPECT_FALSE(table->line_of(table->units()));
        }
    }
}

std::string debug_offsets(std::uint32_t version_hex) {
    std::string bytes(debug_offsets_bytes, '\0');
    bytes.replace(0, 8, "xdebugpy");
    std::memcpy(bytes.data() + 8, &version_hex, sizeof version_hex);
    return bytes;
}

TEST(DebugOffsets, AreTakenOnlyFromTheVeryVersion) {
    constexpr std::uint32_t version = 0x030d00f0;
    EXPECT_TRUE(layout_of_debug_offsets(version, debug_offsets(version)));
    EXPECT_FALSE(layout_of_debug_offsets(0x030d01f0, debug_offsets(version)));
    EXPECT_FALSE(layout_of_debug_offsets(0x030f00f0, debug_offsets(0x030f00f0))) << "an unknown version";
    EXPECT_FALSE(layout_of_debug_offsets(0x030c01f0, debug_offsets(0x030c01f0))) << "published from 3.13 on";
    EXPECT_FALSE(layout_of_debug_offsets(version, std::string(debug_offsets_bytes, '\0')));
    EXPECT_FALSE(layout_of_debug_offsets(version, debug_offsets(version).substr(1)));
    std::string free_threaded = debug_offsets(version);
    free_threaded[16] = 1;
    EXPECT_FALSE(layout_of_debug_offsets(version, free_threaded));
}

TEST(DebugOffsets, AreRefusedWhenTheyCannotBe) {
    constexpr std::uint32_t version = 0x030e00f0;
    std::string far = debug_offsets(version);
    far[26 * 8 + 2] = 1;
    EXPECT_FALSE(layout_of_debug_offsets(version, far)) << "an offset of 64 KiB";
    std::string odd = debug_offsets(version);
    odd[26 * 8] = 3;
    EXPECT_FALSE(layout_of_debug_offsets(version, odd)) << "a pointer at an odd place";
}

}  // namespace
}  // namespace headrace::sys
