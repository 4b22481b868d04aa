#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <unordered_map>
#include <unordered_set>

#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/proc.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

// How long after its start a process may still exchange its arguments (fork, then exec).
constexpr Nanoseconds settling = 2'000'000'000;

// Reading the proportional set sizes stays below this part of the time, also when the resident sizes do not grow:
// forked workers that write to shared pages make the program larger at the same resident size.
constexpr Nanoseconds proportional_part = 4000;
constexpr Nanoseconds proportional_pause = 5'000'000'000;
constexpr Nanoseconds growing_part = 3000;  // while the program grows
constexpr Nanoseconds growing_pause = 1'000'000'000;
constexpr std::int64_t grown_part = 25;  // it has grown when it is larger by one part in this many

// So many descriptors stay free for what is opened and closed again in a look.
constexpr rlim_t spare_descriptors = 64;

struct Member {
    ProcessRecord record;
    std::uint64_t start_ticks = 0;
    // These stay open where there are enough descriptors, so that a look needs no path look-up; they never mean a later
    // process.
    bool kept_open = false;
    Descriptor pidfd;
    Descriptor stat;
    Descriptor io;
    std::int64_t waited_cpu = 0;  // of the children that it has waited for: its own account, in ticks
    std::int64_t ended_cpu = 0;   // of those of them that we knew, from our looks
    ProcessIo done;               // what its waited-for children did included
    std::int64_t resident = 0;
};

