// XXH64, the fast hash of 64 bits by Yann Collet, as its specification describes it
// (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). Here because the recorder links nothing.
#pragma once

#include <string.h>

#include <cstddef>
#include <cstdint>

namespace headrace::capture {

namespace xxh {

inline constexpr std::uint64_t prime_1 = 0x9E3779B185EBCA87U;
inline constexpr std::uint64_t prime_2 = 0xC2B2AE3D27D4EB4FU;
inline constexpr std::uint64_t prime_3 = 0x165667B19E3779F9U;
inline constexpr std::uint64_t prime_4 = 0x85EBCA77C2B2AE63U;
inline constexpr std::uint64_t prime_5 = 0x27D4EB2F165667C5U;

inline std::uint64_t turned(std::uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }

template <class Word>
std::uint64_t word_at(const unsigned char* data) {  // little-endian, as every machine that headrace runs on
    Word word;
    memcpy(&word, data, sizeof word);
    return word;
}

inline std::uint64_t round_of(std::uint64_t sum, std::uint64_t word) {
    return turned(sum + word * prime_2, 31) * prime_1;
}

inline std::uint64_t merged(std::uint64_t hash, std::uint64_t sum) {
    return (hash ^ round_of(0, sum)) * prime_1 + prime_4;
}

// Four lanes over whole blocks of 32 bytes; moves `data` on to what is left.
inline std::uint64_t blocks_of(const unsigned char*& data, const unsigned char* end, std::uint64_t seed) {
    std::uint64_t lanes[4] = {seed + prime_1 + prime_2, seed + prime_2, seed, seed - prime_1};
    for (; end - data >= 32; data += 32) {
        lanes[0] = round_of(lanes[0], word_at<std::uint64_t>(data));
        lanes[1] = round_of(lanes[1], word_at<std::uint64_t>(data + 8));
        lanes[2] = round_of(lanes[2], word_at<std::uint64_t>(data + 16));
        lanes[3] = round_of(lanes[3], word_at<std::uint64_t>(data + 24));
    }
    std::uint64_t hash = turned(lanes[0], 1) + turned(lanes[1], 7) + turned(lanes[2], 12) + turned(lanes[3], 18);
    for (const std::uint64_t lane : lanes) {
        hash = merged(hash, lane);
    }
    return hash;
}

}  // namespace xxh

inline std::uint64_t xxh64(const void* bytes, std::size_t length, std::uint64_t seed) {
    const auto* data = static_cast<const unsigned char*>(bytes);
    const unsigned char* end = data + length;
    std::uint64_t hash = length >= 32 ? xxh::blocks_of(data, end, seed) : seed + xxh::prime_5;
    hash += length;
    for (; end - data >= 8; data += 8) {
        hash =
            xxh::turned(hash ^ xxh::round_of(0, xxh::word_at<std::uint64_t>(data)), 27) * xxh::prime_1 + xxh::prime_4;
    }
    if (end - data >= 4) {
        hash = xxh::turned(hash ^ xxh::word_at<std::uint32_t>(data) * xxh::prime_1, 23) * xxh::prime_2 + xxh::prime_3;
        data += 4;
    }
    for (; data < end; ++data) {
        hash = xxh::turned(hash ^ *data * xxh::prime_5, 11) * xxh::prime_1;
    }
    hash = (hash ^ hash >> 33) * xxh::prime_2;
    hash = (hash ^ hash >> 29) * xxh::prime_3;
    return hash ^ hash >> 32;
}

}  // namespace headrace::capture
