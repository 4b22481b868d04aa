// Renders an Audit, a Comparison or a Gap: one struct in, text out. Pure.
#pragma once

#include <string>

#include "headrace/comparison.h"
#include "headrace/gap.h"
#include "headrace/ledger.h"

namespace headrace {

struct TextStyle {
    bool colour = false;  // ANSI colours
    int columns = 80;     // lines are no longer than this; less than 40 counts as 40
    bool ascii = false;   // nothing but ASCII, for a locale that is not UTF-8
};

// What is shown in the terminal: at most `columns` wide and one screen (40 lines) long, ends with a newline.
std::string render_text(const Audit& audit, const TextStyle& style);

// The document of schema headrace.report/1, indented, with a final newline. Every key is always present.
std::string render_json(const Audit& audit);

// The same of a comparison: the document is of schema headrace.compare/1.
std::string render_text(const Comparison& comparison, const TextStyle& style);
std::string render_json(const Comparison& comparison);

// The same of a gap: at most 50 lines long; the document is of schema headrace.gap/1.
std::string render_text(const Gap& gap, const TextStyle& style);
std::string render_json(const Gap& gap);

}  // namespace headrace