std::int64_t nanoseconds_of(std::uint64_t ticks) noexcept {
    const long ticks_per_second = ::sysconf(_SC_CLK_TCK);
    return static_cast<std::int64_t>(ticks) * (1'000'000'000 / (ticks_per_second > 0 ? ticks_per_second : 100));
}

// The kernel gives the lowest number that is free: a high one means that few are left.
bool is_spare(const Descriptor& descriptor) noexcept {
    rlimit limit{};
    return descriptor && ::getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           static_cast<rlim_t>(descriptor.get()) + spare_descriptors >= limit.rlim_cur;
}

Descriptor open_io(std::uint32_t pid) {
    return Descriptor(::open(("/proc/" + std::to_string(pid) + "/io").c_str(), O_RDONLY | O_CLOEXEC));
}

void keep_open(Member& member) {
    const std::string folder = "/proc/" + std::to_string(member.record.pid);
    member.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, member.record.pid, 0)));
    member.stat.reset(::open((folder + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
    member.io = open_io(member.record.pid);
    member.kept_open = !is_spare(member.pidfd) && !is_spare(member.stat) && !is_spare(member.io);
    if (member.kept_open) return;
    for (Descriptor* descriptor : {&member.pidfd, &member.stat, &member.io}) descriptor->reset();
}

// A look opens a folder and a file in it at a time.
bool descriptors_left() noexcept {
    const Descriptor one(::open("/proc", O_PATH | O_CLOEXEC));
    return one && Descriptor(::open("/proc", O_PATH | O_CLOEXEC));
}

// Empty when the process has gone, also when its number is another's by now.
std::optional<ProcessStat> stat_of(const Member& member) noexcept {
    if (member.stat) return read_process_stat_at(member.stat.get());
    const auto stat = read_process_stat(member.record.pid);
    return stat && stat->start_ticks == member.start_ticks ? stat : std::nullopt;
}

// Its own CPU time and that of its ended children. A child that was not waited for is in `ended_cpu` alone, one that
// was too short to be seen in `waited_cpu` alone.
std::int64_t cpu_with_children(const Member& member) noexcept {
    return member.record.cpu_ns + std::max(member.waited_cpu, member.ended_cpu);
}

// False when the process has gone.
bool take_usage(Member& member) {
    const auto stat = stat_of(member);
    if (!stat) return false;
    // A zombie still has its CPU time; once its parent has waited for it, the number may be another's.
    member.record.cpu_ns = std::max(member.record.cpu_ns, cpu_time_of(member.record.pid));
    member.waited_cpu = std::max(member.waited_cpu, nanoseconds_of(stat->waited_ticks));
    member.resident = static_cast<std::int64_t>(stat->resident_pages) * ::sysconf(_SC_PAGESIZE);
    const Descriptor opened = member.kept_open ? Descriptor() : open_io(member.record.pid);
    const Descriptor& file = member.kept_open ? member.io : opened;
    if (const auto io = file ? read_process_io_at(file.get()) : std::nullopt) member.done = *io;
    return true;
}

void add_done(OutsidePoint& sum, const ProcessIo& done) noexcept {
    sum.read_bytes += static_cast<std::int64_t>(done.storage_read);
    sum.written_bytes += static_cast<std::int64_t>(done.storage_written);
    sum.requested_read_bytes += static_cast<std::int64_t>(done.requested_read);
    sum.requested_written_bytes += static_cast<std::int64_t>(done.requested_written);
}

// Counters of a process that is just being waited for can be missing for one look: they never go back for a reader.
void keep_monotone(OutsidePoint& now, const OutsidePoint& before) noexcept {
    now.cpu_ns = std::max(now.cpu_ns, before.cpu_ns);
    now.read_bytes = std::max(now.read_bytes, before.read_bytes);
    now.written_bytes = std::max(now.written_bytes, before.written_bytes);
    now.requested_read_bytes = std::max(now.requested_read_bytes, before.requested_read_bytes);
    now.requested_written_bytes = std::max(now.requested_written_bytes, before.requested_written_bytes);
}

// The proportional set size; empty where it may not be read.
std::optional<std::int64_t> proportional_bytes(std::uint32_t pid) noexcept {
    std::array<char, 64> path;
    (void)std::snprintf(path.data(), path.size(), "/proc/%u/smaps_rollup", pid);
    std::array<char, 2048> buffer;
    const long count = read_small(path.data(), buffer.data(), buffer.size() - 1);
    if (count <= 0) return std::nullopt;
    buffer[static_cast<std::size_t>(count)] = '\0';
    const char* line = std::strstr(buffer.data(), "\nPss:");
    long long kibibytes = 0;
    if (line == nullptr || std::sscanf(line, "\nPss: %lld kB", &kibibytes) != 1) return std::nullopt;
    return kibibytes * 1024;
}

}  // namespace

struct ProcessTree::State {
    std::vector<Member> members;                             // in the order in which they were found
    std::unordered_map<std::uint32_t, std::size_t> living;   // process id to place in members
    std::unordered_map<std::uint32_t, std::uint64_t> ended;  // process id to start: a zombie is found again and again
    std::vector<std::size_t> zombies;                        // places of those that nobody has waited for yet
    OutsidePoint left;   // what ended processes used that is in no living one's account
    OutsidePoint usage;  // at the last look
    Descriptor loadavg;
    std::optional<std::uint64_t> last_number;
    bool kernel_tells_children = true;
    bool lacked_descriptors = false;
    std::size_t most_ended = 0;
    std::uint64_t forgotten = 0;
    std::int64_t peak = 0;
    std::int64_t resident_when_read = 0;
    Nanoseconds next_proportional = 0;
    Nanoseconds soonest_proportional = 0;

    bool add(std::uint32_t pid, std::uint32_t parent);
    void search();
    void note_ends();
    void end(std::size_t place, Nanoseconds when);
    void take_times();
    void take_memory();
    void settle();
    void hand_over(const Member& member);
    void forget();
    void sum_up();
};

bool ProcessTree::State::add(std::uint32_t pid, std::uint32_t parent) {
    const auto known = living.find(pid);
    const auto stat = read_process_stat(pid);
    if (!stat) return false;
    if (const auto old = ended.find(pid); old != ended.end() && old->second == stat->start_ticks) return false;
    if (known != living.end()) {
        if (members[known->second].start_ticks == stat->start_ticks) return true;
        // The number was given to a new process: the old one ended unseen, at the latest when the new one began.
        end(known->second, monotonic_of_ticks(stat->start_ticks));
    }
    Member member;
    member.record.pid = pid;
    member.record.parent_pid = parent != 0 ? parent : stat->parent;
    member.start_ticks = stat->start_ticks;
    member.record.start = monotonic_of_ticks(stat->start_ticks);
    member.record.command = read_command_line(pid);
    keep_open(member);
    living[pid] = members.size();
    members.push_back(std::move(member));
    return true;
}

// Goes down from every known process that lives, those that were re-parented since included.
void ProcessTree::State::search() {
    std::vector<std::uint32_t> open;
    for (const auto& [pid, place] : living) open.push_back(pid);
    std::unordered_set<std::uint32_t> seen(open.begin(), open.end());
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> scanned;
    if (!kernel_tells_children) scanned = scan_children();
    while (!open.empty()) {
        const std::uint32_t parent = open.back();
        open.pop_back();
        std::optional<std::vector<std::uint32_t>> children;
        if (kernel_tells_children) children = read_children(parent);
        if (kernel_tells_children && !children) {
            kernel_tells_children = false;
            scanned = scan_children();
        }
        for (const std::uint32_t child : children ? *children : scanned[parent]) {
            const bool added = add(child, parent);
            if (added && seen.insert(child).second) open.push_back(child);
        }
    }
}

void ProcessTree::State::end(std::size_t place, Nanoseconds when) {
    Member& member = members[place];
    member.record.end = when;
    (void)take_usage(member);
    member.pidfd.reset();
    member.resident = 0;
    zombies.push_back(place);
    living.erase(member.record.pid);
    ended[member.record.pid] = member.start_ticks;
}

void ProcessTree::State::note_ends() {
    std::vector<pollfd> waiting;
    std::vector<std::size_t> places;
    std::vector<std::size_t> gone;
    for (const auto& [pid, place] : living) {
        if (members[place].pidfd) {
            waiting.push_back({members[place].pidfd.get(), POLLIN, 0});
            places.push_back(place);
        } else if (const auto stat = read_process_stat(pid);
                   !stat || stat->start_ticks != members[place].start_ticks || stat->state == 'Z') {
            gone.push_back(place);
        }
    }
    const bool any = !waiting.empty() && ::poll(waiting.data(), waiting.size(), 0) > 0;
    const Nanoseconds now = monotonic_now();
    for (std::size_t i = 0; any && i < waiting.size(); ++i) {
        if (waiting[i].revents != 0) gone.push_back(places[i]);
    }
    for (const std::size_t place : gone) end(place, now);
}

void ProcessTree::State::take_times() {
    const Nanoseconds now = monotonic_now();
    // Parents, which were found first, before their children: a child that is waited for meanwhile is then missing for
    // a look, and never in two accounts.
    std::vector<std::size_t> places;
    for (const auto& [pid, place] : living) places.push_back(place);
    std::sort(places.begin(), places.end());
    for (const std::size_t place : places) {
        Member& member = members[place];
        if (!take_usage(member)) {
            end(place, now);
            continue;
        }
        if (now - member.record.start < settling) {
            std::string command = read_command_line(member.record.pid);
            if (!command.empty() && command.front() != '[') member.record.command = std::move(command);
        }
    }
}

void ProcessTree::State::take_memory() {
    std::int64_t resident = 0;
    for (const auto& [pid, place] : living) resident += members[place].resident;
    const Nanoseconds before = monotonic_now();
    const bool grown = resident > resident_when_read + resident_when_read / grown_part;
    if (before < (grown ? soonest_proportional : next_proportional)) return;
    std::int64_t sum = 0;
    for (const auto& [pid, place] : living) sum += proportional_bytes(pid).value_or(members[place].resident);
    peak = std::max(peak, sum);
    resident_when_read = std::max(resident, resident_when_read);
    const Nanoseconds after = monotonic_now();
    next_proportional = after + std::max(proportional_pause, proportional_part * (after - before));
    soonest_proportional = after + std::max(growing_pause, growing_part * (after - before));
}

// Gives what an ended process used to the account of its parent, which got it by waiting, or keeps it when the parent
// ended first.
void ProcessTree::State::hand_over(const Member& member) {
    const auto same_life = [&](std::size_t place) {
        const Member& parent = members[place];
        return parent.record.pid == member.record.parent_pid && parent.start_ticks <= member.start_ticks &&
               (!parent.record.end || *parent.record.end >= *member.record.end);
    };
    const auto parent = living.find(member.record.parent_pid);
    if (parent != living.end() && same_life(parent->second)) {
        members[parent->second].ended_cpu += cpu_with_children(member);
        return;
    }
    // Both ended since the last look: the parent is not settled yet, because it was found before its children.
    const auto zombie = std::find_if(zombies.begin(), zombies.end(), same_life);
    if (zombie != zombies.end()) {
        members[*zombie].ended_cpu += cpu_with_children(member);
        return;
    }
    left.cpu_ns += cpu_with_children(member);
    add_done(left, member.done);
}

// Closes the account of the processes that somebody has waited for since; children before their parents.
void ProcessTree::State::settle() {
    std::sort(zombies.begin(), zombies.end());
    for (std::size_t i = zombies.size(); i-- > 0;) {
        Member& member = members[zombies[i]];
        if (stat_of(member)) continue;
        zombies.erase(zombies.begin() + static_cast<std::ptrdiff_t>(i));
        if (const auto one = ended.find(member.record.pid); one != ended.end() && one->second == member.start_ticks) {
            ended.erase(one);  // it cannot be found again
        }
        hand_over(member);
        member.stat.reset();
        member.io.reset();
    }
}

void ProcessTree::State::forget() {
    const std::size_t present = living.size() + zombies.size();
    if (members.size() < present + 4 * most_ended) return;
    std::vector<char> kept(members.size(), 0);
    for (const auto& [pid, place] : living) kept[place] = 1;
    for (const std::size_t place : zombies) kept[place] = 1;
    std::vector<std::size_t> gone;
    for (std::size_t place = 0; place < members.size(); ++place) {
        if (kept[place] == 0) gone.push_back(place);
    }
    const auto first = static_cast<std::ptrdiff_t>(most_ended);
    std::nth_element(gone.begin() + first, gone.begin() + 2 * first, gone.end(),
                     [&](std::size_t x, std::size_t y) { return members[x].record.cpu_ns > members[y].record.cpu_ns; });
    forgotten += gone.size() - 2 * most_ended;
    gone.resize(2 * most_ended);
    for (const std::size_t place : gone) kept[place] = 1;
    std::vector<Member> left_over;
    std::vector<std::size_t> moved(members.size());
    for (std::size_t place = 0; place < members.size(); ++place) {
        moved[place] = left_over.size();
        if (kept[place] != 0) left_over.push_back(std::move(members[place]));
    }
    members = std::move(left_over);
    for (auto& [pid, place] : living) place = moved[place];
    for (std::size_t& place : zombies) place = moved[place];
}

void ProcessTree::State::sum_up() {
    OutsidePoint now = left;
    now.when = monotonic_now();
    now.processes = static_cast<std::uint32_t>(living.size());
    const auto add = [&](const Member& member) {
        now.cpu_ns += cpu_with_children(member);
        now.resident_bytes += member.resident;
        add_done(now, member.done);
    };
    for (const auto& [pid, place] : living) add(members[place]);
    for (const std::size_t place : zombies) add(members[place]);
    keep_monotone(now, usage);
    usage = now;
}

ProcessTree::ProcessTree(std::uint32_t root, std::size_t most_ended) : state_(std::make_unique<State>()) {
    state_->most_ended = most_ended;
    state_->loadavg.reset(::open("/proc/loadavg", O_RDONLY | O_CLOEXEC));
    (void)state_->add(root, 0);
}

ProcessTree::~ProcessTree() = default;

void ProcessTree::look() {
    if (!descriptors_left()) {  // every process would seem to have gone
        state_->lacked_descriptors = true;
        state_->usage.when = monotonic_now();
        return;
    }
    state_->note_ends();
    // The search reads a file for each thread of the program, and mostly no process or thread was made since.
    const std::optional<std::uint64_t> number =
        state_->loadavg ? last_process_number(state_->loadavg.get()) : std::nullopt;
    if (!number || number != state_->last_number) state_->search();
    state_->last_number = number;
    state_->take_times();
    // Last: a parent that waits for a zombie meanwhile has it in its account at the next look only.
    state_->settle();
    state_->forget();
    state_->sum_up();
}

void ProcessTree::look_at_memory() { state_->take_memory(); }

void ProcessTree::poll_ends() { state_->note_ends(); }

OutsidePoint ProcessTree::usage() const noexcept { return state_->usage; }

bool ProcessTree::lacked_descriptors() const noexcept { return state_->lacked_descriptors; }

std::uint64_t ProcessTree::forgotten() const noexcept { return state_->forgotten; }

std::int64_t ProcessTree::peak_bytes() const noexcept { return state_->peak; }

bool ProcessTree::lives(std::uint32_t pid) const noexcept { return state_->living.contains(pid); }

std::vector<ProcessRecord> ProcessTree::processes() const {
    std::vector<ProcessRecord> records;
    records.reserve(state_->members.size());
    for (const Member& member : state_->members) records.push_back(member.record);
    return records;
}

}  // namespace headrace::sys
