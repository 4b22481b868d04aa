#include "audit/loop.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "audit/loader_config.h"
#include "audit/timeline.h"
#include "audit/waits.h"
#include "audit/ways.h"
#include "replay/points.h"

namespace headrace::audit {
namespace {

constexpr double nanosecond = 1e-9;         // seconds
constexpr double most_left_behind = 0.02;   // of the steps
constexpr double most_own_meetings = 0.03;  // of the time of all steps
constexpr double fewest_meetings = 0.9;     // of the batches

// From just after one wait to just before another: what the thread used for the steps between them.
struct BetweenLooks {
    std::size_t first;
    std::size_t last;  // not in it
    double cpu;        // of the thread, of waits that are inside taken out where they are known
    double run_queue;
    double process_cpu;       // likewise
    std::size_t inner_waits;  // whose CPU time is still in it
};

// What a step took of the time, without its wait.
struct StepWall {
    double loop = 0;
    double pause = 0;
    double ranks = 0;  // the others were late
};

bool is_pause(Entry entry) {
    switch (entry) {
        case Entry::startup_launch:
        case Entry::startup_imports:
        case Entry::startup_setup:
        case Entry::startup_workers:
        case Entry::evaluation:
        case Entry::checkpoint:
        case Entry::teardown:
        case Entry::unattributed:
            return true;
        default:
            return false;
    }
}

bool is_wait_for_ranks(const Segment& segment) {
    return segment.entry == Entry::sync && segment.span != nullptr && kind(*segment.span) == Kind::backward;
}

bool is_call_of_ranks(const Segment& segment) { return segment.span != nullptr && kind(*segment.span) == Kind::sync; }

// CPU times of a machine on which each does less in a second.
void slow(replay::Loop& loop, const replay::Speeds& speeds) {
    for (replay::BatchCost& batch : loop.batches) {
        batch.cpu *= speeds.fetching;
        batch.receive *= speeds.fetching;
    }
    loop.message *= speeds.fetching;
    loop.configuration.spin *= speeds.fetching;
    for (replay::StepCost& step : loop.steps) step.cpu *= speeds.stepping;
}

class LoopReader {
public:
    LoopReader(const Recording& recording, const Trainer& trainer, const std::string& loader,
               const LoopContext& context)
        : recording_(recording),
          trainer_(trainer),
          loader_(loader_of(loader, true)),
          ranks_(static_cast<double>(context.group.ranks)),
          contention_(context.contention),
          whole_step_(context.whole_step),
          waits_(recording, trainer, 0, false) {}

    void take(const Segment& segment);
    Result<RecordedLoop> finish();

private:
    struct Shares {
        double cpu;  // of a step's time
        double blocked;
        double threads;
        double spin = 0;  // seconds for a step of each of its threads but the first, after it
    };

    void begin_batch(const BatchWait& wait);
    void drop_step();
    void add_batch(const BatchWait& wait);
    void close_stretch(const BatchWait& wait);
    void see_device(const Span& span);
    void take_receive(const BatchWait& wait);
    double receive() const;
    double send() const;
    double threads_together(double receive) const;
    std::optional<Shares> divide_steps(double receive);
    void set_steps(const Shares& typical);
    void calm();
    bool leaves_work_behind() const;
    std::string_view unlike_ranks() const;
    void wait_for_device(double whole_step);

