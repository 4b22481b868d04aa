// What the blocks of the screen share: colour, width, bars, wrapping. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "headrace/report.h"

namespace headrace::report {

using Lines = std::vector<std::string>;

enum class Ink { plain, bold, dim, red, green, yellow, blue, cyan };

// The screen that is drawn on: how wide it is and whether it has colours.
class Frame {
public:
    explicit Frame(const TextStyle& style);

    std::size_t columns() const noexcept { return columns_; }
    // `text` in that colour, or as it is where there are no colours. Takes no columns of its own.
    std::string paint(Ink ink, std::string_view text) const;

private:
    bool colour_;
    std::size_t columns_;
};

// A bar of `share` (0 to 1) of `columns`, exact to an eighth of a column; a share above 0 is never invisible.
std::string bar(double share, std::size_t columns);

// `text` broken at spaces into lines of at most `columns`; what has no space to break at is cut with an ellipsis.
Lines wrap(std::string_view text, std::size_t columns);

// The first line of a screen: a rule with these words in it, cut where they are too long.
std::string rule(std::string_view words, const Frame& frame);

// The lines of a screen as they are printed, in ASCII where the style asks for it.
std::string as_text(const Lines& lines, const TextStyle& style);

// How wide the labels of facts are.
inline constexpr std::size_t label_columns = 11;

// A label and its text, wrapped beside it.
Lines labelled(std::string_view label, std::string_view text, const Frame& frame);

// The same text in ASCII, taking the same columns: bars become #, an ellipsis *, other characters ?.
std::string to_ascii(std::string_view text);

// Shares in tenths of a percent that add up to exactly 1000 as printed (largest remainder method); all zero when the
// parts add up to nothing. Parts that are negative or not finite count as zero.
std::vector<int> tenths_of_percent(const std::vector<double>& parts);

// A time for people; one that no clock can have measured is told in few digits, so that it cannot break a line.
std::string format_time(double seconds);

// 1,234 or 78.8 or 0.12: three digits or more, whatever the size.
std::string format_figure(double value);

// 612 as "61.2 %".
std::string format_tenths(int tenths);

// A path as seen from the program's working directory, fit for a terminal.
std::string short_path(const std::string& file, const std::string& directory);

}  // namespace headrace::report
