#include "replay/replay.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <limits>
#include <queue>
#include <utility>

namespace headrace::replay {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

// Something that happens to a batch at a time, or at a mark of the work that is done.
struct Event {
    double at;
    std::size_t batch;

    bool operator>(const Event& other) const noexcept { return at != other.at ? at > other.at : batch > other.batch; }
};
using Events = std::priority_queue<Event, std::vector<Event>, std::greater<>>;

double next_of(const Events& events) {
    if (events.empty()) return never;
    return events.top().at;
}

std::size_t pop(Events& events) {
    const std::size_t batch = events.top().batch;
    events.pop();
    return batch;
}

class Simulation {
public:
    Simulation(std::span<const BatchCost> batches, std::span<const StepCost> steps, const Configuration& configuration,
               const Cores& cores)
        : batches_(batches),
          steps_(steps),
          configuration_(configuration),
          cores_(cores),
          made_(configuration.workers, 0),
          making_(configuration.workers, false),
          here_(batches.size(), false),
          times_(steps.size()) {}

    std::vector<StepTime> run();

private:
    enum class Doing { waiting, receiving, computing, blocked, paused };

    void ask_for(std::size_t batches);
    void start(std::size_t worker);
    void want_batch();
    void take_step();
    void end_step();
    void next_step();
    void advance();
    double trainers_rate() const;
    double workers_rate() const;

    std::span<const BatchCost> batches_;
    std::span<const StepCost> steps_;
    Configuration configuration_;
    const Cores& cores_;

    double now_ = 0;

    // The workers. All that compute are equally fast, so one sum of the work that each of them would have done so far
    // says who is done next: a batch is done at the sum when it began plus its cost.
    std::size_t asked_ = 0;
    std::vector<std::size_t> made_;  // batches that each worker has made
    std::vector<bool> making_;       // whether it makes one now
    double work_ = 0;
    Events computing_;  // at: a sum of work
    Events blocked_;    // at: a time
    Events in_transit_;

    // The training thread.
    Doing doing_ = Doing::waiting;
    std::size_t step_ = 0;
    double left_ = 0;   // work when receiving or computing
    double until_ = 0;  // the time when blocked or paused
    std::size_t receiving_ = 0;
    std::deque<std::size_t> arrived_;  // and not yet received
    std::vector<bool> here_;           // received
    std::vector<StepTime> times_;
};

double Simulation::trainers_rate() const {
    const double others = static_cast<double>(computing_.size());
    if (doing_ == Doing::receiving) return cores_.rate(1 + others);
    const double threads = configuration_.threads;
    const bool crowded = threads > 1 && threads + others > cores_.count();
    const double alone = cores_.rate(threads);
    return cores_.rate(threads + others) / alone * (crowded && others > 0 ? configuration_.gang : 1);
}

double Simulation::workers_rate() const {
    const double trainers = doing_ == Doing::receiving ? 1 : doing_ == Doing::computing ? configuration_.threads : 0;
    return cores_.rate(static_cast<double>(computing_.size()) + trainers);
}

void Simulation::ask_for(std::size_t batches) {
    for (; batches > 0 && asked_ < batches_.size(); --batches) {
        const std::size_t worker = asked_++ % configuration_.workers;
        if (!making_[worker]) start(worker);
    }
}

// The worker's next batch, where it was asked for.
void Simulation::start(std::size_t worker) {
    const std::size_t batch = made_[worker] * configuration_.workers + worker;
    making_[worker] = batch < asked_;
    if (making_[worker]) blocked_.push({now_ + batches_[batch].blocked, batch});
}

void Simulation::want_batch() {
    doing_ = Doing::waiting;
    while (doing_ == Doing::waiting) {
        if (here_[step_]) {
            take_step();
            return;
        }
        if (arrived_.empty()) return;
        receiving_ = arrived_.front();
        arrived_.pop_front();
        doing_ = Doing::receiving;
        left_ = batches_[receiving_].receive;
    }
}

void Simulation::take_step() {
    times_[step_].began = now_;
    ask_for(1);
    doing_ = Doing::computing;
    left_ = steps_[step_].cpu;
}

void Simulation::end_step() {
    times_[step_].ended = now_;
    if (steps_[step_].pause > 0) {
        doing_ = Doing::paused;
        until_ = now_ + steps_[step_].pause;
    } else {
        next_step();
    }
}

void Simulation::next_step() {
    if (++step_ == steps_.size()) return;
    times_[step_].asked = now_;
    want_batch();
}

// Goes on to the next thing that happens, and lets it happen.
void Simulation::advance() {
    const bool trainer_works = doing_ == Doing::receiving || doing_ == Doing::computing;
    const double trainers = trainer_works ? trainers_rate() : 0;
    const double workers = computing_.empty() ? 0 : workers_rate();
    double worker_done = never;
    if (!computing_.empty()) worker_done = now_ + (computing_.top().at - work_) / workers;
    double trainer_done = never;
    if (trainer_works) trainer_done = now_ + left_ / trainers;
    if (doing_ == Doing::blocked || doing_ == Doing::paused) trainer_done = until_;
    const double next = std::min({worker_done, trainer_done, next_of(blocked_), next_of(in_transit_)});

    work_ += workers * (next - now_);
    left_ -= trainers * (next - now_);
    now_ = next;
    if (next == next_of(blocked_)) {
        const std::size_t batch = pop(blocked_);
        computing_.push({work_ + batches_[batch].cpu, batch});
    } else if (next == worker_done) {
        work_ = computing_.top().at;  // not beyond it by a rounding error, nor short of it
        const std::size_t batch = pop(computing_);
        in_transit_.push({now_ + batches_[batch].transit, batch});
        const std::size_t worker = batch % configuration_.workers;
        ++made_[worker];
        start(worker);
    } else if (next == next_of(in_transit_)) {
        arrived_.push_back(pop(in_transit_));
        if (doing_ == Doing::waiting) want_batch();
    } else if (doing_ == Doing::receiving) {
        here_[receiving_] = true;
        want_batch();
    } else if (doing_ == Doing::computing) {
        doing_ = Doing::blocked;
        until_ = now_ + steps_[step_].blocked;
    } else if (doing_ == Doing::blocked) {
        end_step();
    } else {
        next_step();
    }
}

std::vector<StepTime> Simulation::run() {
    if (steps_.empty()) return {};
    ask_for(std::size_t{configuration_.workers} * configuration_.prefetch_factor);
    want_batch();
    while (step_ < steps_.size()) advance();
    return std::move(times_);
}

// The training thread does all, one after the other, and nothing else is busy.
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

std::vector<StepTime> replay(std::span<const BatchCost> batches, std::span<const StepCost> steps,
                             const Configuration& configuration, const Cores& cores) {
    if (configuration.workers == 0) return without_workers(batches, steps);
    return Simulation(batches, steps, configuration, cores).run();
}

}  // namespace headrace::replay
