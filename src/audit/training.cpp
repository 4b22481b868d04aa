#include "audit/training.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "audit/evaluation.h"
#include "audit/marks.h"

namespace headrace::audit {
namespace {

std::vector<std::size_t> threads_of(const Recording& recording, const Life& life) {
    std::vector<std::size_t> found;
    const std::span<const std::size_t> threads = recording.threads_in(life.pid);
    std::copy_if(threads.begin(), threads.end(), std::back_inserter(found),
                 [&](std::size_t thread) { return recording.threads[thread].life == life.number; });
    return found;
}

unsigned last_life(const Recording& recording, std::uint32_t pid) {
    unsigned last = 0;
    for (const std::size_t thread : recording.threads_in(pid)) last = std::max(last, recording.threads[thread].life);
    return last;
}

// Its last record.
Nanoseconds end_of_life(const Recording& recording, const Life& life) {
    Nanoseconds last = recording.run.info.started_ns;
    for (const std::size_t thread : threads_of(recording, life)) {
        last = std::max({last, recording.run.threads[thread].opened, recording.threads[thread].last_end});
    }
    return last;
}

std::optional<std::size_t> main_thread(const Recording& recording, const Life& life) {
    const std::vector<std::size_t> threads = threads_of(recording, life);
    for (const std::size_t thread : threads) {
        if (recording.run.threads[thread].main_thread) {
            return thread;
        }
    }
    return threads.empty() ? std::nullopt : std::optional(threads.front());
}

void note_process(const Recording& recording, Trainer& trainer) {
    trainer.shim = trainer.window.begin;
    for (const std::size_t thread : threads_of(recording, trainer.life)) {
        const ThreadFacts& facts = recording.threads[thread];
        if (facts.interpreter) {
            trainer.shim = std::clamp(*facts.interpreter, trainer.window.begin, trainer.window.end);
        }
        if (facts.teardown) {
            trainer.teardown = facts.teardown;
        }
        if (facts.group) {
            trainer.rank = static_cast<int>(std::min<std::uint64_t>(facts.group->first, 1 << 30));
            trainer.world = facts.group->second;
        }
        trainer.torch = trainer.torch || facts.torch;
    }
}

// The thread of each life that trains.
using TrainingThreads = std::map<Life, std::size_t>;

// A program that trains and then replaces itself has a ledger for each of its lives that trains. What is before the
// first one belongs to its launch, and what comes after the last one to nothing that is known.
void bound_life(const Recording& recording, const TrainingThreads& training, Trainer& trainer) {
    const Life own = trainer.life;
    const Nanoseconds end = end_of_life(recording, own);
    const auto next = training.upper_bound(own);
    auto before = training.lower_bound(own);
    if (before != training.begin() && (--before)->first.pid == own.pid) {
        trainer.window.begin = std::min(end_of_life(recording, before->first), trainer.window.end);
    }
    trainer.replaced = own.number < last_life(recording, own.pid);
    if (next != training.end() && next->first.pid == own.pid) {
        trainer.process_end = trainer.window.end = std::clamp(end, trainer.window.begin, trainer.window.end);
    } else if (trainer.replaced) {
        trainer.lost = end;
    }
}

Trainer make_trainer(const Recording& recording, std::optional<std::size_t> thread, const Life& life,
                     const TrainingThreads& training) {
    const RunInfo& info = recording.run.info;
    Trainer trainer;
    trainer.thread = thread;
    trainer.life = life;
    trainer.window.begin = info.started_ns;
    if (thread) {
        const ThreadRecord& record = recording.run.threads[*thread];
        trainer.rank = record.rank;
        if (life.pid != info.child_pid) {
            trainer.window.begin = std::max(record.process_start, info.started_ns);
        }
        const std::optional<std::size_t> main = main_thread(recording, life);
        trainer.main = main != thread ? main : std::nullopt;
    }
    trainer.process_end = end_of_process(recording, life.pid);
    trainer.window.end =
        std::max(trainer.window.begin, std::min(trainer.process_end, recording.stopped.value_or(never)));
    bound_life(recording, training, trainer);
    note_process(recording, trainer);
    return trainer;
}

// What the first look at a trainer's spans gives: its passes, and what the next looks need to know.
struct FirstLook {
    bool optimizers = false;                       // there are optimizer objects
    bool requests = false;                         // there are training batches
    std::optional<Nanoseconds> first_computation;  // a forward or backward
};

// It cannot have taken longer than there was time, whatever the record says.
void add_shim_cost(Trainer& trainer, std::uint64_t nanoseconds) {
    const auto most = static_cast<std::uint64_t>(trainer.window.end - trainer.window.begin);
    const std::uint64_t sum = static_cast<std::uint64_t>(trainer.shim_cost) + std::min(nanoseconds, most);
    trainer.shim_cost = static_cast<Nanoseconds>(std::min(sum, most));
}

FirstLook find_passes(const Recording& recording, Trainer& trainer) {
    FirstLook look;
    PassFinder finder;
    each_span(recording, trainer, [&](const Span& span) {
        finder.see(span);
        look.optimizers = look.optimizers || kind(span) == Kind::optimizer;
        if (!look.first_computation && (kind(span) == Kind::forward || kind(span) == Kind::backward)) {
            look.first_computation = span.start;
        }
        if (kind(span) == Kind::interpreter) add_shim_cost(trainer, span.a);
        trainer.marked_input = trainer.marked_input || entry_of_phase(span) == Entry::input_wait;
    });
    trainer.passes = finder.finish();
    trainer.loaders = finder.loaders();
    look.requests =
        std::any_of(trainer.passes.begin(), trainer.passes.end(), [](const Pass& pass) { return pass.training; });
    return look;
}

// The threads that took batches from a loader while another thread of their process trained or evaluated.
void find_background(const Recording& recording, Trainer& trainer) {
    for (const std::size_t thread : threads_of(recording, trainer.life)) {
        if (thread == *trainer.thread || !recording.threads[thread].takes_batches) {
            continue;
        }
        Trainer background;
        background.thread = thread;
        background.life = trainer.life;
        background.window = trainer.window;
        background.process_end = trainer.process_end;
        find_passes(recording, background);
        trainer.background.push_back(std::move(background));
    }
    trainer.handovers = !trainer.background.empty();  // otherwise what came out of a queue was no batch
}

// A step ends with the last optimizer step (or, with no optimizer object, the last backward) before the next training
// batch is asked for, or before an optimizer steps again that has stepped in it: a loop need not ask a loader for each
// batch, and may have several optimizers. It may also go on with new ones (another fold): where all those of the step
// before have stepped, another begins a step. Batches whose gradients are only accumulated belong to the step that
// follows.
void find_steps(const Recording& recording, Trainer& trainer, const FirstLook& look) {
    const Kind update = look.optimizers ? Kind::optimizer : Kind::backward;
    PassNumbers numbers;
    std::optional<Span> last;           // update that no request has followed yet
    std::vector<std::uint64_t> since;   // the optimizers that stepped since the last step's end
    std::vector<std::uint64_t> before;  // those of that step
    const auto end_step = [&] {
        if (last && !last->open) {
            trainer.steps.push_back(end_of(*last));
        }
        last.reset();
        before.swap(since);
        since.clear();
    };
    const auto begins_another = [&](const Span& span) {
        if (!look.optimizers) return !look.requests;  // a backward for each of several losses is one step
        if (std::find(since.begin(), since.end(), span.a) != since.end()) return true;
        return !look.requests && !since.empty() && since.size() == before.size() &&
               std::is_permutation(since.begin(), since.end(), before.begin());
    };
    each_span(recording, trainer, [&](const Span& span) {
        const std::optional<std::size_t> pass = numbers.see(span);
        if (is_wait(span) && trainer.passes[*pass].training) {
            end_step();
        } else if (kind(span) == update) {
            if (begins_another(span)) {
                end_step();
            }
            since.push_back(span.a);
            last = span;
        }
    });
    end_step();
    std::sort(trainer.steps.begin(), trainer.steps.end());
}

void find_beginning(Trainer& trainer, const FirstLook& look) {
    for (const Pass& pass : trainer.passes) {
        if (pass.training) {
            trainer.loader_begin = std::min(trainer.loader_begin.value_or(pass.iter_begin), pass.iter_begin);
            trainer.first_batch = std::min(trainer.first_batch.value_or(pass.first_batch), pass.first_batch);
        }
    }
    if (!trainer.loader_begin && !trainer.steps.empty()) {  // the first step begins with its first forward or backward
        trainer.loader_begin = trainer.first_batch = look.first_computation;
    }
}

// The first computation may have been that of an evaluation, where no loader says when the loop began.
void begin_after_evaluations(Trainer& trainer) {
    for (const Range& evaluation : trainer.evaluations) {
        if (trainer.first_batch && evaluation.end <= trainer.steps.front()) {
            trainer.first_batch = std::max(*trainer.first_batch, evaluation.end);
        }
    }
    trainer.loader_begin = trainer.first_batch;
}

// Where nothing came of a program because its first batch is stuck or failed, its set-up ended with its loader.
void begin_in_vain(Trainer& trainer) {
    const auto gave = [](const Pass& pass) { return pass.came == Came::batches; };
    const auto fed = [&](const Trainer& one) { return std::any_of(one.passes.begin(), one.passes.end(), gave); };
    if (fed(trainer) || std::any_of(trainer.background.begin(), trainer.background.end(), fed)) return;
    const auto first = std::find_if(trainer.passes.begin(), trainer.passes.end(),
                                    [](const Pass& pass) { return pass.came == Came::in_vain; });
    if (first == trainer.passes.end()) return;
    trainer.loader_begin = first->iter_begin;
    trainer.first_batch = first->first_batch;
}

// Evaluations, what the program marked, and where its activity ended.
void find_rest(const Recording& recording, Trainer& trainer) {
    EvaluationFinder evaluations(trainer);
    Marks marks(trainer);
    PassNumbers numbers;
    Nanoseconds recorded = trainer.window.begin;
    each_span(recording, trainer, [&](const Span& span) {
        const std::optional<std::size_t> pass = numbers.see(span);
        evaluations.see(span, pass ? &trainer.passes[*pass] : nullptr);
        marks.see(span);
        recorded = std::max(recorded, span.open ? 0 : end_of(span));  // the header shows what is open after the end too
        if (is_wait(span) || kind(span) == Kind::checkpoint) {
            trainer.last_activity = std::max(trainer.last_activity, end_of(span));
        }
    });
    trainer.evaluations = evaluations.finish();
    if (!trainer.trained && !trainer.evaluations.empty()) {  // its set-up ends there
        trainer.loader_begin = trainer.first_batch = trainer.evaluations.front().begin;
    }
    if (!trainer.trained && trainer.evaluations.empty()) begin_in_vain(trainer);
    marks.finish(trainer);
    if (recording.run.threads[*trainer.thread].full) {
        trainer.lost = std::min(trainer.lost.value_or(recorded), recorded);
    }
    for (const Range& evaluation : trainer.evaluations) {
        trainer.last_activity = std::max(trainer.last_activity, evaluation.end);
    }
}

// The thread of a life that trains: the one with most optimizer steps, or backwards where there is no optimizer.
TrainingThreads training_threads(const Recording& recording) {
    TrainingThreads best;
    std::map<Life, std::uint64_t> score;
    for (std::size_t thread = 0; thread < recording.threads.size(); ++thread) {
        const ThreadFacts& facts = recording.threads[thread];
        if (facts.backwards == 0 || facts.worker) {
            continue;
        }
        const Life life{recording.run.threads[thread].pid, facts.life};
        const std::uint64_t points = facts.backwards + 1000000 * facts.optimizers;
        if (points > score[life]) {
            score[life] = points;
            best[life] = thread;
        }
    }
    return best;
}

// The process with most forwards, no loader's worker; none where the command's own process has some, or no process has.
std::optional<std::uint32_t> evaluating_process(const Recording& recording) {
    std::map<std::uint32_t, std::uint64_t> forwards;
    for (std::size_t thread = 0; thread < recording.threads.size(); ++thread) {
        const ThreadFacts& facts = recording.threads[thread];
        forwards[recording.run.threads[thread].pid] += facts.worker ? 0 : facts.forwards;
    }
    const auto most = std::max_element(forwards.begin(), forwards.end(),
                                       [](const auto& x, const auto& y) { return x.second < y.second; });
    if (most == forwards.end() || most->second == 0 || forwards[recording.run.info.child_pid] != 0) {
        return std::nullopt;
    }
    return most->first;
}

// Nothing trained: the command's own process, or the one it started (torchrun) that ran a model, or the first that
// recorded.
Trainer find_command(const Recording& recording) {
    const Run& run = recording.run;
    std::uint32_t pid = run.info.child_pid;
    if (const std::optional<std::uint32_t> evaluating = evaluating_process(recording)) {
        pid = *evaluating;
    } else if (recording.threads_in(pid).empty() && !run.threads.empty()) {
        const auto first = std::min_element(
            run.threads.begin(), run.threads.end(),
            [](const ThreadRecord& x, const ThreadRecord& y) { return x.process_start < y.process_start; });
        pid = first->pid;
    }
    const Life life{pid, last_life(recording, pid)};
    Trainer trainer = make_trainer(recording, main_thread(recording, life), life, {});
    if (trainer.thread) {
        find_background(recording, trainer);
        find_passes(recording, trainer);
        find_rest(recording, trainer);
    }
    return trainer;
}

}  // namespace

void unite(std::vector<Range>& ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& x, const Range& y) { return x.begin < y.begin; });
    std::vector<Range> united;
    for (const Range& range : ranges) {
        if (!united.empty() && range.begin <= united.back().end) {
            united.back().end = std::max(united.back().end, range.end);
        } else {
            united.push_back(range);
        }
    }
    ranges = std::move(united);
}

