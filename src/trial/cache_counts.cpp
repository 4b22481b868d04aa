#include "trial/cache_counts.h"

#include <cstring>

namespace headrace::trial {
namespace {

constexpr std::size_t slot_bytes = 64, slots = 1024;  // those of sample_cache.py

}  // namespace

std::optional<CacheCounts> parse_cache_counts(const std::string& bytes) {
    if (bytes.size() != slot_bytes * slots) return std::nullopt;
    const auto word = [&](std::size_t slot, std::size_t number) {
        std::uint64_t value = 0;
        std::memcpy(&value, bytes.data() + slot * slot_bytes + number * sizeof value, sizeof value);
        return value;
    };
    const std::uint64_t used = word(0, 0);
    if (used == 0 || used >= slots) return std::nullopt;
    CacheCounts sum;
    for (std::size_t slot = 1; slot <= used; ++slot) {
        sum.hits += word(slot, 0);
        sum.misses += word(slot, 1);
        sum.kept += word(slot, 2);
        sum.refused += word(slot, 3);
        sum.bytes += word(slot, 4);
        sum.full += word(slot, 5);
    }
    return sum;
}

std::string why_not_in_place(const std::optional<CacheCounts>& counts) {
    if (!counts) {
        return "the cache of samples did not reach the program's training loader: it is made elsewhere than in the "
               "audited run, or its dataset is none that has indices";
    }
    if (counts->hits > 0) return "";
    if (counts->refused > 0 && counts->kept == 0) {
        return "the cache could keep none of " + std::to_string(counts->misses) +
               " samples: they take random numbers while they are made, or hold what cannot be copied out of it";
    }
    if (counts->full > 0 && counts->kept == 0) return "the cache had no room for a sample";
    return "the cache served no sample: the program made a new dataset for each pass, or asked for no sample twice";
}

}  // namespace headrace::trial
