#include "audit/watch.h"

#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "audit/headers.h"
#include "audit/library.h"
#include "audit/samples.h"
#include "base/text.h"
#include "run/spool_format.h"
#include "sys/process.h"
#include "sys/python_stack.h"

namespace headrace::audit {
namespace {

constexpr Nanoseconds millisecond = 1000000;
constexpr Nanoseconds scan_every = 200 * millisecond;

// Looks at stacks grow rarer, and each counts for more: a short run needs many a second for its lines' shares, a long
// one has enough of them. Where they are dear, with many workers or deep stacks, they are rare from the start.
constexpr Nanoseconds stacks_every = 25 * millisecond;
constexpr Nanoseconds rarer_after = 2'500 * millisecond;  // one stacks_every longer for each of these
constexpr Nanoseconds rarest = 6;                         // times stacks_every, where they are cheap

// Waking up costs as much as a look: one at the processes may be so much later, to be made with one at stacks.
constexpr Nanoseconds tree_late = 40 * millisecond;

// Looks at the processes may not take more than this part of the time, however many they are, and those at stacks not
// more than another such part.
constexpr Nanoseconds look_part = 400;

Nanoseconds own_cpu() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<Nanoseconds>(used.tv_sec) * 1000 * millisecond + used.tv_nsec;
}

// The kind of what the thread is doing, from the outermost interval that matters for lines: a fetch or a collate where
// one is open, otherwise the innermost one.
spool::Kind context_of(const spool::Header& header) {
    const std::uint64_t depth =
        std::min<std::uint64_t>(__atomic_load_n(&header.depth, __ATOMIC_ACQUIRE), spool::open_depth);
    auto innermost = spool::Kind::none;
    for (std::uint64_t i = 0; i < depth; ++i) {
        innermost = static_cast<spool::Kind>(header.open[i].kind);
    }
    return innermost;
}

// Where the loop of a loader's worker begins. Outside of it are the frames that its parent had when it was forked.
bool begins_worker(const sys::PythonFrame& frame) {
    return frame.function == "_worker_loop" && frame.file.ends_with("torch/utils/data/_utils/worker.py");
}

// The innermost frame of the user's own code; null where there is none.
const sys::PythonFrame* users_frame(const std::vector<sys::PythonFrame>& stack) {
    for (const sys::PythonFrame& frame : stack) {
        if (begins_worker(frame)) return nullptr;
        if (!is_library(frame.file)) return &frame;
    }
    return nullptr;
}

}  // namespace

struct Watch::State {
    sys::ProcessTree tree;
    sys::PythonStackReader reader;
    Headers headers;
    std::map<std::tuple<std::uint8_t, std::string, std::uint32_t, std::string>, std::uint64_t> lines;
    std::set<std::string> limits;
    std::set<std::uint32_t> main_trains;  // processes
    std::minstd_rand random{std::random_device{}()};
    Nanoseconds next_scan = 0;
    Nanoseconds started;
    Nanoseconds next_tree = 0;
    Nanoseconds next_stacks = 0;
    Nanoseconds stacks_cost = 0;  // of a look, as it goes
    std::uint64_t weight = 1;     // of the looks at stacks now
    Page<spool::Control> control;
    Samples samples;
    std::uint64_t looks = 0;

    State(const std::filesystem::path& spool, std::uint32_t root, Nanoseconds begin)
        : tree(root), headers(spool), started(begin), control(spool / "control") {
        OutsidePoint nothing;
        nothing.when = begin;
        samples.add(nothing);
    }

    // What a thread does is not noted in its header any more when the recording has ended.
    bool recording() const {
        return control.get() == nullptr || __atomic_load_n(&control.get()->recording, __ATOMIC_RELAXED) != 0;
    }

    void look_at_tree() {
        const Nanoseconds before = own_cpu();
        tree.look();
        samples.add(tree.usage());
        const Nanoseconds now = tree.usage().when;
        const Nanoseconds every = now - started < dense_for ? dense_every : sparse_every;
        next_tree = now + std::max(every, look_part * (own_cpu() - before));
        tree.look_at_memory();  // has its own bound: a long one must not make the series sparse
    }

    void scan(Nanoseconds now) {
        headers.scan(now, [this](const spool::Header& header) {
            return tree.lives(header.pid) ||
                   sys::process_alive(header.pid, static_cast<Nanoseconds>(header.opened));  // was not found yet
        });
    }

    // Whether this thread's line is worth a look now: work on input anywhere, and anything but waiting where a program
    // trains: its main thread where that one does, for threads of autograd's own run backwards, too. A worker that
    // waits for its next batch, and a feeder thread, have nothing to say.
    bool worth_a_look(const spool::Header& header, spool::Kind context) const {
        if (context == spool::Kind::fetch || context == spool::Kind::collate) {
            return true;
        }
        const bool waiting = context == spool::Kind::wait || context == spool::Kind::receive ||
                             context == spool::Kind::handover || context == spool::Kind::send ||
                             context == spool::Kind::import || context == spool::Kind::iter;
        return !waiting && trains(header) && (header.main_thread != 0 || !main_trains.contains(header.pid));
    }

