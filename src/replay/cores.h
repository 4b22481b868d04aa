// The cores that the threads of a program share. Pure.
#pragma once

#include <vector>

namespace headrace::replay {

// Threads that want to run get equal parts of the cores, and a core is slower the more of the others are busy: caches
// and memory are shared, and two of them may be the two threads of one core. Safe to share between threads.
class Cores {
public:
    // throughput[i] is the work that i + 1 busy cores do in a second; that of one core alone is 1, so throughput[0] is
    // 1 and no later one is less than the one before. At least one entry; between entries it is linear, and cores
    // beyond the last one add nothing.
    explicit Cores(std::vector<double> throughput);

    // `count` cores, 1 or more and not always whole (a quota), of which each that is added to busy ones does `added` of
    // the work of one alone (0 to 1).
    static Cores alike(double count, double added = 1);

    // The same, but with one thread more than cores, or several, all of them together do `share` of what they can, and
    // half of that is lost already with a thread for each: a scheduler lets a core idle, for some of the time, before
    // it moves a waiting thread there, and there are always others now and then. A single core does all.
    Cores crowded(double share) const;

    // What each of `threads` (above 0) that want to run does in a second, of what one alone does.
    double rate(double threads) const noexcept;

    // The first so many of them: 1 or more, at most as many as there are.
    Cores first(unsigned count) const;

    // How many can run at once.
    double count() const noexcept { return count_; }

private:
    double count_;
    double crowded_ = 1;
    std::vector<double> throughput_;
};

}  // namespace headrace::replay
