// The content of one spool file, decoded. docs/formats/spool.md is the document of the format.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "headrace/run.h"
#include "run/spool_format.h"

namespace headrace::run {

inline constexpr std::size_t text_bytes_max = std::size_t{16} << 20;
inline constexpr Nanoseconds time_max = Nanoseconds{1} << 62;  // 146 years: sums of two such times do not overflow

// Which 32-byte slots behind the header had their second field set at the first look. The second look, at `slots`,
// came later: of a record that was complete then it sees every field.
struct SpoolImage {
    spool::Header header{};
    std::vector<bool> complete;
    std::vector<spool::Record> slots;  // as many as `complete`
};

struct DecodedSpool {
    std::vector<ThreadRecord> threads;  // at least one: a file can serve several threads after another
    std::vector<std::string> problems;  // without the file's name
};

// Decodes what was read. Never fails: what makes no sense is left out and named in `problems`.
DecodedSpool decode_spool(const SpoolImage& image);

}  // namespace headrace::run
