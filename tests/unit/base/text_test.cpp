#include "base/text.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>

#include "base/utf8.h"

namespace headrace::base {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Text, Seconds) {
    EXPECT_EQ(format_seconds(0), "0 s");
    EXPECT_EQ(format_seconds(1e-10), "0 s");
    EXPECT_EQ(format_seconds(850e-9), "850 ns");
    EXPECT_EQ(format_seconds(1.24e-6), "1.2 µs");
    EXPECT_EQ(format_seconds(12e-6), "12 µs");
    EXPECT_EQ(format_seconds(8.52e-3), "8.5 ms");
    EXPECT_EQ(format_seconds(0.85), "850 ms");
    EXPECT_EQ(format_seconds(12.34), "12.3 s");
    EXPECT_EQ(format_seconds(245), "4 min 05 s");
    EXPECT_EQ(format_seconds(3720), "1 h 02 min");
    EXPECT_EQ(format_seconds(76 * 3600), "3 d 04 h");
    EXPECT_EQ(format_seconds(-12.34), "-12.3 s");
    EXPECT_EQ(format_seconds(infinity), "unknown");
    EXPECT_EQ(format_seconds(std::numeric_limits<double>::quiet_NaN()), "unknown");
}

TEST(Text, SecondsRoundIntoTheNextUnit) {
    EXPECT_EQ(format_seconds(999.6e-9), "1.0 µs");
    EXPECT_EQ(format_seconds(999.6e-6), "1.0 ms");
    EXPECT_EQ(format_seconds(0.9996), "1.0 s");
    EXPECT_EQ(format_seconds(59.96), "1 min 00 s");
    EXPECT_EQ(format_seconds(119.7), "2 min 00 s");
    EXPECT_EQ(format_seconds(3599.7), "1 h 00 min");
    EXPECT_EQ(format_seconds(48 * 3600 - 1), "2 d 00 h");
}

TEST(Text, Bytes) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(1023), "1023 B");
    EXPECT_EQ(format_bytes(1024), "1.0 KiB");
    EXPECT_EQ(format_bytes(1.25 * 1024 * 1024 * 1024), "1.2 GiB");
    EXPECT_EQ(format_bytes(123.0 * 1024 * 1024), "123 MiB");
    EXPECT_EQ(format_bytes(1023.7 * 1024), "1.0 MiB");
    EXPECT_EQ(format_bytes(-2048), "-2.0 KiB");
    EXPECT_EQ(format_bytes(infinity), "unknown");
}

TEST(Text, CountsAndShares) {
    EXPECT_EQ(format_count(0), "0");
    EXPECT_EQ(format_count(999), "999");
    EXPECT_EQ(format_count(1000), "1,000");
    EXPECT_EQ(format_count(-1234567), "-1,234,567");
    EXPECT_EQ(format_count(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
    EXPECT_EQ(format_percent(0.1234), "12.3 %");
    EXPECT_EQ(format_percent(1, 0), "100 %");
    EXPECT_EQ(format_percent(infinity), "unknown");
}

TEST(Text, OnlyWellFormedUtf8IsValid) {
    for (const char* good : {"", "abc", "é", "漢字", "😀", "\xF4\x8F\xBF\xBF"}) EXPECT_TRUE(valid_utf8(good)) << good;
    for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                            "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3", "\xE2\x82", "\xC3x", "\xE2\x82x"})
        EXPECT_FALSE(valid_utf8(bad)) << printable(bad);
}

TEST(Text, PrintableShowsWhatATerminalWouldObey) {
    EXPECT_EQ(printable("plain é 漢 \\"), "plain é 漢 \\");
    EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
    EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
    EXPECT_EQ(printable(std::string_view("\0\x7f", 2)), "\\x00\\x7f");
    EXPECT_EQ(printable("\xC2\x9B"), "\\u009b");
    EXPECT_EQ(printable("\xE2\x80\xAE"), "\\u202e");
    EXPECT_EQ(printable("\xff"
                        "a\xC3"),
              "\\xffa\\xc3");
}

TEST(Text, Width) {
    EXPECT_EQ(display_width("abc"), 3U);
    EXPECT_EQ(display_width("é"), 1U);
    EXPECT_EQ(display_width("e\xCC\x81"), 1U);
    EXPECT_EQ(display_width("漢字"), 4U);
    EXPECT_EQ(display_width("😀"), 2U);
    EXPECT_EQ(display_width("…µ█▏"), 4U);
    EXPECT_EQ(display_width("\xE2\x80\x8B"), 0U);
    EXPECT_EQ(display_width("\n"), 0U);
}

TEST(Text, TruncatesToAWidth) {
    EXPECT_EQ(truncate_end("abcdef", 6), "abcdef");
    EXPECT_EQ(truncate_end("abcdef", 5), "abcd…");
    EXPECT_EQ(truncate_end("漢字漢字", 5), "漢字…");
    EXPECT_EQ(truncate_end("漢字漢字", 4), "漢…");
    EXPECT_EQ(truncate_end("ae\xCC\x81xyz", 3), "ae\xCC\x81…");
    EXPECT_EQ(truncate_end("abc", 1), "…");
    EXPECT_EQ(truncate_end("abc", 0), "");
    EXPECT_EQ(truncate_start("/long/path/train.py", 9), "…train.py");
    EXPECT_EQ(truncate_start("e\xCC\x81xyz", 3), "…yz");
    EXPECT_EQ(truncate_start("xe\xCC\x81yz", 3), "…yz");
    EXPECT_EQ(truncate_start("漢字漢", 4), "…漢");
    EXPECT_EQ(truncate_start("abc", 0), "");
}

TEST(Text, PadsToAWidth) {
    EXPECT_EQ(pad_right("漢", 4), "漢  ");
    EXPECT_EQ(pad_left("7", 3), "  7");
    EXPECT_EQ(pad_left("1234", 3), "1234");
}

TEST(Text, AnyBytesStayWithinTheirBounds) {
    const bool held = rc::check("printable, width and truncation of any bytes", [] {
        const auto text = *rc::gen::arbitrary<std::string>();
        const auto columns = *rc::gen::inRange<std::size_t>(0, 30);
        const std::string shown = printable(text);
        RC_ASSERT(valid_utf8(shown));
        RC_ASSERT(printable(shown) == shown);
        RC_ASSERT(display_width(truncate_end(shown, columns)) <= columns);
        RC_ASSERT(display_width(truncate_start(shown, columns)) <= columns);
        RC_ASSERT(valid_utf8(truncate_end(shown, columns)) && valid_utf8(truncate_start(shown, columns)));
        RC_ASSERT(display_width(pad_left(shown, columns)) >= columns);
    });
    EXPECT_TRUE(held);
}

TEST(Text, EveryCodePointComesBack) {
    for (char32_t code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 97) {
        if (code >= 0xD800 && code < 0xE000) continue;
        std::string bytes;
        const auto put = [&](char32_t lead, int shift) {
            bytes += static_cast<char>(lead | code >> shift);
            for (; shift > 0; shift -= 6) bytes += static_cast<char>(0x80 | (code >> (shift - 6) & 0x3F));
        };
        if (code < 0x80)
            put(0, 0);
        else if (code < 0x800)
            put(0xC0, 6);
        else if (code < 0x10000)
            put(0xE0, 12);
        else
            put(0xF0, 18);
        const CodePoint point = decode_utf8(bytes, 0);
        ASSERT_TRUE(point.valid && point.value == code && point.length == bytes.size()) << std::uint32_t(code);
    }
}

}  // namespace
}  // namespace headrace::base
