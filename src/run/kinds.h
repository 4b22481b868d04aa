// The names of the spool's numbers, for the run database and for messages. docs/formats/spool.md lists them all.
#pragma once

#include <string_view>

#include "run/spool_format.h"

namespace headrace::run {

struct KindText {
    std::string_view name;     // empty for a number without a meaning
    std::string_view meaning;  // one line
};

KindText describe(spool::Kind kind) noexcept;
KindText describe(spool::TextKind kind) noexcept;

// Numbers are below these.
inline constexpr unsigned kind_limit = 256;
inline constexpr unsigned text_kind_limit = 64;

// False for a number that this version gives no meaning.
inline bool is_known(spool::Kind kind) noexcept { return !describe(kind).name.empty(); }

}  // namespace headrace::run
