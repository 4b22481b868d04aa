// Runs the loop of a training program and its loader again, on paper, with other workers, another prefetch factor,
// other costs: what a fix would win. Pure.
//
// The loader is that of PyTorch: batch k is made by worker k modulo their number; workers times prefetch_factor batches
// are asked for before the first is taken, and one more whenever one is taken; each worker makes its batches one after
// the other; the training thread takes what has arrived out of one queue, first come first served, until it has the
// batch that is next. Without workers it makes each batch itself when it wants it.
//
// A discrete-event simulation in which all that computes shares the cores (processor sharing), and what waits for
// storage, the network or a device does not. Times and costs are in seconds.
//
// Ranks that train together are alike: each has such workers and such a training thread, and each goes through the same
// batches and steps from another place on. They share the cores, a step ends when all of them have done theirs, and
// they pause together.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "replay/cores.h"

namespace headrace::replay {

// What one batch costs, whoever makes it.
struct BatchCost {
    double blocked = 0;  // waiting for storage or the network
    double cpu = 0;      // of one core that is alone busy
    double transit = 0;  // from its worker's hands to where the training thread can take it; uses no core
    double receive = 0;  // CPU of the training thread that takes it from a worker
    // After that: until its worker, where that is busy with another batch, has handed over the memory that it lies in.
    // Uses no core.
    double handover = 0;
};

// What the loop does with one batch.
struct StepCost {
    double cpu = 0;      // as long as its threads need when nothing else is busy
    double blocked = 0;  // after that: a device, a file, the network; not another rank that is late
    double pause = 0;    // after the step, before the next batch is wanted: an evaluation, a checkpoint. Uses no core
};

struct Configuration {
    unsigned workers = 0;          // of each rank; 0: the training thread makes its batches
    unsigned prefetch_factor = 2;  // at least 1
    double threads = 1;            // that compute a step of one rank together; at least 1
    // What is left of a step's speed, beside its part of the cores, when its threads have to wait for one of them that
    // has no core: they meet after every operation. 1: nothing is lost. Above 0.
    double gang = 1;
    // So long each of the threads of a step but the training thread itself is busy after it: it waits for the next one
    // before it gives up its core. CPU time of one that is alone.
    double spin = 0;
    unsigned ranks = 1;  // that train together on these cores; at least 1
    // The same as a batch's `handover`, of one whose worker is at nothing else: what the two say to each other.
    double handover = 0;
    double start = 0;  // until a worker that can make a batch, and is asked to, begins; uses no core

    // One training thread that does all itself: nothing is busy beside it.
    bool alone() const noexcept { return workers == 0 && ranks == 1; }
};

// So many steps come before the loop is steady: its queues are filled twice.
std::size_t steps_to_steady(const Configuration& configuration) noexcept;

// When the training thread (of several ranks, that of the first) wanted a batch, when it had it, and when it was done
// with it, from the start of the loop. What is between the end of a step and the next one's begin is the pause.
struct StepTime {
    double asked = 0;
    double began = 0;
    double ended = 0;
};

// What one second of CPU time of a thread did, of what it does when it is alone on the machine.
struct Speeds {
    double fetching = 1;  // batches: making and receiving them
    double stepping = 1;  // the training thread's part of the steps
};

// One StepTime for each step; there are as many batches as steps. No cost is negative.
// O(n ranks (ranks + log workers)).
std::vector<StepTime> replay(std::span<const BatchCost> batches, std::span<const StepCost> steps,
                             const Configuration& configuration, const Cores& cores);

// The mean over such a replay.
Speeds speeds(std::span<const BatchCost> batches, std::span<const StepCost> steps, const Configuration& configuration,
              const Cores& cores);

}  // namespace headrace::replay
