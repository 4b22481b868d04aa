#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "sys/descriptor.h"
#include "sys/helpers.h"
#include "sys/proc.h"
#include "sys/process.h"

namespace headrace::sys {
namespace {

constexpr std::int64_t mebibyte = 1024 * 1024;

// A process that does what it is told, in C++ so that nothing else runs in it; killed and waited for at the end.
class Forked {
public:
    template <class Work>
    explicit Forked(Work work) : pid(::fork()) {
        if (pid != 0) return;
        work();
        ::_exit(0);
    }
    ~Forked() { end(); }
    void kill() const {
        (void)::kill(pid, SIGKILL);
        siginfo_t info{};
        (void)::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
    }
    void end() {
        if (pid <= 0) return;
        (void)::kill(pid, SIGKILL);
        (void)::waitpid(pid, nullptr, 0);
        pid = -1;
    }
    pid_t pid;
};

std::uint32_t own_pid() { return static_cast<std::uint32_t>(::getpid()); }

const ProcessRecord* find(const std::vector<ProcessRecord>& records, pid_t pid) {
    const auto found = std::find_if(records.begin(), records.end(), [&](const ProcessRecord& each) {
        return each.pid == static_cast<std::uint32_t>(pid);
    });
    return found == records.end() ? nullptr : &*found;
}

// Looks until `done`, for at most a minute.
template <class Done>
bool look_until(ProcessTree& tree, Done done) {
    for (int i = 0; i < 6000; ++i) {
        tree.look();
        if (done(tree.processes())) return true;
        (void)::usleep(10'000);
    }
    return false;
}

TEST(ProcessTree, FindsTheRootItself) {
    ProcessTree tree(own_pid());
    tree.look();
    tree.look_at_memory();
    const auto records = tree.processes();
    const ProcessRecord* root = find(records, ::getpid());
    ASSERT_NE(root, nullptr);
    EXPECT_EQ(root->parent_pid, static_cast<std::uint32_t>(::getppid()));
    EXPECT_FALSE(root->end);
    EXPECT_GT(root->cpu_ns, 0);
    EXPECT_NE(root->command.find("test"), std::string::npos);
    EXPECT_GT(root->start, 0);
    EXPECT_LT(root->start, monotonic_now());
    EXPECT_GT(tree.peak_bytes(), mebibyte);
}

TEST(ProcessTree, FindsNewProcessesAndTheirEnds) {
    ProcessTree tree(own_pid());
    tree.look();
    const Nanoseconds before = monotonic_now();
    Forked child([] { (void)::pause(); });
    tree.look();
    auto records = tree.processes();
    const ProcessRecord* record = find(records, child.pid);
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->parent_pid, own_pid());
    // The kernel tells the start in steps of a tick, rounded down.
    EXPECT_GT(record->start, before - 20'000'000);
    EXPECT_LE(record->start, monotonic_now());
    EXPECT_FALSE(record->end);
    child.kill();
    const Nanoseconds killed = monotonic_now();
    tree.poll_ends();
    records = tree.processes();
    record = find(records, child.pid);
    ASSERT_TRUE(record->end);
    EXPECT_GE(*record->end, killed);
    const Nanoseconds end = *record->end;
    tree.look();
    records = tree.processes();
    EXPECT_EQ(std::count_if(records.begin(), records.end(),
                            [&](const auto& each) { return each.pid == static_cast<std::uint32_t>(child.pid); }),
              1)
        << "a zombie is not found again";
    EXPECT_EQ(*find(records, child.pid)->end, end);
}

TEST(ProcessTree, FindsChildrenOfOtherThreadsAndGrandchildren) {
    ProcessTree tree(own_pid());
    tree.look();
    std::atomic<pid_t> child{-1};
    std::thread thread([&] {
        child = ::fork();
        if (child == 0) {
            if (::fork() == 0) (void)::pause();
            (void)::pause();
            ::_exit(0);
        }
        // The children of a thread that has ended belong to another thread.
        (void)::usleep(50'000);
    });
    std::uint32_t grandchild = 0;
    EXPECT_TRUE(look_until(tree, [&](const std::vector<ProcessRecord>& records) {
        for (const ProcessRecord& each : records) {
            if (each.parent_pid == static_cast<std::uint32_t>(child)) grandchild = each.pid;
        }
        return grandchild != 0;
    }));
    thread.join();
    // The grandchild loses its parent and stays known.
    (void)::kill(child, SIGKILL);
    (void)::waitpid(child, nullptr, 0);
    tree.look();
    auto records = tree.processes();
    EXPECT_TRUE(find(records, child)->end);
    EXPECT_FALSE(find(records, static_cast<pid_t>(grandchild))->end);
    (void)::kill(static_cast<pid_t>(grandchild), SIGKILL);
    EXPECT_TRUE(look_until(tree, [&](const std::vector<ProcessRecord>& all) {
        return find(all, static_cast<pid_t>(grandchild))->end.has_value();
    }));
}

TEST(ProcessTree, TakesTheArgumentsOfTheProgramThatWasStarted) {
    ProcessTree tree(own_pid());
    Forked child([] {
        (void)::usleep(20'000);
        (void)::execlp("sleep", "sleep", "600", nullptr);
    });
    EXPECT_TRUE(look_until(tree, [&](const std::vector<ProcessRecord>& records) {
        const ProcessRecord* record = find(records, child.pid);
        return record != nullptr && record->command == "sleep 600";
    }));
}

TEST(ProcessTree, KeepsTheCpuTimeOfAProcessThatHasEnded) {
    ProcessTree tree(own_pid());
    Forked child([] {
        timespec used{};
        while (used.tv_sec == 0 && used.tv_nsec < 60'000'000) (void)::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    });
    tree.look();
    siginfo_t info{};
    (void)::waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED | WNOWAIT);
    tree.look();
    const auto records = tree.processes();
    EXPECT_GE(find(records, child.pid)->cpu_ns, 60'000'000);
    EXPECT_TRUE(find(records, child.pid)->end);
}

void burn(std::int64_t nanoseconds) {
    timespec used{};
    do (void)::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    while (static_cast<std::int64_t>(used.tv_sec) * 1'000'000'000 + used.tv_nsec < nanoseconds);
}

constexpr std::int64_t burnt = 100'000'000;
constexpr std::int64_t tick = 10'000'000;

// The child of `root` in these tests waits for its own children, so what they used is in its account as well as in what
// was seen of them: it counts once.
TEST(ProcessTree, CountsWhatEndedProcessesUsedOnce) {
    Forked root([] {
        for (int i = 0; i < 3; ++i) {
            const pid_t child = ::fork();
            if (child == 0) {
                burn(burnt);
                ::_exit(0);
            }
            (void)::waitpid(child, nullptr, 0);
        }
        (void)::pause();
    });
    ProcessTree tree(static_cast<std::uint32_t>(root.pid));
    std::int64_t before = 0;
    EXPECT_TRUE(look_until(tree, [&](const std::vector<ProcessRecord>& records) {
        EXPECT_GE(tree.usage().cpu_ns, before) << "never goes back";
        before = tree.usage().cpu_ns;
        return before >= 3 * burnt - 2 * tick && tree.usage().processes == 1 &&
               std::count_if(records.begin(), records.end(), [](const auto& each) { return each.end.has_value(); }) > 0;
    }));
    for (int i = 0; i < 5; ++i) tree.look();
    EXPECT_GE(tree.usage().cpu_ns, 3 * burnt - 2 * tick);
    EXPECT_LT(tree.usage().cpu_ns, 3 * burnt + burnt / 2);
    EXPECT_EQ(tree.usage().processes, 1U);
    const std::int64_t whole = tree.usage().cpu_ns;
    root.kill();
    tree.look();
    root.end();
    tree.look();
    EXPECT_GE(tree.usage().cpu_ns, whole);
    EXPECT_LT(tree.usage().cpu_ns, 3 * burnt + burnt / 2) << "nor twice when their parent has ended";
    EXPECT_EQ(tree.usage().processes, 0U);
}

TEST(ProcessTree, KeepsSoManyOfThoseThatHaveEnded) {
    constexpr std::size_t most = 2;
    ProcessTree tree(own_pid(), most);
    const std::size_t before = tree.processes().size();
    std::vector<std::uint32_t> pids;
    for (int i = 0; i < 12; ++i) {
        Forked child([i] {
            burn(i == 5 ? burnt : 1);
            (void)::pause();
        });
        const auto seen = [&](const std::vector<ProcessRecord>& records) {
            const ProcessRecord* record = find(records, static_cast<pid_t>(child.pid));
            return record != nullptr && (i != 5 || record->cpu_ns >= burnt);
        };
        EXPECT_TRUE(look_until(tree, seen));
        pids.push_back(static_cast<std::uint32_t>(child.pid));
        child.kill();
        tree.look();
        child.end();
        tree.look();
    }
    EXPECT_GT(tree.forgotten(), 0U);
    EXPECT_EQ(tree.processes().size() + tree.forgotten(), before + pids.size());
    EXPECT_LT(tree.processes().size(), before + 4 * most);
    const auto records = tree.processes();
    for (const std::size_t kept : {0U, 1U, 5U})
        EXPECT_NE(find(records, static_cast<pid_t>(pids[kept])), nullptr) << kept;
    EXPECT_GE(tree.usage().cpu_ns, burnt);
}

TEST(ProcessTree, CountsProcessesTooShortToBeSeen) {
    Forked root([] {
        (void)::usleep(50'000);  // the first look is over by then
        const pid_t child = ::fork();
        if (child == 0) {
            burn(burnt);
            ::_exit(0);
        }
        (void)::waitpid(child, nullptr, 0);
        (void)::pause();
    });
    ProcessTree tree(static_cast<std::uint32_t>(root.pid));
    tree.look();
    (void)::usleep(600'000);
    tree.look();
    EXPECT_EQ(tree.processes().size(), 1U);
    EXPECT_GE(tree.usage().cpu_ns, burnt - 2 * tick);
}

TEST(ProcessTree, CountsTheBytesOfEveryProcess) {
    char name[] = "/tmp/headrace-tree-XXXXXX";
    const int file = ::mkstemp(name);
    ASSERT_GE(file, 0);
    Forked root([file] {
        const pid_t child = ::fork();
        if (child == 0) {
            const std::string block(4 * mebibyte, 'x');
            (void)!::write(file, block.data(), block.size());
            ::_exit(0);
        }
        (void)::waitpid(child, nullptr, 0);
        (void)::pause();
    });
    ProcessTree tree(static_cast<std::uint32_t>(root.pid));
    EXPECT_TRUE(look_until(tree, [&](const auto&) { return tree.usage().requested_written_bytes >= 4 * mebibyte; }));
    for (int i = 0; i < 3; ++i) tree.look();
    EXPECT_LT(tree.usage().requested_written_bytes, 5 * mebibyte);
    (void)::close(file);
    (void)::unlink(name);
}

// Runs `work` in a process of its own, which may have so few open files.
template <class Work>
int with_descriptors(rlim_t soft, Work work) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        const rlimit limit{soft, soft};
        ::_exit(::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? work() : 99);
    }
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ProcessTree, SeesMoreProcessesThanItMayHaveOpenFiles) {
    EXPECT_EQ(with_descriptors(90,
                               [] {
                                   std::vector<std::unique_ptr<Forked>> children;
                                   for (int i = 0; i < 100; ++i)
                                       children.push_back(std::make_unique<Forked>([] { (void)::pause(); }));
                                   ProcessTree tree(own_pid());
                                   tree.look();
                                   if (tree.processes().size() != 101 || tree.usage().processes != 101) return 1;
                                   if (!tree.lives(static_cast<std::uint32_t>(children.back()->pid))) return 4;
                                   children.back()->kill();
                                   tree.look();
                                   const auto* ended = find(tree.processes(), children.back()->pid);
                                   if (tree.usage().processes != 100 || tree.lacked_descriptors()) return 2;
                                   if (tree.lives(static_cast<std::uint32_t>(children.back()->pid))) return 5;
                                   return ended != nullptr && tree.usage().requested_read_bytes > 0 ? 0 : 3;
                               }),
              0);
}

TEST(ProcessTree, SaysThatItCouldOpenNothing) {
    EXPECT_EQ(with_descriptors(20,
                               [] {
                                   ProcessTree tree(own_pid());
                                   Forked child([] { (void)::pause(); });
                                   tree.look();
                                   if (tree.lacked_descriptors() || tree.usage().processes != 2) return 1;
                                   std::vector<Descriptor> all;
                                   do all.emplace_back(::dup(0));
                                   while (all.back());
                                   const Nanoseconds before = monotonic_now();
                                   tree.look();
                                   if (!tree.lacked_descriptors() || tree.usage().when < before) return 2;
                                   return tree.usage().processes == 2 ? 0 : 3;  // none has gone for that
                               }),
              0);
}

TEST(ProcessIo, NeedsEveryCounter) {
    const std::string text =
        "rchar: 11\nwchar: 12\nsyscr: 1\nsyscw: 2\nread_bytes: 13\nwrite_bytes: 14\ncancelled_write_bytes: 15\n";
    const auto io = parse_process_io(text);
    ASSERT_TRUE(io);
    EXPECT_EQ(io->requested_read, 11U);
    EXPECT_EQ(io->requested_written, 12U);
    EXPECT_EQ(io->storage_read, 13U);
    EXPECT_EQ(io->storage_written, 14U);
    for (const std::string_view broken : {"", "rchar: 1", "wchar: 1\nread_bytes: 1\nwrite_bytes: 1", "rchar: x"}) {
        EXPECT_FALSE(parse_process_io(broken)) << broken;
    }
}

TEST(ProcessTree, CountsSharedMemoryOnce) {
    constexpr std::int64_t size = 64 * mebibyte;
    ProcessTree before(own_pid());
    before.look();
    before.look_at_memory();
    // Populated by the kernel and not by us: a sanitizer would keep memory of its own for every byte that we write.
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    Forked first([] { (void)::pause(); });
    Forked second([] { (void)::pause(); });
    ProcessTree tree(own_pid());
    tree.look();
    tree.look_at_memory();
    EXPECT_EQ(tree.processes().size(), 3U);
    (void)::munmap(memory, size);
    const std::int64_t grown = tree.peak_bytes() - before.peak_bytes();
    EXPECT_GE(grown, size);
    EXPECT_LT(grown, 2 * size) << "three processes share one copy";
    const std::int64_t peak = tree.peak_bytes();
    tree.look();
    tree.look_at_memory();
    EXPECT_EQ(tree.peak_bytes(), peak) << "the peak stays";
}

TEST(ProcessStat, IsReadBehindAnyName) {
    const std::string tail = " S 12 1 1 0 -1 4194304 1 2 3 4 50 7 8 9 20 0 1 0 98765 1 2 3";
    for (const std::string name : {"sh", "a) R 1 1", "(x) (y)", ") ) )", ""}) {
        const auto stat = parse_process_stat("42 (" + name + ")" + tail);
        ASSERT_TRUE(stat) << name;
        EXPECT_EQ(stat->state, 'S');
        EXPECT_EQ(stat->parent, 12U);
        EXPECT_EQ(stat->cpu_ticks, 57U);
        EXPECT_EQ(stat->waited_ticks, 17U);
        EXPECT_EQ(stat->resident_pages, 2U);
        EXPECT_EQ(stat->start_ticks, 98765U);
    }
    for (const std::string_view text : {"", "42", "42 (sh)", "42 (sh) ", "42 (sh) S", "42 (sh) S 1 2 3", ") S 1"}) {
        EXPECT_FALSE(parse_process_stat(text)) << text;
    }
}

TEST(RepairedUtf8, ReplacesOnlyWhatIsNotUtf8) {
    EXPECT_EQ(repaired_utf8("größe 数 😀"), "größe 数 😀");
    EXPECT_EQ(repaired_utf8("a\xff"
                            "b\xc3"),
              "a\xef\xbf\xbd"
              "b\xef\xbf\xbd");
    EXPECT_EQ(repaired_utf8(""), "");
}

TEST(CommandLine, IsReadOfAnyProcess) {
    EXPECT_NE(read_command_line(own_pid()), "");
    EXPECT_EQ(read_command_line(4'000'000'000), "");
}

}  // namespace
}  // namespace headrace::sys