    static bool trains(const spool::Header& header) { return header.trains != 0; }

    void look_at_stacks() {
        if (!recording()) {
            return;
        }
        main_trains.clear();
        headers.each([this](const spool::Header& header) {
            if (header.main_thread != 0 && trains(header)) {
                main_trains.insert(header.pid);
            }
            return true;
        });
        headers.each([this](const spool::Header& header) { return look_at(header); });
    }

    // The next look, not in step with the program, and what it will count for.
    void plan_stacks(Nanoseconds now) {
        const Nanoseconds by_age = std::min((now - started) / rarer_after, rarest - 1);
        const Nanoseconds by_cost = look_part * stacks_cost / stacks_every;
        weight = 1 + static_cast<std::uint64_t>(std::max({by_age, by_cost, Nanoseconds{0}}));
        const Nanoseconds every = static_cast<Nanoseconds>(weight) * stacks_every;
        next_stacks = now + std::uniform_int_distribution<Nanoseconds>(every * 3 / 4, every * 5 / 4)(random);
    }

    // False when the thread cannot be read any more.
    bool look_at(const spool::Header& header) {
        const spool::Kind context = context_of(header);
        const spool::PythonState& python = header.python;
        if (python.thread_state == 0 || !worth_a_look(header, context)) {
            return true;
        }
        if (!sys::python_is_known(python.version_hex)) {
            limits.insert("The hot lines of Python " + std::to_string(python.version_hex >> 24) + "." +
                          std::to_string(python.version_hex >> 16 & 0xff) + " cannot be read by this headrace.");
            return false;
        }
        ++looks;
        const auto stack = reader.read({header.pid, python.thread_state, python.debug_offsets, python.version_hex});
        if (stack) {
            if (const sys::PythonFrame* frame = users_frame(**stack)) {
                lines[{static_cast<std::uint8_t>(context), frame->file, frame->line, frame->function}] += weight;
            }
            return true;
        }
        if (stack.error().code == ErrorCode::permission_denied) {
            limits.insert("The hot lines are absent: this system does not let headrace read its children's memory.");
        }
        return stack.error().code == ErrorCode::not_enough_data;
    }
};

Watch::Watch(const std::filesystem::path& spool, std::uint32_t root, Nanoseconds started)
    : state_(std::make_unique<State>(spool, root, started)) {}
Watch::~Watch() = default;

Nanoseconds Watch::pause() const {
    const Nanoseconds next = std::min(state_->next_stacks, state_->next_tree + tree_late);
    return std::max<Nanoseconds>(next - sys::monotonic_now(), 0);
}

void Watch::look() {
    const Nanoseconds now = sys::monotonic_now();
    if (now >= state_->next_scan) {
        state_->scan(now);
        state_->next_scan = now + scan_every;
    }
    if (now >= state_->next_tree) {
        state_->look_at_tree();
    }
    if (now >= state_->next_stacks) {
        const Nanoseconds before = own_cpu();
        const std::uint64_t looks = state_->looks;
        state_->look_at_stacks();
        if (looks > 0 && state_->looks > looks) {  // the first one also finds out where everything lies
            state_->stacks_cost = (3 * state_->stacks_cost + own_cpu() - before) / 4;
        }
        state_->plan_stacks(now);
    }
}

void Watch::look_at_end() { state_->tree.look(); }

void Watch::finish(Run& run) {
    state_->tree.look();
    OutsidePoint last = state_->tree.usage();
    last.when = run.info.ended_ns.value_or(last.when);
    state_->samples.add(last);
    run.outside = state_->samples.points();
    run.processes = state_->tree.processes();
    run.info.host_peak_bytes =
        std::max(state_->tree.peak_bytes(), run.info.host_peak_bytes);  // looks miss a short peak
    run.info.looks = state_->looks;
    for (const auto& [key, count] : state_->lines) {
        const auto& [context, file, line, function] = key;
        run.hot_lines.push_back({context, file, line, function, count});
    }
    if (state_->tree.lacked_descriptors()) {
        state_->limits.insert(
            "Processes may be missing in the view from outside: headrace could open no more files (ulimit -Hn).");
    }
    run.info.unlisted_processes = state_->tree.forgotten();
    if (state_->tree.forgotten() > 0) {
        state_->limits.insert(base::format_count(static_cast<std::int64_t>(state_->tree.forgotten())) +
                              " processes that ended after little CPU time are in the sums and not in the lists.");
    }
    run.info.limits.insert(run.info.limits.end(), state_->limits.begin(), state_->limits.end());
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        const auto nanoseconds = [](const timeval& t) {
            return static_cast<Nanoseconds>(t.tv_sec) * 1000000000 + static_cast<Nanoseconds>(t.tv_usec) * 1000;
        };
        run.info.monitor_cpu = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
    }
}

}  // namespace headrace::audit
