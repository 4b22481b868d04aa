#include "capture/fetch.h"

#include "capture/costs.h"

namespace headrace::capture {
namespace {

using spool::Kind;

constexpr std::uint64_t short_sample = 20'000;   // nanoseconds
constexpr std::uint64_t long_collate = 100'000;  // so long that its CPU time is read also in a light batch
constexpr unsigned light_run = 16;
constexpr unsigned most_slow = 2;           // of the brief batches of a run: one is slow after any pause of the program
constexpr std::uint64_t brief = 1'000'000;  // a thread that loses its core loses it for longer than this

std::uint64_t at_most(std::uint64_t value, std::uint64_t most) { return value < most ? value : most; }

// With no more slices than before a thread kept its core: its CPU time is its wall time, and it was in no queue.
bool kept_core(const Scheduled& begin, const Scheduled& end) { return begin.slices != 0 && begin.slices == end.slices; }

std::uint64_t length_of(PyObject* list, std::uint64_t otherwise) {
    return list != nullptr && PyList_Check(list) ? static_cast<std::uint64_t>(PyList_Size(list)) : otherwise;
}

// Counts of the kernel never go back, but one that cannot be read any more is 0.
std::uint64_t since(std::uint64_t now, std::uint64_t before) { return now > before ? now - before : 0; }

bool collates_by_itself(PyObject* fetcher) {
    PyObject* automatic = fetcher != nullptr ? PyObject_GetAttrString(fetcher, "auto_collation") : nullptr;
    PyErr_Clear();
    Py_XDECREF(automatic);
    return automatic == Py_True;
}

// What is known of this fetcher; of the one that was met first among the last ones, nothing, where it is new.
Pace* pace_of(Thread* t, PyObject* fetcher) {
    const auto address = reinterpret_cast<std::uint64_t>(fetcher);
    if (t->pace != nullptr && t->pace->fetcher == address) {
        return t->pace;
    }
    for (Pace& pace : t->paces) {
        if (pace.fetcher == address) {
            return &pace;
        }
    }
    Pace* pace = &t->paces[t->next_pace++ % most_paces];
    *pace = Pace{};
    pace->fetcher = address;
    return pace;
}

struct Cost {
    std::uint64_t cpu;
    std::uint64_t queue;
};

// Whether a brief batch took longer than those take that keep their core.
bool is_slow(const Thread* t, std::uint64_t end) {
    return end - t->batch.start > 2 * t->pace->usual_fetch + short_sample;
}

// Of a part of a slow brief batch, nothing of which was read at its begin. What it took beyond the usual was without a
// core where the thread lost it since the last look, and in the run queue as far as the time there allows it.
Cost cost_of_slow(const Thread* t, const Scheduled& seen, std::uint64_t wall) {
    const std::uint64_t beyond = kept_core(t->last_scheduled, seen) ? 0 : wall - at_most(t->pace->usual_fetch, wall);
    return {wall - beyond, at_most(beyond, since(seen.run_queue, t->last_scheduled.run_queue))};
}

Cost cost_of_brief_collate(Thread* t, std::uint64_t wall, std::uint64_t end) {
    return is_slow(t, end) ? cost_of_slow(t, scheduled(t), wall) : Cost{wall, 0};
}

Cost cost_of_brief_fetch(Thread* t, std::uint64_t wall, std::uint64_t end) {
    if (!is_slow(t, end)) {
        return {wall, 0};
    }
    const Scheduled seen = scheduled(t);
    const Cost cost = cost_of_slow(t, seen, wall);
    t->last_scheduled = seen;
    t->pace->quick_run = false;
    t->pace->met_slow = true;
    if (++t->pace->slow_fetches == most_slow) {
        t->pace->light_kept_core = false;
        t->pace->brief_run = false;
    }
    return cost;
}

Cost cost_of_light_fetch(Thread* t, std::uint64_t wall, std::uint64_t end) {
    const Batch& b = t->batch;
    if (b.brief) {
        return cost_of_brief_fetch(t, wall, end);
    }
    t->last_scheduled = b.collated ? b.collated_at : scheduled(t);  // nothing follows the collation
    if (kept_core(b.scheduled_0, t->last_scheduled)) {
        t->pace->usual_fetch = wall;
        t->pace->usual_collate = at_most(b.collate_wall, wall);
        return {wall, 0};
    }
    t->pace->light_kept_core = false;
    return {thread_cpu() - b.cpu_0, since(t->last_scheduled.run_queue, b.scheduled_0.run_queue)};
}

std::uint64_t share_of(std::uint64_t part, std::uint64_t whole, std::uint64_t value) {
    return static_cast<std::uint64_t>(static_cast<double>(part) / static_cast<double>(whole) *
                                      static_cast<double>(value));
}

// Of a quick batch that was slow, its collation as far as that is known.
void estimate_collate(Thread* t, const Cost& cost, std::uint64_t wall, std::uint64_t end) {
    const Pace& pace = *t->pace;
    Batch& b = t->batch;
    b.collate_wall = share_of(pace.usual_collate, pace.usual_fetch, wall);
    b.collate_cpu = share_of(pace.usual_collate, pace.usual_fetch, cost.cpu);
    b.collate_queue = share_of(pace.usual_collate, pace.usual_fetch, cost.queue);
    append(t, Kind::collate, end - b.collate_wall, b.collate_wall, b.collate_cpu, b.collate_queue);
}

// Its samples are all that is not its collate. What such a batch reads is known from the timed ones.
void end_light_fetch(Thread* t, std::uint64_t start, std::uint64_t end) {
    const Batch& b = t->batch;
    const std::uint64_t wall = end - start;
    if (b.quick && !is_slow(t, end)) {
        append(t, Kind::brief_fetch, start, wall, share_of(t->pace->usual_collate, t->pace->usual_fetch, wall),
               b.samples);
        return;
    }
    const Cost cost = cost_of_light_fetch(t, wall, end);
    if (b.quick) {
        estimate_collate(t, cost, wall, end);
    }
    append(t, Kind::fetch, start, wall, cost.cpu, b.samples);
    append(t, Kind::fetch_samples, start, wall - at_most(b.collate_wall, wall),
           cost.cpu - at_most(b.collate_cpu, cost.cpu), cost.queue - at_most(b.collate_queue, cost.queue));
}

// What the fetch has used when its samples are made.
void end_samples(Thread* t, std::uint64_t run_queue) {
    Batch& b = t->batch;
    b.fetch_queue = since(run_queue, b.scheduled_0.run_queue);
    const CpuTotals totals = cpu_totals();
    b.fetch_user = totals.user - b.user_0;
    b.fetch_system = totals.system - b.system_0;
}

// Where the CPU time at its begin was not read, the collation had the share of the fetch's that it has of its time.
Cost cost_of_light_collate(Thread* t, std::uint64_t wall, std::uint64_t end) {
    Batch& b = t->batch;
    if (b.brief) {
        return cost_of_brief_collate(t, wall, end);
    }
    b.collated_at = scheduled(t);
    if (kept_core(b.scheduled_0, b.collated_at)) {
        return {wall, 0};
    }
    const std::uint64_t cpu_1 = thread_cpu();
    const std::uint64_t cpu = at_most(
        b.collate_cpu_0 != 0 ? cpu_1 - b.collate_cpu_0 : share_of(wall, end - b.start + 1, cpu_1 - b.cpu_0), wall);
    const std::uint64_t off_core = wall - cpu;
    // The samples before it are short: what they had no core for is not more than this.
    const std::uint64_t queue = since(b.collated_at.run_queue, b.scheduled_0.run_queue);
    return {cpu, off_core < short_sample ? 0 : at_most(queue, off_core)};
}

}  // namespace

bool begin_fetch(Thread* t, std::uint64_t start, PyObject* fetcher, PyObject* index, bool of_iterator) {
    Batch& b = t->batch;
    b = Batch{};
    b.start = start;
    Pace* pace = pace_of(t, fetcher);
    t->pace = pace;
    b.light = pace->last_sample != 0 && pace->last_sample < short_sample && ++pace->light_fetches < light_run;
    if (b.light) {
        b.samples = length_of(index, 1);
        b.counted_by_collate = (of_iterator || index == nullptr || !PyList_Check(index)) && collates_by_itself(fetcher);
        b.brief = pace->brief_run && pace->light_fetches > 1;
        b.quick = b.brief && pace->quick_run && !b.counted_by_collate;
        if (!b.brief) {
            b.scheduled_0 = scheduled(t);
            b.cpu_0 = thread_cpu();
        }
        return !b.quick;
    }
    // A worker's own reading between two fetches is a few bytes of its index queue.
    if (!t->is_worker || !t->has_fetched) {
        const Bytes bytes = bytes_read(t);
        b.requested_0 = bytes.requested;
        b.storage_0 = bytes.from_storage;
    } else {
        b.requested_0 = t->last_requested;
        b.storage_0 = t->last_storage;
    }
    t->has_fetched = true;
    const bool was_brief = pace->brief_run;
    pace->brief_run = pace->light_kept_core && pace->usual_fetch != 0 && pace->usual_fetch < brief;
    pace->quick_run = pace->brief_run && was_brief && !pace->met_slow;
    pace->light_kept_core = true;
    pace->slow_fetches = 0;
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    b.random = t->random;
    const CpuTotals totals = cpu_totals();
    b.user_0 = totals.user;
    b.system_0 = totals.system;
    b.scheduled_0 = scheduled(t);
    b.last_cpu = thread_cpu();
    b.cpu_0 = b.last_cpu;
    return true;
}

void end_fetch(Thread* t, std::uint64_t start, std::uint64_t end) {
    Batch& b = t->batch;
    if (b.light) {
        end_light_fetch(t, start, end);
        return;
    }
    const std::uint64_t cpu = thread_cpu();
    if (!b.collated) {
        end_samples(t, scheduled(t).run_queue);
    }
    t->pace->last_sample = b.samples != 0 ? b.sample_wall / b.samples + 1 : 0;
    const std::uint64_t stands_for = t->pace->light_fetches + 1;  // batches, for what was not read of the others
    t->pace->light_fetches = 0;
    const Bytes bytes = bytes_read(t);
    t->last_requested = bytes.requested;
    t->last_storage = bytes.from_storage;
    append(t, Kind::fetch, start, end - start, cpu - b.cpu_0, b.samples);
    append(t, Kind::fetch_samples, start, b.sample_wall, b.sample_cpu, b.fetch_queue);
    const std::uint64_t factor = t->is_worker ? 1 : stands_for;  // a worker's count goes on over the light batches
    append(t, Kind::fetch_io, start, 0, since(bytes.requested, b.requested_0) * factor,
           since(bytes.from_storage, b.storage_0) * factor);
    append(t, Kind::cpu, end, 0, b.fetch_user, b.fetch_system);
    if (b.samples != 0) {
        append(t, Kind::sample, b.single_start, b.single_wall, b.single_cpu, b.picked);
    }
}

void forget_paces(Thread* t) {
    for (Pace& pace : t->paces) {
        pace = Pace{};
    }
    t->pace = nullptr;
}

void begin_collate(Thread* t, PyObject* samples) {
    Batch& b = t->batch;
    if (b.light) {
        b.samples = b.counted_by_collate ? length_of(samples, b.samples) : b.samples;
        b.collate_cpu_0 = !b.brief && t->pace->last_collate >= long_collate ? thread_cpu() : 0;
        return;
    }
    b.collate_cpu_0 = thread_cpu();
    b.collate_queue_0 = scheduled(t).run_queue;
    if (!b.collated) {
        end_samples(t, b.collate_queue_0);
        b.collated = true;
    }
}

void end_collate(Thread* t, std::uint64_t start, std::uint64_t end) {
    Batch& b = t->batch;
    const std::uint64_t wall = end - start;
    const Cost cost = b.light ? cost_of_light_collate(t, wall, end)
                              : Cost{thread_cpu() - b.collate_cpu_0, since(scheduled(t).run_queue, b.collate_queue_0)};
    b.collated = true;
    b.collate_wall += wall;
    b.collate_cpu += cost.cpu;
    b.collate_queue += cost.queue;
    t->pace->last_collate = wall;
    append(t, Kind::collate, start, wall, cost.cpu, cost.queue);
}

}  // namespace headrace::capture