TrainerSpans::TrainerSpans(const Recording& recording, const Trainer& trainer)
    : end_(trainer.window.end), handovers_(trainer.handovers) {
    if (trainer.thread) {
        own_.emplace(recording, *trainer.thread, trainer.process_end);
        opened_ = recording.run.threads[*trainer.thread].opened;
    }
    if (trainer.main) {
        main_.emplace(recording, *trainer.main, trainer.process_end);
    }
}

const Span* TrainerSpans::peek() {
    const Span* own = own_ ? own_->peek() : nullptr;
    while (own != nullptr && (own->start >= end_ || (kind(*own) == Kind::handover && !handovers_))) {
        own_->pop();
        own = own_->peek();
    }
    const Span* main = main_ ? main_->peek() : nullptr;
    while (main != nullptr && (end_of(*main) > opened_ || main->start >= end_)) {
        if (main->start > opened_) {
            main_.reset();
            main = nullptr;
        } else {
            main_->pop();
            main = main_->peek();
        }
    }
    const bool from_main = main != nullptr && (own == nullptr || begins_before(*main, *own));
    current_ = from_main ? &*main_ : own_ ? &*own_ : nullptr;
    return from_main ? main : own;
}

std::vector<Trainer> find_trainers(const Recording& recording) {
    std::vector<Trainer> trainers;
    const TrainingThreads training = training_threads(recording);
    for (const auto& [life, thread] : training) {
        Trainer trainer = make_trainer(recording, thread, life, training);
        find_background(recording, trainer);
        const FirstLook look = find_passes(recording, trainer);
        find_steps(recording, trainer, look);
        if (trainer.steps.empty()) {
            continue;
        }
        trainer.trained = true;
        find_beginning(trainer, look);
        find_rest(recording, trainer);
        if (!look.requests) {
            begin_after_evaluations(trainer);
        }
        trainers.push_back(std::move(trainer));
    }
    std::stable_sort(trainers.begin(), trainers.end(), [](const Trainer& x, const Trainer& y) {
        const int first = x.rank.value_or(1 << 30), second = y.rank.value_or(1 << 30);
        return first != second ? first < second : x.window.begin < y.window.begin;
    });
    if (trainers.empty()) {
        trainers.push_back(find_command(recording));
    }
    return trainers;
}

}  // namespace headrace::audit
