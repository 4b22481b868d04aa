// The blocks of the screen of `headrace gap`, from the top to the bottom. Pure.
#pragma once

#include "headrace/gap.h"
#include "report/screen.h"

namespace headrace::report {

// Whose history, of when, and how many results a week.
Lines gap_headline_lines(const Gap& gap, const Frame& frame);

// One bar for each entry of 0.1 % or more, the small ones in one line, at most `most` lines.
Lines gap_hours_lines(const Gap& gap, const Frame& frame, std::size_t most);

// What came of the runs, how long a result takes, the users.
Lines gap_fact_lines(const Gap& gap, const Frame& frame);

// The newest weeks, at most `most` of them, and whether results rise.
Lines gap_trend_lines(const Gap& gap, const Frame& frame, std::size_t most);

// What open findings would give back and what was measured of those that were tried, at most `most` of each.
Lines gap_fix_lines(const Gap& gap, const Frame& frame, std::size_t most);

// 3,600 seconds as "1.00 h".
std::string format_hours(double seconds);

}  // namespace headrace::report
