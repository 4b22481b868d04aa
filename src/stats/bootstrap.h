// Resampling of series whose neighbours depend on each other. Pure but for the random engine that is given.
#pragma once

#include <cstddef>
#include <random>
#include <span>

namespace headrace::stats {

// The length of the blocks in which the circular block bootstrap should take a series apart, so that the variance of
// its mean comes out right: 1 for independent samples, longer the further their dependence reaches. Between 1 and the
// least of 3 sqrt(n) and n / 3; 1 for fewer than 10 samples and for constant ones. O(n sqrt(n)).
//
// The automatic choice of Politis and White (Econometric Reviews 23(1), 2004) as corrected by Patton, Politis and White
// (Econometric Reviews 28(4), 2009): autocovariances through a flat-top window as wide as twice the lag after which
// none is significant.
std::size_t block_length(std::span<const double> series);

// Fills `indices` with places of a series of `size` samples: blocks of `length` neighbours from random places, the end
// of the series joined to its begin (Politis and Romano, "A circular block-resampling procedure for stationary data",
// 1992), the last block cut off. `size` and `length` are at least 1. The same engine state gives the same places.
void draw_blocks(std::size_t size, std::size_t length, std::mt19937_64& random, std::span<std::size_t> indices);

}  // namespace headrace::stats
