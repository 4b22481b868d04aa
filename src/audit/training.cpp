#include "audit/training.h"

#include <algorithm>
#include <limits>
#include <set>

#include "audit/evaluation.h"
#include "audit/marks.h"

namespace headrace::audit {
namespace {

constexpr Nanoseconds never = std::numeric_limits<Nanoseconds>::max();

bool is_worker(const ThreadRecord& thread) {
    return std::any_of(thread.spans.begin(), thread.spans.end(),
                       [](const Span& span) { return kind(span) == Kind::worker_begin; });
}

std::size_t count(const ThreadRecord& thread, Kind wanted) {
    return static_cast<std::size_t>(
        std::count_if(thread.spans.begin(), thread.spans.end(), [&](const Span& s) { return kind(s) == wanted; }));
}

// The end of recording by --max-steps, which holds for every process.
Nanoseconds stop_time(const Run& run) {
    Nanoseconds stop = never;
    for (const ThreadRecord& thread : run.threads) {
        for (const Span& span : thread.spans) {
            stop = kind(span) == Kind::stopped ? std::min(stop, span.start) : stop;
        }
    }
    return stop;
}

const ThreadRecord* main_thread(const Run& run, std::uint32_t pid) {
    const ThreadRecord* first = nullptr;
    for (const ThreadRecord& thread : run.threads) {
        if (thread.pid == pid && (first == nullptr || (thread.main_thread && !first->main_thread))) {
            first = &thread;
        }
    }
    return first;
}

// Outer before inner where they begin together: the order in which a stack of intervals is walked.
void sort_outer_first(std::vector<const Span*>& spans) {
    std::stable_sort(spans.begin(), spans.end(), [](const Span* x, const Span* y) {
        return x->start != y->start ? x->start < y->start : x->duration > y->duration;
    });
}

void take_spans(const Run& run, Trainer& trainer) {
    for (const Span& span : trainer.thread->spans) {
        trainer.spans.push_back(&span);
    }
    const ThreadRecord* main = main_thread(run, trainer.pid);
    if (main != trainer.thread && main != nullptr) {
        for (const Span& span : main->spans) {
            if (end_of(span) <= trainer.thread->opened) {
                trainer.spans.push_back(&span);
            }
        }
    }
    std::erase_if(trainer.spans, [&](const Span* span) { return span->start >= trainer.window.end; });
    sort_outer_first(trainer.spans);
}

void note_process(const Run& run, Trainer& trainer) {
    trainer.shim = trainer.window.begin;
    for (const ThreadRecord& thread : run.threads) {
        if (thread.pid != trainer.pid) {
            continue;
        }
        for (const Span& span : thread.spans) {
            if (kind(span) == Kind::interpreter) {
                trainer.shim = std::clamp(span.start, trainer.window.begin, trainer.window.end);
            } else if (kind(span) == Kind::teardown) {
                trainer.teardown = span.start;
            } else if (kind(span) == Kind::group) {
                trainer.rank = static_cast<int>(std::min<std::uint64_t>(span.a, 1 << 30));
                trainer.world = span.b;
            } else if (kind(span) == Kind::text && span.b == static_cast<std::uint64_t>(spool::TextKind::framework)) {
                trainer.torch = true;
            }
        }
    }
}

Trainer make_trainer(const Run& run, const ThreadRecord* thread, std::uint32_t pid) {
    Trainer trainer;
    trainer.thread = thread;
    trainer.pid = pid;
    trainer.window.begin = run.info.started_ns;
    if (thread != nullptr) {
        trainer.rank = thread->rank;
        if (pid != run.info.child_pid) {
            trainer.window.begin = std::max(thread->process_start, run.info.started_ns);
        }
    }
    trainer.window.end = std::max(trainer.window.begin, std::min(end_of_process(run, pid), stop_time(run)));
    note_process(run, trainer);
    if (thread != nullptr) {
        take_spans(run, trainer);
    }
    return trainer;
}

Pass* pass_of(Trainer& trainer, std::uint64_t iterator) {
    for (auto pass = trainer.passes.rbegin(); pass != trainer.passes.rend(); ++pass) {
        if (pass->iterator == iterator) {
            return &*pass;
        }
    }
    return nullptr;
}

// A pass that goes on with the workers of an earlier one is another generation of them.
void count_generations(Trainer& trainer) {
    for (std::size_t i = 1; i < trainer.passes.size(); ++i) {
        for (std::size_t j = i; j-- > 0;) {
            const Pass& earlier = trainer.passes[j];
            if (!earlier.workers.empty() && earlier.workers == trainer.passes[i].workers) {
                trainer.passes[i].generation = earlier.generation + 1;
                break;
            }
        }
    }
}

void find_passes(Trainer& trainer) {
    for (const Span* span : trainer.spans) {
        if (kind(*span) == Kind::iter) {
            Pass pass;
            pass.loader = span->a;
            pass.iterator = span->b;
            pass.iter_begin = span->start;
            pass.iter_end = end_of(*span);
            trainer.passes.push_back(pass);
        } else if (kind(*span) == Kind::worker) {
            if (Pass* pass = pass_of(trainer, span->a)) {
                pass->workers.push_back(static_cast<std::uint32_t>(span->b & 0xffffffffU));
            }
        } else if (is_wait(*span)) {
            Pass* pass = pass_of(trainer, span->a);
            if (pass == nullptr) {
                Pass unseen;
                unseen.iterator = span->a;
                unseen.iter_begin = unseen.iter_end = span->start;
                trainer.passes.push_back(unseen);
                pass = &trainer.passes.back();
            }
            pass->waits.push_back(span);
            trainer.waits.push_back(span);
        }
    }
    count_generations(trainer);
}

// The threads that took batches from a loader while another thread of their process trained.
void find_background(const Run& run, Trainer& trainer) {
    for (const ThreadRecord& thread : run.threads) {
        const bool gives = thread.pid == trainer.pid && &thread != trainer.thread &&
                           std::any_of(thread.spans.begin(), thread.spans.end(), [](const Span& span) {
                               return kind(span) == Kind::wait && span.b != spool::wait_ended;
                           });
        if (!gives) {
            continue;
        }
        Trainer background;
        background.thread = &thread;
        background.pid = trainer.pid;
        background.window = trainer.window;
        for (const Span& span : thread.spans) {
            background.spans.push_back(&span);
        }
        std::erase_if(background.spans, [&](const Span* span) { return span->start >= trainer.window.end; });
        sort_outer_first(background.spans);
        find_passes(background);
        trainer.background.push_back(std::move(background));
    }
    if (trainer.background.empty()) {  // what came out of a queue was no batch
        std::erase_if(trainer.spans, [](const Span* span) { return kind(*span) == Kind::handover; });
    }
}

std::vector<const Span*> of_kind(const Trainer& trainer, Kind wanted) {
    std::vector<const Span*> found;
    std::copy_if(trainer.spans.begin(), trainer.spans.end(), std::back_inserter(found),
                 [&](const Span* span) { return kind(*span) == wanted; });
    return found;
}

bool any_begins_in(const std::vector<const Span*>& spans, Nanoseconds begin, Nanoseconds end) {
    const auto first = std::lower_bound(spans.begin(), spans.end(), begin,
                                        [](const Span* span, Nanoseconds t) { return span->start < t; });
    return first != spans.end() && (*first)->start < end;
}

// A loader whose batches come between the batches of a training pass, about one for each, feeds the same steps.
bool accompanies(const Pass& pass, const Pass& training) {
    std::set<std::size_t> gaps;
    for (const Span* wait : pass.waits) {
        const auto after = std::upper_bound(training.waits.begin(), training.waits.end(), wait->start,
                                            [](Nanoseconds t, const Span* span) { return t < span->start; });
        gaps.insert(static_cast<std::size_t>(after - training.waits.begin()));
    }
    return pass.waits.size() >= 3 && static_cast<double>(gaps.size()) >= 0.9 * static_cast<double>(pass.waits.size());
}

void mark_training_passes(Trainer& trainer) {
    const std::vector<const Span*> backwards = of_kind(trainer, Kind::backward);
    const std::vector<const Span*>& waits = trainer.waits;
    for (Pass& pass : trainer.passes) {
        for (const Span* wait : pass.waits) {
            const auto next = std::upper_bound(waits.begin(), waits.end(), wait->start,
                                               [](Nanoseconds t, const Span* span) { return t < span->start; });
            const Nanoseconds until = next != waits.end() ? (*next)->start : never;
            if (wait->b != spool::wait_ended && any_begins_in(backwards, end_of(*wait), until)) {
                pass.training = true;
                break;
            }
        }
    }
    for (Pass& pass : trainer.passes) {
        pass.training = pass.training || std::any_of(trainer.passes.begin(), trainer.passes.end(), [&](const Pass& t) {
                            return t.training && t.waits.size() >= 3 && accompanies(pass, t);
                        });
    }
}

// A step ends with the last optimizer step (or, with no optimizer object, the last backward) before the next training
// batch is asked for. Batches whose gradients are only accumulated belong to the step that follows.
void find_steps(Trainer& trainer) {
    std::vector<const Span*> updates = of_kind(trainer, Kind::optimizer);
    if (updates.empty()) {
        updates = of_kind(trainer, Kind::backward);
    }
    std::vector<Nanoseconds> requests;
    for (const Pass& pass : trainer.passes) {
        for (const Span* wait : pass.waits) {
            if (pass.training) {
                requests.push_back(wait->start);
            }
        }
    }
    std::sort(requests.begin(), requests.end());
    for (std::size_t i = 0; i < updates.size(); ++i) {
        const Nanoseconds end = end_of(*updates[i]);
        const auto request = std::upper_bound(requests.begin(), requests.end(), updates[i]->start);
        const bool last = i + 1 == updates.size() || requests.empty() ||
                          (request != requests.end() && *request <= updates[i + 1]->start);
        if (last && !updates[i]->open) {
            trainer.steps.push_back(end);
        }
    }
}

void find_beginning(Trainer& trainer) {
    for (const Pass& pass : trainer.passes) {
        if (!pass.training) {
            continue;
        }
        if (!trainer.loader_begin || pass.iter_begin < *trainer.loader_begin) {
            trainer.loader_begin = pass.iter_begin;
        }
        const Nanoseconds batch = end_of(*pass.waits.front());
        trainer.first_batch = std::min(trainer.first_batch.value_or(batch), batch);
    }
    if (trainer.loader_begin || trainer.steps.empty()) {
        return;
    }
    for (const Span* span : trainer.spans) {  // no loader: the first step begins with its first forward or backward
        if (kind(*span) == Kind::forward || kind(*span) == Kind::backward) {
            trainer.loader_begin = trainer.first_batch = span->start;
            return;
        }
    }
}

// The thread of a process that trains: the one with most optimizer steps, or backwards where there is no optimizer.
std::map<std::uint32_t, const ThreadRecord*> training_threads(const Run& run) {
    std::map<std::uint32_t, const ThreadRecord*> best;
    std::map<std::uint32_t, std::size_t> score;
    for (const ThreadRecord& thread : run.threads) {
        const std::size_t backwards = count(thread, Kind::backward);
        if (backwards == 0 || is_worker(thread)) {
            continue;
        }
        const std::size_t points = backwards + 1000000 * count(thread, Kind::optimizer);
        if (points > score[thread.pid]) {
            score[thread.pid] = points;
            best[thread.pid] = &thread;
        }
    }
    return best;
}

}  // namespace

Nanoseconds end_of_process(const Run& run, std::uint32_t pid) {
    if (pid == run.info.child_pid && run.info.ended_ns) {
        return *run.info.ended_ns;
    }
    Nanoseconds end = 0;
    for (const ProcessRecord& process : run.processes) {
        if (process.pid == pid && process.end) {
            end = *process.end;
        }
    }
    Nanoseconds last = run.info.started_ns;
    for (const ThreadRecord& thread : run.threads) {
        if (thread.pid == pid) {
            last = std::max(last, thread.opened);
            for (const Span& span : thread.spans) {
                last = std::max(last, end_of(span));
            }
        }
    }
    return end != 0 ? std::max(end, last) : last;
}

std::vector<Trainer> find_trainers(const Run& run) {
    std::vector<Trainer> trainers;
    for (const auto& [pid, thread] : training_threads(run)) {
        Trainer trainer = make_trainer(run, thread, pid);
        find_background(run, trainer);
        find_passes(trainer);
        mark_training_passes(trainer);
        find_steps(trainer);
        find_beginning(trainer);
        trainer.trained = !trainer.steps.empty();
        find_evaluations(trainer);
        take_marks(trainer);
        trainers.push_back(std::move(trainer));
    }
    std::erase_if(trainers, [](const Trainer& trainer) { return !trainer.trained; });
    std::stable_sort(trainers.begin(), trainers.end(), [](const Trainer& x, const Trainer& y) {
        const int first = x.rank.value_or(1 << 30), second = y.rank.value_or(1 << 30);
        return first != second ? first < second : x.window.begin < y.window.begin;
    });
    if (trainers.empty()) {
        std::uint32_t pid = run.info.child_pid;
        if (main_thread(run, pid) == nullptr && !run.threads.empty()) {
            const auto first = std::min_element(
                run.threads.begin(), run.threads.end(),
                [](const ThreadRecord& x, const ThreadRecord& y) { return x.process_start < y.process_start; });
            pid = first->pid;
        }
        Trainer trainer = make_trainer(run, main_thread(run, pid), pid);
        find_passes(trainer);
        take_marks(trainer);
        trainers.push_back(std::move(trainer));
    }
    return trainers;
}

}  // namespace headrace::audit
