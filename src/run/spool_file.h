// One spool file: which threads recorded into it, and their spans. docs/formats/spool.md is the document of the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/result.h"
#include "headrace/run.h"
#include "run/spans.h"

namespace headrace::run {

inline constexpr std::size_t text_bytes_max = std::size_t{16} << 20;
inline constexpr Nanoseconds time_max = Nanoseconds{1} << 62;  // 146 years: sums of two such times do not overflow

// Where the spans of one thread lie.
struct SpoolPart {
    std::filesystem::path file;
    std::uint64_t first = 0;  // slot behind the header
    std::uint64_t end = 0;
    std::vector<Span> open;  // had not ended, outermost first: they come after all others
};

struct SpoolFile {
    std::vector<ThreadRecord>
        threads;                   // without their spans; at least one: a file can serve several, one after another
    std::vector<SpoolPart> parts;  // of each thread
    std::vector<std::string> problems;  // what makes no sense and was left out; without the file's name
};

// Reads the whole file once, which threads may still be writing. Errors, without the file's name: what is no spool
// file, one of a newer version, one that cannot be read.
Result<SpoolFile> survey_spool_file(const std::filesystem::path& path);

// Notes in `failure`, where nothing is noted yet, why it ended before the part's end.
std::unique_ptr<SpanReader> read_spool_part(const SpoolPart& part, std::optional<Error>& failure);

}  // namespace headrace::run
