#include "replay/replay.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <limits>
#include <queue>
#include <tuple>
#include <utility>

namespace headrace::replay {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

// Seconds: how long something was on a core, and what it did there as seconds of one that is alone.
struct Use {
    double on_core = 0;
    double work = 0;

    double speed() const noexcept { return on_core > 0 ? work / on_core : 1; }
};

// Something that happens to a batch of a rank at a time, or at a mark of the work that is done.
struct Event {
    double at;
    std::size_t rank;
    std::size_t batch;

    bool operator>(const Event& other) const noexcept {
        return std::tie(at, rank, batch) > std::tie(other.at, other.rank, other.batch);
    }
};
using Events = std::priority_queue<Event, std::vector<Event>, std::greater<>>;

double next_of(const Events& events) {
    if (events.empty()) return never;
    return events.top().at;
}

Event pop(Events& events) {
    const Event event = events.top();
    events.pop();
    return event;
}

enum class Doing { waiting, fetching, making, receiving, handed, computing, blocked, meeting, paused };

// A training thread and its workers.
struct Rank {
    Rank(std::size_t first_place, std::size_t batches, unsigned workers)
        : first(first_place), made(workers, 0), making(workers, false), here(batches, false) {}

    std::size_t first;  // so many places further on than the first rank's are its batches and steps
    std::size_t asked = 0;
    std::vector<std::size_t> made;  // batches that each worker has made
    std::vector<bool> making;       // whether it makes one now

    Doing doing = Doing::waiting;
    std::size_t step = 0;
    double left = 0;   // work when making, receiving or computing
    double until = 0;  // the time when fetching, blocked or paused
    double spin = 0;   // work that is left of the other threads of the last step, each
    std::size_t receiving = 0;
    std::deque<std::size_t> arrived;  // and not yet received
    std::vector<bool> here;           // received

    bool works() const noexcept {
        return doing == Doing::making || doing == Doing::receiving || doing == Doing::computing;
    }
    bool spins() const noexcept { return spin > 0 && doing != Doing::computing; }
    bool sleeps() const noexcept {
        return doing == Doing::fetching || doing == Doing::handed || doing == Doing::blocked || doing == Doing::paused;
    }
};

class Simulation {
public:
    Simulation(std::span<const BatchCost> batches, std::span<const StepCost> steps, const Configuration& configuration,
               const Cores& cores)
        : batches_(batches),
          steps_(steps),
          configuration_(configuration),
          cores_(cores),
          alone_(cores.rate(configuration.threads)),
          times_(steps.size()) {
        shared_ = std::min(std::max<std::size_t>(steps_to_steady(configuration), 1), steps.size());
        for (std::size_t rank = 0; rank < configuration.ranks; ++rank) {
            const std::size_t first = rank * (steps.size() - shared_) / configuration.ranks;
            ranks_.emplace_back(first, batches.size(), configuration.workers);
        }
    }

    std::vector<StepTime> run();
    Speeds speeds() const noexcept { return {fetching_.speed(), stepping_.speed()}; }

private:
    std::size_t place(const Rank& rank, std::size_t number) const noexcept {
        if (number < shared_) return number;
        const std::size_t place = rank.first + number;
        return place < steps_.size() ? place : place - (steps_.size() - shared_);
    }
    const BatchCost& batch(const Rank& rank, std::size_t number) const { return batches_[place(rank, number)]; }
    const StepCost& step(const Rank& rank) const { return steps_[place(rank, rank.step)]; }
    bool is_first(const Rank& rank) const noexcept { return &rank == ranks_.data(); }

    void ask_for(Rank& rank, std::size_t batches);
    void start(Rank& rank, std::size_t worker);
    void want_batch(Rank& rank);
    void take_step(Rank& rank);
    void meet(Rank& rank);
    void next_step(Rank& rank);
    void hand_over(Rank& rank);
    void advance();
    void go_on(double seconds, double all, double rate);
    void worker_is_done();
    void trainer_is_done(Rank& rank);
    double wanted() const;
    double speed_of(const Rank& rank, double all, double rate) const;

    std::span<const BatchCost> batches_;
    std::span<const StepCost> steps_;
    Configuration configuration_;
    const Cores& cores_;
    double alone_;  // what one of the threads of a step does in a second, nothing beside them

    double now_ = 0;
    std::vector<Rank> ranks_;
    std::size_t shared_ = 0;  // places at the begin that are those of all ranks: what is warm-up is so for all
    std::size_t met_ = 0;     // ranks that wait for the others at the end of their step

