// What a cache of samples did in one run of a trial, as the shim's sample_cache.py counts it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace headrace::trial {

struct CacheCounts {
    std::uint64_t hits = 0;     // samples that were served
    std::uint64_t misses = 0;   // that were made
    std::uint64_t kept = 0;     // of those, that are in the cache
    std::uint64_t refused = 0;  // likewise, that cannot be: their type, or they took random numbers
    std::uint64_t bytes = 0;    // of those that are kept
    std::uint64_t full = 0;     // likewise, that had no room
};

// Of all processes together, from the bytes of the file. None where they are not what it holds: nothing was iterated.
std::optional<CacheCounts> parse_cache_counts(const std::string& bytes);

// Why a cache with these counts was not in place, as a sentence without its final stop; empty where it was.
std::string why_not_in_place(const std::optional<CacheCounts>& counts);

}  // namespace headrace::trial
