#include "audit/waits.h"

#include <algorithm>
#include <utility>

namespace headrace::audit {
namespace {

// Not where the pass was at its end, the wait was broken off, or the program ended in it.
bool gave_batch(const Span& wait) { return !wait.open && wait.b != spool::wait_ended; }

// How long a fetch went on during a wait.
Nanoseconds time_in(const Fetch& fetch, const Span& wait) {
    return std::min(fetch.end, end_of(wait)) - std::max(fetch.begin, wait.start);
}

}  // namespace

WorkerFetches::WorkerFetches(const Recording& recording, const std::vector<Pass>& passes) : recording_(recording) {
    for (const Pass& pass : passes) {
        for (const std::uint32_t worker : pass.workers) {
            Nanoseconds& until = needed_until_[worker];
            until = std::max(until, pass.waits.empty() ? 0 : pass.waits.back());
        }
    }
}

void WorkerFetches::Worker::read_until(Nanoseconds time) {
    while (!at_end) {
        if (!has_next) {
            at_end = !spans.next(next);
            if (at_end) {
                return;
            }
            has_next = true;
        }
        if (kind(next) == Kind::put && next.start > time) {
            return;
        }
        has_next = false;
        see(next);
    }
}

void WorkerFetches::Worker::see(const Span& span) {
    const bool fetch = kind(span) == Kind::fetch || kind(span) == Kind::brief_fetch;
    if (fetch && first_begin == 0) first_begin = span.start;
    if (span.open) {
        if (fetch) open_fetch = span.start;
        if (kind(span) == Kind::collate) open_collate = span.start;
        return;
    }
    fetches.see(span);
    if (fetch) {
        handed_over = false;
        cpu += fetches.last()->cpu + fetches.last()->collate_cpu;
    } else if (kind(span) == Kind::resume) {
        ++generation;
    } else if (kind(span) == Kind::put) {
        handed_over = true;
        // What met the end of its samples is no batch, but may be what a wait was for.
        if (fetches.last())
            batches.push_back({generation, span.a == spool::no_batch ? ~0ULL : span.b, *fetches.last()});
    }
}

std::optional<Fetch> WorkerFetches::Worker::unfinished(Nanoseconds until) const {
    std::optional<Fetch> fetch;
    if (open_fetch) {
        fetch.emplace();
        fetch->unfinished = true;
        fetch->begin = *open_fetch;
        fetch->end = fetch->collate_end = std::max(until, *open_fetch);
        fetch->collate_begin = std::clamp(open_collate.value_or(fetch->end), fetch->begin, fetch->end);
    } else if (!handed_over) {
        fetch = fetches.last();
    }
    return fetch;
}

std::optional<Fetch> WorkerFetches::Worker::take(unsigned wanted, std::uint64_t number) {
    while (!batches.empty() && batches.front().generation < wanted) {  // of an epoch that was not finished
        batches.pop_front();
    }
    const auto found = std::find_if(batches.begin(), batches.end(), [&](const Batch& batch) {
        return batch.generation == wanted && batch.number == number;
    });
    if (found == batches.end()) {
        return std::nullopt;
    }
    const Fetch fetch = found->fetch;
    batches.erase(found);
    return fetch;
}

// What the worker's process used of the CPU, in nanoseconds, for no fetch that ended and to send none: at most, its
// start-up taken as having used as much as it took.
double WorkerFetches::cpu_beyond(std::uint32_t pid, const Worker& worker) const {
    const ProcessRecord* process = recording_.process_of(pid);
    if (process == nullptr) return 0;
    double known = worker.cpu + static_cast<double>(std::max<Nanoseconds>(0, worker.first_begin - process->start));
    for (const std::size_t thread : recording_.threads_in(pid)) {
        known += static_cast<double>(recording_.threads[thread].send_cpu);
    }
    return std::max(0.0, static_cast<double>(process->cpu_ns) - known);
}

std::optional<Fetch> WorkerFetches::unfinished(const Pass& pass, const Span& wait) {
    std::optional<Fetch> longest;
    const auto consider = [&](const Fetch& fetch, std::uint32_t pid) {
        if (time_in(fetch, wait) <= (longest ? time_in(*longest, wait) : 0)) return;
        longest = fetch;
        longest->worker = pid;
        longest->samples = 0;
    };
    for (const std::uint32_t pid : pass.workers) {
        for (Worker& worker : threads_of(pid, wait.start)) {
            worker.read_until(end_of(wait));
            if (std::optional<Fetch> fetch = worker.unfinished(end_of(wait))) {
                const auto whole = static_cast<double>(fetch->collate_begin - fetch->begin);
                if (fetch->unfinished) fetch->cpu = std::min(cpu_beyond(pid, worker), whole);
                consider(*fetch, pid);
            }
            for (const Batch& batch : worker.batches) {
                if (batch.generation == pass.generation) consider(batch.fetch, pid);
            }
        }
    }
    return longest;
}

std::vector<WorkerFetches::Worker>& WorkerFetches::threads_of(std::uint32_t pid, Nanoseconds now) {
    const auto known = workers_.find(pid);
    if (known != workers_.end()) {
        return known->second;
    }
    if (workers_.size() >= sweep_at_) {
        std::erase_if(workers_, [&](const auto& worker) { return needed_until_[worker.first] < now; });
        sweep_at_ = std::max<std::size_t>(64, 2 * workers_.size());
    }
    std::vector<Worker>& workers = workers_[pid];
    for (const std::size_t thread : recording_.threads_in(pid)) {
        const ThreadFacts& facts = recording_.threads[thread];
        if (facts.puts_batches || facts.worker) workers.emplace_back(recording_.open(thread));
    }
    return workers;
}

std::optional<Fetch> WorkerFetches::take(const Pass& pass, std::uint64_t number, const Span& wait) {
    const std::size_t count = pass.workers.size();
    for (std::size_t i = 0; i < count; ++i) {  // batches go round, so the first guess is nearly always right
        const std::uint32_t pid = pass.workers[(number + count - 1 + i) % count];
        std::vector<Worker>& threads = threads_of(pid, wait.start);
        for (auto worker = threads.rbegin(); worker != threads.rend(); ++worker) {  // a pid can come back
            worker->read_until(end_of(wait));
            if (std::optional<Fetch> fetch = worker->take(pass.generation, number)) {
                fetch->worker = pid;
                return fetch;
            }
        }
    }
    return std::nullopt;
}

BatchWaits::BatchWaits(const Recording& recording, const Trainer& trainer, Nanoseconds first_step, bool count_all)
    : recording_(recording),
      trainer_(trainer),
      spans_(recording, trainer),
      workers_(recording, trainer.passes),
      first_step_(first_step),
      count_all_(count_all),
      numbers_of_(trainer.passes.size()) {}

// What the training process used of the CPU, in nanoseconds, in a fetch of its own that did not end: what it used since
// the last look at it, the time up to the fetch taken as computed.
double BatchWaits::cpu_of_open(const Fetch& fetch) const {
    const ProcessRecord* process = recording_.process_of(trainer_.life.pid);
    if (process == nullptr) return 0;
    const Nanoseconds since = looked_ != 0 ? looked_ : process->start;
    const double used = static_cast<double>(process->cpu_ns) - cpu_then_;
    return std::clamp(used - static_cast<double>(fetch.begin - since), 0.0,
                      static_cast<double>(fetch.end - fetch.begin));
}

// Reads on to the end of the wait; `own` becomes the fetch that ran inside it.
void BatchWaits::take_inside(const Span& wait, std::optional<Fetch>& own) {
    for (const Span* span = spans_.peek(); span != nullptr && span->start < end_of(wait) && !is_wait(*span);
         spans_.pop(), span = spans_.peek()) {
        (void)numbers_.see(*span);
        if (kind(*span) == Kind::receive) received_[span->a][span->b] = {span->start, end_of(*span)};
        if (kind(*span) == Kind::brief_fetch && !own) {
            own = brief_fetch(*span);
        } else if (kind(*span) == Kind::fetch && !own) {
            own.emplace();
            own->begin = span->start;
            own->end = end_of(*span);
            own->collate_begin = own->collate_end = own->end;
            own->unfinished = span->open;
            own->cpu = span->open ? cpu_of_open(*own) : static_cast<double>(span->a);
            own->samples = span->b;
        } else if (own && span->start < own->end && kind(*span) == Kind::collate) {
            own->collate_begin = span->start;
            own->collate_end = end_of(*span);
            own->cpu -= static_cast<double>(span->a);
            own->collate_cpu = static_cast<double>(span->a);
            own->collate_queue = static_cast<double>(span->b);
        } else if (own && span->start < own->end && kind(*span) == Kind::fetch_samples) {
            own->sample_wall = static_cast<double>(span->duration);
            own->sample_cpu = static_cast<double>(span->a);
            own->run_queue = static_cast<double>(span->b);
        } else if (own && kind(*span) == Kind::fetch_io) {
            own->requested = static_cast<double>(span->a);
            own->from_storage = static_cast<double>(span->b);
        }
    }
}

// A look is two records; false for any other.
bool BatchWaits::take_usage(const Span& span) {
    if (kind(span) == Kind::thread_cpu) {
        usage_ = {static_cast<double>(span.a), static_cast<double>(span.b)};
    } else if (kind(span) == Kind::process_cpu && usage_) {
        usage_->process_cpu = cpu_then_ = static_cast<double>(span.a);
        looked_ = span.start;
    } else {
        return false;
    }
    return true;
}

// The fetch of workers that the wait was for. `failed`: the batch that could not be made, where its exception ended the
// wait; otherwise one that gave no batch was for the next one, whether that had been handed over or not.
std::optional<Fetch> BatchWaits::take_made(const Span& wait, std::size_t number, std::optional<std::uint64_t> failed) {
    const Pass& pass = trainer_.passes[number];
    std::uint64_t& last = numbers_of_[number];
    if (gave_batch(wait)) {
        last = wait.b & 0xffffffffU;
        return workers_.take(pass, last, wait);
    }
    const std::uint64_t wanted = failed.value_or(last + 1);
    std::optional<Fetch> made = workers_.take(pass, wanted, wait);
    if (made) last = wanted;
    return made ? made : workers_.unfinished(pass, wait);
}

// The batch that the wait just read could not get; it follows the wait.
std::optional<std::uint64_t> BatchWaits::read_failed() {
    const Span* span = spans_.peek();
    if (span == nullptr || kind(*span) != Kind::failed) return std::nullopt;
    const std::uint64_t number = span->b;
    spans_.pop();
    return number;
}

std::optional<Received> BatchWaits::take_received(const Span& wait) {
    const auto of_iterator = received_.find(wait.a);
    if (of_iterator == received_.end()) return std::nullopt;
    if (!gave_batch(wait)) {  // the last one of its pass
        received_.erase(of_iterator);
        return std::nullopt;
    }
    const auto found = of_iterator->second.find(wait.b & 0xffffffffU);
    if (found == of_iterator->second.end()) return std::nullopt;
    const Received received = found->second;
    of_iterator->second.erase(found);
    return received;
}

bool BatchWaits::read() {
    for (const Span* span = spans_.peek(); span != nullptr; span = spans_.peek()) {
        const std::optional<std::size_t> pass = numbers_.see(*span);
        if (!is_wait(*span)) {
            (void)take_usage(*span);
            spans_.pop();
            continue;
        }
        BatchWait& wait = waits_.emplace_back();
        wait.span = *span;
        wait.pass = &trainer_.passes[*pass];
        wait.before = std::exchange(usage_, std::nullopt);
        spans_.pop();
        std::optional<Fetch> own;
        take_inside(wait.span, own);
        const std::optional<std::uint64_t> failed = read_failed();
        for (span = wait.before ? spans_.peek() : nullptr; span != nullptr && take_usage(*span); span = spans_.peek()) {
            spans_.pop();
        }
        wait.after = std::exchange(usage_, std::nullopt);
        std::optional<Fetch> made;
        if (!wait.pass->workers.empty()) made = take_made(wait.span, *pass, failed);
        wait.received = take_received(wait.span);
        wait.samples = made ? made->samples : own ? own->samples : 0;
        wait.fetch = wait.pass->workers.empty() ? own : made;
        add(wait);
        return true;
    }
    return false;
}

void BatchSum::operator+=(const BatchSum& other) {
    samples += other.samples;
    tokens += other.tokens;
    batches += other.batches;
    unknown += other.unknown;
}

void Throughput::operator+=(const Throughput& other) {
    all += other.all;
    later += other.later;
    fetched += other.fetched;
    unrecorded += other.unrecorded;
}

void BatchWaits::add(const BatchWait& wait) {
    if (!(wait.pass->training || count_all_) || !gave_batch(wait.span)) return;
    const BatchSum batch{static_cast<double>(wait.samples), static_cast<double>(wait.span.b >> 32), 1,
                         wait.samples == 0 ? std::size_t{1} : 0};
    sum_.all += batch;
    if (wait.fetch) sum_.fetched += *wait.fetch;
    if (!wait.fetch && !wait.pass->workers.empty()) ++sum_.unrecorded;
    if (wait.span.start >= first_step_) {
        sum_.later += batch;
    }
}

const BatchWait* BatchWaits::at(Nanoseconds begin) {
    while (!waits_.empty() && waits_.front().span.start < begin) {
        waits_.pop_front();
    }
    while (waits_.empty() && read()) {
        if (waits_.front().span.start < begin) {
            waits_.pop_front();
        }
    }
    return !waits_.empty() && waits_.front().span.start == begin ? &waits_.front() : nullptr;
}

Throughput BatchWaits::count() {
    waits_.clear();
    while (read()) {
        waits_.clear();
    }
    return sum_;
}

}  // namespace headrace::audit