    // The workers of all ranks. All that compute are equally fast, so one sum of the work that each of them would have
    // done so far says who is done next: a batch is done at the sum when it began plus its cost.
    double work_ = 0;
    Events computing_;  // at: a sum of work
    Events blocked_;    // at: a time
    Events in_transit_;
    std::vector<StepTime> times_;  // of the first rank
    Use fetching_, stepping_;      // of all ranks
};

// Threads that would run if there were cores for all.
double Simulation::wanted() const {
    auto all = static_cast<double>(computing_.size());
    for (const Rank& rank : ranks_) {
        if (rank.works()) all += rank.doing == Doing::computing ? configuration_.threads : 1;
        if (rank.spins()) all += configuration_.threads - 1;
    }
    return all;
}

// The speed of a training thread that works, where one of `all` threads has `rate`.
double Simulation::speed_of(const Rank& rank, double all, double rate) const {
    if (rank.doing != Doing::computing) return rate;
    const double threads = configuration_.threads;
    const bool crowded = threads > 1 && all > threads && all > cores_.count();
    return rate / alone_ * (crowded ? configuration_.gang : 1);
}

void Simulation::ask_for(Rank& rank, std::size_t batches) {
    if (configuration_.workers == 0) return;
    for (; batches > 0 && rank.asked < batches_.size(); --batches) {
        const std::size_t worker = rank.asked++ % configuration_.workers;
        if (!rank.making[worker]) start(rank, worker);
    }
}

// The worker's next batch, where it was asked for.
void Simulation::start(Rank& rank, std::size_t worker) {
    const std::size_t number = rank.made[worker] * configuration_.workers + worker;
    rank.making[worker] = number < rank.asked;
    if (!rank.making[worker]) {  // what it has still to hand over is not in its way any more
        const bool asked = rank.doing == Doing::handed && rank.receiving % configuration_.workers == worker;
        if (asked) rank.until = std::min(rank.until, now_ + configuration_.handover);
        return;
    }
    const BatchCost& cost = batch(rank, number);
    blocked_.push(
        {now_ + configuration_.start + cost.blocked, static_cast<std::size_t>(&rank - ranks_.data()), number});
}

void Simulation::want_batch(Rank& rank) {
    if (configuration_.workers == 0) {
        rank.doing = Doing::fetching;
        rank.until = now_ + batch(rank, rank.step).blocked;
        return;
    }
    rank.doing = Doing::waiting;
    if (rank.here[rank.step]) {
        take_step(rank);
    } else if (!rank.arrived.empty()) {
        rank.receiving = rank.arrived.front();
        rank.arrived.pop_front();
        rank.doing = Doing::receiving;
        rank.left = batch(rank, rank.receiving).receive;
    }
}

void Simulation::take_step(Rank& rank) {
    if (is_first(rank)) times_[rank.step].began = now_;
    ask_for(rank, 1);
    rank.doing = Doing::computing;
    rank.left = step(rank).cpu;
}

// A step ends when all ranks have done theirs.
void Simulation::meet(Rank& rank) {
    rank.doing = Doing::meeting;
    if (++met_ < ranks_.size()) return;
    met_ = 0;
    for (Rank& one : ranks_) {
        if (is_first(one)) times_[one.step].ended = now_;
        const double pause = steps_[one.step].pause;  // of all at once
        if (pause > 0) {
            one.doing = Doing::paused;
            one.until = now_ + pause;
        } else {
            next_step(one);
        }
    }
}

void Simulation::next_step(Rank& rank) {
    rank.doing = Doing::waiting;
    if (++rank.step == steps_.size()) return;
    if (is_first(rank)) times_[rank.step].asked = now_;
    want_batch(rank);
}

void Simulation::worker_is_done() {
    const Event done = pop(computing_);
    work_ = done.at;  // not beyond it by a rounding error, nor short of it
    Rank& rank = ranks_[done.rank];
    in_transit_.push({now_ + batch(rank, done.batch).transit, done.rank, done.batch});
    const std::size_t worker = done.batch % configuration_.workers;
    ++rank.made[worker];
    start(rank, worker);
}

void Simulation::hand_over(Rank& rank) {
    const bool busy = rank.making[rank.receiving % configuration_.workers];
    const double handover = busy ? batch(rank, rank.receiving).handover : configuration_.handover;
    if (handover > 0) {
        rank.doing = Doing::handed;
        rank.until = now_ + handover;
    } else {
        rank.here[rank.receiving] = true;
        want_batch(rank);
    }
}

void Simulation::trainer_is_done(Rank& rank) {
    switch (rank.doing) {
        case Doing::fetching:
            rank.doing = Doing::making;
            rank.left = batch(rank, rank.step).cpu;
            break;
        case Doing::making:
            take_step(rank);
            break;
        case Doing::receiving:
            hand_over(rank);
            break;
        case Doing::handed:
            rank.here[rank.receiving] = true;
            want_batch(rank);
            break;
        case Doing::computing:
            rank.spin = configuration_.threads > 1 ? configuration_.spin : 0;
            rank.doing = Doing::blocked;
            rank.until = now_ + step(rank).blocked;
            break;
        case Doing::blocked:
            meet(rank);
            break;
        case Doing::paused:
            next_step(rank);
            break;
        case Doing::waiting:
        case Doing::meeting:
            break;
    }
}

// All that compute do so for a while, each at `rate`; there are `all` threads.
void Simulation::go_on(double seconds, double all, double rate) {
    const double on_core = seconds * std::min(1.0, cores_.count() / std::max(all, 1.0));
    const auto makers = static_cast<double>(computing_.size());
    fetching_.on_core += makers * on_core;
    fetching_.work += makers * rate * seconds;
    if (!computing_.empty()) work_ += rate * seconds;
    for (Rank& rank : ranks_) {
        if (rank.spins()) rank.spin -= rate * seconds;
        if (!rank.works()) continue;
        const double done = speed_of(rank, all, rate) * seconds;
        rank.left -= done;
        Use& use = rank.doing == Doing::computing ? stepping_ : fetching_;
        use.on_core += on_core;
        use.work += done;
    }
}

// Goes on to the next thing that happens, and lets it happen.
void Simulation::advance() {
    const double all = wanted();
    const double rate = all > 0 ? cores_.rate(all) : 1;
    const double worker_done = computing_.empty() ? never : now_ + (computing_.top().at - work_) / rate;
    double next = std::min({worker_done, next_of(blocked_), next_of(in_transit_)});
    Rank* trainer = nullptr;  // that is done then, before any worker
    Rank* spinner = nullptr;  // whose threads go to sleep then, before anything else
    for (Rank& rank : ranks_) {
        const double asleep = rank.spins() ? now_ + rank.spin / rate : never;
        if (asleep < next) {
            next = asleep;
            spinner = &rank;
            trainer = nullptr;
        }
        double done = never;
        if (rank.works()) done = now_ + rank.left / speed_of(rank, all, rate);
        if (rank.sleeps()) done = rank.until;
        if (done >= next) continue;
        next = done;
        trainer = &rank;
        spinner = nullptr;
    }
    go_on(next - now_, all, rate);
    now_ = next;
    if (spinner != nullptr) {
        spinner->spin = 0;
    } else if (trainer != nullptr) {
        trainer_is_done(*trainer);
    } else if (next == next_of(blocked_)) {
        const Event event = pop(blocked_);
        computing_.push({work_ + batch(ranks_[event.rank], event.batch).cpu, event.rank, event.batch});
    } else if (next == worker_done) {
        worker_is_done();
    } else {
        const Event event = pop(in_transit_);
        Rank& rank = ranks_[event.rank];
        rank.arrived.push_back(event.batch);
        if (rank.doing == Doing::waiting) want_batch(rank);
    }
}

std::vector<StepTime> Simulation::run() {
    if (steps_.empty()) return {};
    for (Rank& rank : ranks_) {
        ask_for(rank, std::size_t{configuration_.workers} * configuration_.prefetch_factor);
        want_batch(rank);
    }
    while (ranks_.front().step < steps_.size()) advance();
    return std::move(times_);
}

// One training thread does all, one after the other, and nothing else is busy.
std::vector<StepTime> without_workers(std::span<const BatchCost> batches, std::span<const StepCost> steps) {
    std::vector<StepTime> times;
    times.reserve(steps.size());
    double now = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const double began = now + batches[i].blocked + batches[i].cpu;
        const double ended = began + steps[i].cpu + steps[i].blocked;
        times.push_back({now, began, ended});
        now = ended + steps[i].pause;
    }
    return times;
}

}  // namespace

std::size_t steps_to_steady(const Configuration& configuration) noexcept {
    return std::size_t{2} * configuration.workers * configuration.prefetch_factor;
}

std::vector<StepTime> replay(std::span<const BatchCost> batches, std::span<const StepCost> steps,
                             const Configuration& configuration, const Cores& cores) {
    if (configuration.alone()) return without_workers(batches, steps);
    return Simulation(batches, steps, configuration, cores).run();
}

Speeds speeds(std::span<const BatchCost> batches, std::span<const StepCost> steps, const Configuration& configuration,
              const Cores& cores) {
    if (configuration.alone()) return {};
    Simulation simulation(batches, steps, configuration, cores);
    simulation.run();
    return simulation.speeds();
}

}  // namespace headrace::replay
