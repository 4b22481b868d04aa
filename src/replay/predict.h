// What a change wins, from a recorded loop and the same loop changed. Pure: equal inputs give equal answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "replay/replay.h"

namespace headrace::replay {

// A program's loop: as many batches as steps, in their order.
struct Loop {
    std::vector<BatchCost> batches;
    std::vector<StepCost> steps;
    // The first step of each pass over the loader, the first pass's left out: there its queues are empty again.
    std::vector<std::size_t> later_passes;
    Configuration configuration;
    Cores cores = Cores::alike(1);
    // So many of its batches come as one, and their steps are one step: a larger batch. At least 1; `steps` and
    // `batches` are still those of the recorded size.
    unsigned together = 1;
    // Of the CPU time of each batch, what a message of a worker costs it, whatever its size: that of a larger batch is
    // one message.
    double message = 0;
};

// How near the replay of the loop as it was recorded comes to what was measured.
struct Reproduction {
    double mean_error = 0;  // of the mean step, relative to the measured one, signed
    double p95_error = 0;   // of the 95th percentile of the steps, the same
    // The same of the nearest end of what that percentile may be, with 90 % confidence: in a short run a few steps make
    // it. 0 where the replay's lies between the ends.
    double p95_beyond = 0;
};

inline constexpr double most_mean_error = 0.05, most_p95_error = 0.10;

// Whether it is near enough for a prediction: the mean, and the percentile as far as the run tells it.
bool holds(const Reproduction& reproduction) noexcept;

// `measured` is the time of each step in seconds, from when its batch was wanted to its end, as many as steps. The
// first ones of each pass, before the loop is steady, do not count; none where fewer than `fewest` are left.
std::optional<Reproduction> reproduce(const Loop& recorded, std::span<const double> measured, std::size_t fewest = 1);

// What is left, from 0.7 to 1, of what all cores can do where more threads want them than there are (Cores::crowded):
// so much that the mean step of the replay is the measured one. 1 where that of `plain`, the reproduction with all of
// it, is not too fast, or no core is short.
double crowding(const Loop& recorded, std::span<const double> measured, const Reproduction& plain);

// The mean time of a step of the recorded size of all of them in their order, in seconds, in one replay. There are
// at least `together` of them.
double mean_step(const Loop& loop);

struct Gain {
    double ratio = 1;  // samples a second after the change, of those before it
    double low = 1;    // the 90 % interval
    double high = 1;
};

struct GainOptions {
    std::size_t replicates = 200;
    std::size_t most_steps = 4000;  // of a replicate, by all ranks: of more, blocks of this many in all stand for all
    // The standard deviation of the logarithm of the ratio by what the model itself gets wrong.
    double model_error = 0;
    std::uint64_t seed = 0;
};

// Both loops have the same number of steps, at least one. Every replicate draws the same blocks of steps for both, so
// that what they have in common cancels out; the blocks are as long as the dependence of the recorded costs asks for.
Gain gain(const Loop& recorded, const Loop& changed, const GainOptions& options = {});

}  // namespace headrace::replay