    const Recording& recording_;
    const Trainer& trainer_;
    const Loader loader_;  // of all its training passes
    double ranks_;
    Contention contention_;
    std::optional<double> whole_step_;
    BatchWaits waits_;
    Nanoseconds wait_ = -1;        // begin of the last wait
    bool training_wait_ = false;   // it was for a batch that is trained on
    const Pass* pass_ = nullptr;   // of the last batch
    bool in_step_ = false;         // which has not ended
    bool device_done_ = false;     // the step has waited for the device since it last asked it for work
    std::size_t left_behind_ = 0;  // steps that ended while the device may have had work of theirs
    double meetings_ = 0;          // seconds of steps in calls that wait for other ranks
    std::vector<StepWall> walls_;  // of each step
    std::vector<bool> known_;      // its costs are set
    std::optional<Usage> after_;   // what was used just after the wait that began the stretch
    std::size_t first_ = 0;        // of the stretch
    double inner_cpu_ = 0;         // of its waits
    std::size_t inner_waits_ = 0;
    std::vector<BetweenLooks> stretches_;
    BatchWays ways_;
    double receive_cpu_ = 0;
    std::size_t receives_ = 0;
    std::size_t without_fetch_ = 0;
    RecordedLoop recorded_;
};

void LoopReader::take(const Segment& segment) {
    const double length = static_cast<double>(segment.end - segment.begin) * nanosecond;
    if (segment.span != nullptr) see_device(*segment.span);
    if (segment.span != nullptr && kind(*segment.span) == Kind::wait) {
        if (segment.span->start != wait_) {
            wait_ = segment.span->start;
            const BatchWait* wait = waits_.at(wait_);
            training_wait_ = wait != nullptr && wait->pass->training;
            if (training_wait_) begin_batch(*wait);
        }
        if (!training_wait_ && in_step_) walls_.back().pause += length;
    } else if (in_step_ && is_wait_for_ranks(segment)) {
        walls_.back().ranks += length;
    } else if (in_step_) {
        if (is_call_of_ranks(segment)) meetings_ += length;
        (is_pause(segment.entry) ? walls_.back().pause : walls_.back().loop) += length;
    }
}

void LoopReader::see_device(const Span& span) {
    switch (kind(span)) {
        case Kind::forward:
        case Kind::backward:
        case Kind::optimizer:
            device_done_ = false;
            break;
        case Kind::device_wait:
            device_done_ = true;
            break;
        default:
            break;
    }
}

void LoopReader::begin_batch(const BatchWait& wait) {
    if (in_step_ && wait.pass != pass_) drop_step();  // the loop was left: who knows where its last step ended
    if (in_step_ && !device_done_) ++left_behind_;
    device_done_ = false;
    if (wait.before) close_stretch(wait);
    if (wait.span.open || wait.span.b == spool::wait_ended) {
        in_step_ = false;
        pass_ = nullptr;
        return;
    }
    if (wait.pass != pass_ && !walls_.empty()) recorded_.loop.later_passes.push_back(walls_.size());
    if (wait.pass != pass_) {
        after_.reset();
        ways_.begin_pass(*wait.pass, loader_, recording_.uses_device());
    }
    pass_ = wait.pass;
    recorded_.pass = static_cast<std::size_t>(pass_ - trainer_.passes.data());
    in_step_ = true;
    add_batch(wait);
    ways_.take(wait, static_cast<std::uint32_t>(walls_.size() - 1));
    take_receive(wait);
    if (wait.before) {
        after_ = wait.after;
        first_ = walls_.size() - 1;
        inner_cpu_ = 0;
        inner_waits_ = 0;
    }
}

void LoopReader::drop_step() {
    walls_.pop_back();
    recorded_.loop.batches.pop_back();
    recorded_.samples.pop_back();
    recorded_.measured.pop_back();
    ways_.drop(static_cast<std::uint32_t>(walls_.size()));
    if (!recorded_.loop.later_passes.empty() && recorded_.loop.later_passes.back() == walls_.size()) {
        recorded_.loop.later_passes.pop_back();
    }
    in_step_ = false;
    after_.reset();
}

void LoopReader::add_batch(const BatchWait& wait) {
    replay::BatchCost cost;
    const bool alone = wait.pass->workers.empty();
    SampleCost samples;
    double inside = static_cast<double>(wait.span.duration);  // of the wait, that is no fetch
    if (const std::optional<Fetch>& fetch = wait.fetch) {
        const auto whole = static_cast<double>(fetch->end - fetch->begin);
        cost.cpu = std::min(std::max(0.0, fetch->cpu) + fetch->collate_cpu, whole);
        cost.blocked = std::max(0.0, whole - cost.cpu - fetch->run_queue - fetch->collate_queue);
        samples = {std::max(0.0, cost.cpu - fetch->collate_cpu) * nanosecond, static_cast<double>(fetch->samples)};
        recorded_.fetched.samples += samples.samples;
        recorded_.fetched.cpu += std::max(0.0, fetch->cpu) * nanosecond;
        recorded_.fetched.collate += fetch->collate_cpu * nanosecond;
        if (alone) inside = std::max(0.0, inside - whole);
    } else {
        ++without_fetch_;
    }
    if (alone) cost.cpu += inside;
    if (alone && !wait.before) inner_cpu_ += cost.cpu;
    if (!alone && !wait.before) ++inner_waits_;
    recorded_.samples.push_back(samples);
    recorded_.loop.batches.push_back({cost.blocked * nanosecond, cost.cpu * nanosecond, 0, 0});
    recorded_.measured.push_back(static_cast<double>(wait.span.duration) * nanosecond);
    walls_.emplace_back();
}

void LoopReader::take_receive(const BatchWait& wait) {
    if (wait.before && wait.after && !wait.pass->workers.empty()) {
        receive_cpu_ += std::max(0.0, wait.after->cpu - wait.before->cpu) * nanosecond;
        ++receives_;
    }
}

void LoopReader::close_stretch(const BatchWait& wait) {
    if (after_ && first_ < walls_.size()) {
        stretches_.push_back({first_, walls_.size(), (wait.before->cpu - after_->cpu - inner_cpu_) * nanosecond,
                              (wait.before->run_queue - after_->run_queue) * nanosecond,
                              (wait.before->process_cpu - after_->process_cpu - inner_cpu_) * nanosecond,
                              inner_waits_});
    }
    after_.reset();
}

double LoopReader::receive() const { return receives_ == 0 ? 0 : receive_cpu_ / static_cast<double>(receives_); }

// CPU time for a batch of the threads that write batches into the pipes of the loader.
double LoopReader::send() const {
    std::set<std::uint32_t> pids;
    for (const Pass& pass : trainer_.passes) {
        if (pass.training) pids.insert(pass.workers.begin(), pass.workers.end());
    }
    double cpu = 0, batches = 0;
    for (const std::uint32_t pid : pids) {
        for (const std::size_t thread : recording_.threads_in(pid)) {
            cpu += static_cast<double>(recording_.threads[thread].send_cpu) * nanosecond;
            batches += static_cast<double>(recording_.threads[thread].sends);
        }
    }
    return batches > 0 ? cpu / batches : 0;
}

// For each second of the training thread in its steps, that all threads of its process computed.
double LoopReader::threads_together(double receive) const {
    double thread = 0, process = 0;
    for (const BetweenLooks& stretch : stretches_) {
        const double received = static_cast<double>(stretch.inner_waits) * receive;
        thread += std::max(0.0, stretch.cpu - received);
        process += std::max(0.0, stretch.process_cpu - received);
    }
    return thread > 0 ? process / thread : 1;
}

// Sets the costs of the steps whose CPU time is known. What they are of a step's time, all together; none where none
// is.
std::optional<LoopReader::Shares> LoopReader::divide_steps(double receive) {
    double wall = 0, cpu = 0, blocked = 0, thread = 0, process = 0, divided = 0;
    // With more threads than cores a step's own threads make each other wait for one: where nothing else wants them
    // that is as much its own as its work.
    const bool alone = ways_.empty() && ranks_ < 2;
    const bool crowded = alone && threads_together(receive) > recording_.run.info.machine.cores_usable + 0.5;
    for (const BetweenLooks& stretch : stretches_) {
        StepWall sum;
        const std::size_t last = std::min(stretch.last, walls_.size());
        for (std::size_t i = stretch.first; i < last; ++i) {
            sum.loop += walls_[i].loop;
            sum.pause += walls_[i].pause;
        }
        // What a pause took of the CPU is not known.
        if (sum.loop <= 0 || sum.pause > 0.01 * sum.loop || last < stretch.last) continue;
        const double received = static_cast<double>(stretch.inner_waits) * receive,
                     used = stretch.process_cpu - received;
        // For a device the backward is a thread of its own that takes turns with the training thread.
        const double turns = recording_.uses_device() ? used : stretch.cpu - received;
        const double queue = crowded ? stretch.run_queue : 0;
        const double own = std::clamp(turns + queue, 0.0, sum.loop);
        const double waited = std::clamp(sum.loop - own - (stretch.run_queue - queue), 0.0, sum.loop);
        for (std::size_t i = stretch.first; i < last; ++i) {
            const double part = walls_[i].loop / sum.loop;
            recorded_.loop.steps[i] = {own * part, waited * part, walls_[i].pause};
            known_[i] = true;
        }
        divided += static_cast<double>(last - stretch.first);
        wall += sum.loop;
        cpu += own;
        blocked += waited;
        thread += own - queue;
        process += used;
    }
    if (wall <= 0) return std::nullopt;
    if (recording_.uses_device()) return Shares{cpu / wall, blocked / wall, 1};
    // Whole threads, of those that there are: a little more than one is what a helper of the process used, and while
    // the training thread waits the others spin.
    const double together = thread > 0 ? std::max(1.0, std::round(process / thread)) : 1;
    const double most = loader_.threads ? std::max(1.0, static_cast<double>(*loader_.threads)) : together;
    const double threads = std::min(together, most);
    const double after = threads > 1 ? std::max(0.0, process - threads * thread) / (threads - 1) : 0;
    return Shares{cpu / wall, blocked / wall, threads, after / divided};
}

void LoopReader::set_steps(const Shares& typical) {
    for (std::size_t i = 0; i < walls_.size(); ++i) {
        const StepWall& wall = walls_[i];
        if (!known_[i]) recorded_.loop.steps[i] = {typical.cpu * wall.loop, typical.blocked * wall.loop, wall.pause};
        recorded_.measured[i] += wall.loop + wall.ranks;
    }
}

// From the CPU times as they were, beside all else that was busy, to what they would be with nothing beside them: the
// replay of the loop with such costs is to take the CPU times that were recorded. How much lies beside what depends on
// the costs, so they are looked for in rounds.
void LoopReader::calm() {
    constexpr int most_rounds = 12;
    constexpr double near = 0.002;
    const replay::Loop part = replay::middle_of(recorded_.loop);
    replay::Speeds speeds;
    for (int round = 0; round < most_rounds; ++round) {
        replay::Loop calmed = part;
        slow(calmed, speeds);
        const replay::Speeds next = replay::speeds(calmed.batches, calmed.steps, calmed.configuration, calmed.cores);
        const double change = std::max(std::abs(next.fetching / speeds.fetching - 1),  //
                                       std::abs(next.stepping / speeds.stepping - 1));
        speeds = {std::sqrt(speeds.fetching * next.fetching), std::sqrt(speeds.stepping * next.stepping)};
        if (change < near) break;
    }
    slow(recorded_.loop, speeds);
    for (SampleCost& samples : recorded_.samples) samples.cpu *= speeds.fetching;
}

bool LoopReader::leaves_work_behind() const {
    return recording_.uses_device() &&
           static_cast<double>(left_behind_) > most_left_behind * static_cast<double>(walls_.size());
}

// The device goes on with a step while the next batch is waited for. In the replay it does so before: with workers, who
// go on meanwhile, the steps come as fast either way, at the pace of the slower of device and loader. What a step
// waited for the device was for it and for those before.
void LoopReader::wait_for_device(double whole_step) {
    for (replay::StepCost& step : recorded_.loop.steps) step.blocked = std::max(0.0, whole_step - step.cpu);
}

// Why ranks do not go from step to step as those of the replay do; empty where they do.
std::string_view LoopReader::unlike_ranks() const {
    if (ranks_ < 2) return "";
    const double whole = std::accumulate(recorded_.measured.begin(), recorded_.measured.end(), 0.0);
    if (meetings_ > most_own_meetings * whole) {
        return "its ranks wait for each other in calls of the program's own, and what each waited there is not known";
    }
    if (static_cast<double>(trainer_.steps.size()) < fewest_meetings * static_cast<double>(walls_.size())) {
        return "its ranks take several batches for one step of the optimizer, and where they meet is not known";
    }
    return "";
}

Result<RecordedLoop> LoopReader::finish() {
    if (in_step_) drop_step();
    const std::size_t count = walls_.size();
    if (leaves_work_behind() && !whole_step_) {
        return fail(
            ErrorCode::unsupported,
            "its steps do not end with a wait for the accelerator, as after loss.item() behind the optimizer, so "
            "what that takes for one is not known; headrace audit --probe measures it");
    }
    if (without_fetch_ * 100 > count) {
        return fail(ErrorCode::not_enough_data, "what its loader's workers did was not recorded");
    }
    recorded_.loop.steps.resize(count);
    known_.assign(count, false);
    const double received = receive();
    const std::optional<Shares> typical = divide_steps(received);
    if (!typical) return fail(ErrorCode::not_enough_data, "the CPU time of its steps was not recorded");
    set_steps(*typical);
    if (const std::string_view why = unlike_ranks(); !why.empty()) {
        return fail(ErrorCode::unsupported, std::string(why));
    }
    const Pass& pass = trainer_.passes[recorded_.pass];
    if (!pass.workers.empty()) {
        recorded_.send = send();
        ways_.set(recorded_.loop, received, *recorded_.send);
    }
    recorded_.loop.configuration.workers = static_cast<unsigned>(pass.workers.size());
    recorded_.loop.configuration.prefetch_factor = static_cast<unsigned>(loader_.prefetch_factor.value_or(2));
    recorded_.loop.configuration.threads = typical->threads;
    recorded_.loop.configuration.spin = typical->spin;
    recorded_.loop.configuration.gang = contention_.gang;
    recorded_.loop.configuration.ranks = static_cast<unsigned>(ranks_);
    recorded_.loop.cores =
        replay::Cores::alike(std::max(1.0, recording_.run.info.machine.cores_usable), contention_.added_by_a_core);
    calm();
    if (leaves_work_behind()) wait_for_device(*whole_step_);
    return std::move(recorded_);
}

// What the replay has no model of, in words; empty where it has one.
std::string unlike_the_model(const Recording& recording, const Trainer& trainer, const RankGroup& group) {
    if (trainer.world > group.ranks) return "the other ranks of its group were not recorded with it";
    if (group.ranks > 1 && recording.uses_device()) return "several ranks on accelerators are not predicted yet";
    if (!trainer.background.empty()) return "a thread of the program loads batches ahead";
    std::set<std::size_t> loaders;
    for (const Pass& pass : trainer.passes) {
        if (pass.training && !pass.used) return "its loader's configuration was not seen";
        // Two workers that trained on everything twice would be a mistake of the program.
        if (pass.training && pass.workers.size() < 2 && is_iterable(trainer.loaders[*pass.used].config)) {
            return "its samples come from an IterableDataset, which each worker would repeat unless it divides itself";
        }
        if (pass.training) loaders.insert(*pass.used);
    }
    if (loaders.empty()) return "its batches come from no DataLoader";
    if (loaders.size() > 1) return "it trains on the batches of several loaders, or of one that was changed";
    if (!in_order(trainer.loaders[*loaders.begin()].config)) return "its loader delivers batches out of order";
    return "";
}

}  // namespace

Result<RecordedLoop> recorded_loop(const Recording& recording, const Trainer& trainer, const LoopContext& context) {
    if (!trainer.trained) return fail(ErrorCode::unsupported, "no training step was seen");
    if (std::string why = unlike_the_model(recording, trainer, context.group); !why.empty()) {
        return fail(ErrorCode::unsupported, std::move(why));
    }
    const Pass& pass =
        *std::find_if(trainer.passes.begin(), trainer.passes.end(), [](const Pass& one) { return one.training; });
    LoopReader reader(recording, trainer, trainer.loaders[*pass.used].config, context);
    SyncCut ranks(context.group.waits);
    const auto take = [&](const Segment& segment) { reader.take(segment); };
    paint(recording, trainer, [&](const Segment& segment) { ranks.cut(segment, take); });
    return reader.finish();
}

}  // namespace headrace::audit
