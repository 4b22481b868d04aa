// Decodes CPython's line tables: which source line each instruction belongs to. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sys/python_layout.h"

namespace headrace::sys {

// The lines of one code object, by code unit (two bytes of bytecode).
class LineTable {
public:
    // co_linetable in the form of `style`: PEP 626 for frame objects (3.10), the location table of 3.11 otherwise.
    // Empty when the bytes are not such a table.
    static std::optional<LineTable> decode(FrameStyle style, std::string_view bytes, std::uint32_t first_line);

    // Code units that the table covers: the length of the code.
    std::uint32_t units() const noexcept { return ranges_.empty() ? 0 : ranges_.back().end; }

    // The line of a code unit; where the compiler gave it none, that of the nearest instruction before with one, or
    // the first line of the function. Empty when the code has no such unit.
    std::optional<std::uint32_t> line_of(std::uint32_t unit) const noexcept;

private:
    struct Range {
        std::uint32_t end;  // first code unit behind it
        std::uint32_t line;
    };
    bool append(std::int64_t units, std::int64_t line);
    std::vector<Range> ranges_;
};

}  // namespace headrace::sys
