#include "capture/python.h"
//
#include "capture/spool_writer.h"

#include "capture/costs.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace headrace::capture {
namespace {

constexpr std::uint64_t first_chunk = 64 * 1024;
constexpr std::uint64_t later_chunk = 256 * 1024;
constexpr std::uint32_t most_files = 1U << 20;

struct Process {
    char folder[4096];
    spool::Control* control;
    std::uint32_t version_hex;
    std::uint32_t rank;
    std::uint32_t local_rank;
    std::uint32_t files;  // opened so far, part of the file names
    std::uint32_t pid;
    std::uint64_t began;  // CLOCK_MONOTONIC
    bool failed;          // no file could be opened: do not try again at every hook
    Thread* free_threads;
};
Process process;
pthread_key_t thread_key;
pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;
// One pointer in static TLS: reached in one instruction, and small enough for a library that is loaded late.
__attribute__((tls_model("initial-exec"))) thread_local Thread* current;

// Since when this process runs, from its start time in ticks since boot.
std::uint64_t process_start_time() {
    char text[1024];
    const int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return now();
    }
    const ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) {
        return now();
    }
    text[length] = 0;
    const char* field = strrchr(text, ')');
    for (int i = 0; field != nullptr && i < 20; ++i) {  // starttime is field 22, the name is field 2
        field = strchr(field + 1, ' ');
    }
    if (field == nullptr) {
        return now();
    }
    const std::uint64_t ticks = strtoull(field + 1, nullptr, 10);
    timespec boot{};
    clock_gettime(CLOCK_BOOTTIME, &boot);
    const std::uint64_t boot_now = nanoseconds(boot);
    const std::uint64_t began = ticks * (1000000000U / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
    const std::uint64_t age = boot_now > began ? boot_now - began : 0;
    return now() - age;
}

// Reserves [offset, offset + length) on the disk, so that no later store can fail.
bool reserve(int fd, std::uint64_t offset, std::uint64_t length) {
    rlimit limit{};  // beyond it the kernel would send SIGXFSZ, which ends the program
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && offset + length > limit.rlim_cur) {
        errno = EFBIG;
        return false;
    }
    int failed = -1;
    do {
        failed = fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(length));
    } while (failed != 0 && errno == EINTR);  // tmpfs gives way to any signal, whatever its handler says
    if (failed == 0) {
        return true;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) {
        return false;
    }
    static const char zeros[4096] = {};
    for (std::uint64_t done = 0; done < length; done += sizeof zeros) {
        ssize_t written = -1;
        do {
            written = pwrite(fd, zeros, sizeof zeros, static_cast<off_t>(offset + done));
        } while (written < 0 && errno == EINTR);
        if (written != static_cast<ssize_t>(sizeof zeros)) {
            errno = written < 0 ? errno : ENOSPC;
            return false;
        }
    }
    return true;
}

void* map_reserved(const char* path, int flags, std::uint64_t offset, std::uint64_t length) {
    int fd = -1;
    do {
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return nullptr;
    }
    void* at = MAP_FAILED;
    if (reserve(fd, offset, length)) {
        at = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, static_cast<off_t>(offset));
    }
    const int error = errno;
    close(fd);
    errno = error;
    return at == MAP_FAILED ? nullptr : at;
}

void fill_header(Thread* t, std::uint32_t tid) {
    spool::Header* h = t->header;
    h->magic = spool::magic;
    h->version = spool::version;
    h->pid = process.pid;
    h->parent_pid = static_cast<std::uint32_t>(getppid());
    h->tid = tid;
    h->opened = now();
    h->process_start = process.began;
    h->main_thread = tid == process.pid ? 1 : 0;
    h->rank = process.rank;
    h->local_rank = process.local_rank;
    h->python.version_hex = process.version_hex;
    h->python.debug_offsets = reinterpret_cast<std::uint64_t>(dlsym(RTLD_DEFAULT, "_PyRuntime"));
    h->python.thread_state = reinterpret_cast<std::uint64_t>(PyThreadState_Get());
}

void close_descriptors(Thread* t) {
    close_ours(&t->schedstat);
    close_ours(&t->io);
}

// A thread ended: its file goes to the next new thread, so that a program of many short threads makes few files.
void on_thread_exit(void* value) {
    Thread* t = static_cast<Thread*>(value);
    current = nullptr;
    pthread_mutex_lock(&free_lock);
    t->header->depth = 0;
    t->header->trains = 0;
    t->header->python.thread_state = 0;
    t->depth = 0;
    close_descriptors(t);
    t->next_free = process.free_threads;
    process.free_threads = t;
    pthread_mutex_unlock(&free_lock);
}

// In the child of a fork every mapping still belongs to the parent's files: forget them; a new file is opened at the
// first record. Only this thread exists here, and only async-signal-safe functions may be called.
void on_fork_child() {
    if (current != nullptr) {
        close_descriptors(current);
    }
    current = nullptr;
    process.free_threads = nullptr;
    free_lock = PTHREAD_MUTEX_INITIALIZER;
    process.pid = static_cast<std::uint32_t>(getpid());
    process.files = 0;
    process.began = now();
    pthread_setspecific(thread_key, nullptr);
}

Thread* reuse_free(std::uint32_t tid) {
    pthread_mutex_lock(&free_lock);
    Thread* t = process.free_threads;
    if (t != nullptr) {
        process.free_threads = t->next_free;
    }
    pthread_mutex_unlock(&free_lock);
    if (t == nullptr) {
        return nullptr;
    }
    t->batch = Batch{};
    t->has_fetched = false;  // the thread's own counts begin anew
    t->header->python.thread_state = reinterpret_cast<std::uint64_t>(PyThreadState_Get());
    char digits[16];
    const int length = snprintf(digits, sizeof digits, "%u", tid);
    append_text(t, spool::TextKind::thread, digits, static_cast<std::uint64_t>(length));
    return t;
}

Thread* open_new(std::uint32_t tid) {
    char path[4200];
    void* at = nullptr;
    int length = 0;
    do {  // a name is taken where this process was another interpreter before it called exec: that file stays
        length = snprintf(path, sizeof path, "%s/%u-%u-%u.spool", process.folder, process.pid, tid, process.files);
        if (length <= 0 || length >= static_cast<int>(sizeof path)) {
            return nullptr;
        }
        errno = 0;
        at = map_reserved(path, O_CREAT | O_EXCL, 0, first_chunk);
    } while (at == nullptr && errno == EEXIST && ++process.files < most_files);
    if (at == nullptr) {
        if (errno != EEXIST) {
            unlink(path);
        }
        return nullptr;
    }
    Thread* t = static_cast<Thread*>(calloc(1, sizeof(Thread) + static_cast<std::size_t>(length)));
    if (t == nullptr) {
        munmap(at, first_chunk);
        unlink(path);
        return nullptr;
    }
    memcpy(t->path, path, static_cast<std::size_t>(length) + 1);
    ++process.files;
    t->header = static_cast<spool::Header*>(at);
    t->cursor = reinterpret_cast<spool::Record*>(static_cast<char*>(at) + spool::header_bytes);
    t->end = reinterpret_cast<spool::Record*>(static_cast<char*>(at) + first_chunk);
    t->chunk = at;
    t->chunk_bytes = first_chunk;
    t->file_bytes = first_chunk;
    t->random = (static_cast<std::uint64_t>(process.pid) << 32) ^ now() ^ 0x9e3779b97f4a7c15U;
    fill_header(t, tid);
    return t;
}

// Goes on in a new chunk. False: no space, or the file cannot be reached any more; the thread's recording ends, the
// program does not notice.
bool grow(Thread* t) {
    if (t->header->full != 0) {
        return false;
    }
    void* at = map_reserved(t->path, 0, t->file_bytes, later_chunk);
    if (at == nullptr) {
        t->header->full_error = static_cast<std::uint32_t>(errno);
        t->header->full = 1;
        return false;
    }
    if (t->chunk != static_cast<void*>(t->header)) {
        munmap(t->chunk, t->chunk_bytes);
    }
    t->chunk = at;
    t->chunk_bytes = later_chunk;
    t->file_bytes += later_chunk;
    t->cursor = static_cast<spool::Record*>(at);
    t->end = reinterpret_cast<spool::Record*>(static_cast<char*>(at) + later_chunk);
    return true;
}

spool::Record* next_record(Thread* t) {
    if (t->cursor == t->end && !grow(t)) {
        ++t->header->dropped;
        return nullptr;
    }
    return t->cursor++;
}

}  // namespace

std::uint64_t nanoseconds(const timespec& t) noexcept {
    return static_cast<std::uint64_t>(t.tv_sec) * 1000000000U + static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t now() noexcept {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return nanoseconds(t);
}

std::uint64_t thread_cpu() noexcept {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return nanoseconds(t);
}

std::uint64_t process_cpu() noexcept {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return nanoseconds(t);
}

bool start(const char* folder, std::uint32_t version_hex, int rank_plus_1, int local_rank_plus_1) {
    const std::size_t length = strlen(folder);
    if (length >= sizeof process.folder) {
        return false;
    }
    memcpy(process.folder, folder, length + 1);
    char path[4200];
    snprintf(path, sizeof path, "%s/control", folder);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct stat status {};
    void* at = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size >= static_cast<off_t>(sizeof(spool::Control))) {
        at = mmap(nullptr, sizeof(spool::Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    close(fd);
    if (at == MAP_FAILED) {
        return false;
    }
    auto* control = static_cast<spool::Control*>(at);
    if (control->magic != spool::control_magic || control->version != spool::version) {
        munmap(at, sizeof(spool::Control));
        return false;
    }
    if (pthread_key_create(&thread_key, on_thread_exit) != 0) {
        munmap(at, sizeof(spool::Control));
        return false;
    }
    process.control = control;
    process.version_hex = version_hex;
    process.rank = static_cast<std::uint32_t>(rank_plus_1);
    process.local_rank = static_cast<std::uint32_t>(local_rank_plus_1);
    process.pid = static_cast<std::uint32_t>(getpid());
    process.began = process_start_time();
    pthread_atfork(nullptr, nullptr, on_fork_child);
    return true;
}

bool recording() noexcept {
    return process.control != nullptr && __atomic_load_n(&process.control->recording, __ATOMIC_RELAXED) != 0;
}

Thread* thread_if_open() noexcept { return current; }

Thread* thread() noexcept {
    if (current != nullptr) {
        return current;
    }
    if (process.failed || !recording()) {
        return nullptr;
    }
    const auto tid = static_cast<std::uint32_t>(syscall(SYS_gettid));
    Thread* t = reuse_free(tid);
    if (t == nullptr) {
        t = open_new(tid);
    }
    if (t == nullptr) {
        process.failed = true;
        return nullptr;
    }
    current = t;
    pthread_setspecific(thread_key, t);
    return t;
}

void append(Thread* t, spool::Kind kind, std::uint64_t start, std::uint64_t duration, std::uint64_t a,
            std::uint64_t b) noexcept {
    spool::Record* r = next_record(t);
    if (r == nullptr) {
        return;
    }
    r->start = start;
    r->a = a;
    r->b = b;
    __atomic_store_n(&r->duration_kind, duration << 8 | static_cast<std::uint64_t>(kind), __ATOMIC_RELEASE);
}

void append_text(Thread* t, spool::TextKind kind, const char* text, std::uint64_t length) noexcept {
    append(t, spool::Kind::text, now(), 0, length, static_cast<std::uint64_t>(kind));
    for (std::uint64_t done = 0; done < length; done += spool::record_bytes) {
        spool::Record* r = next_record(t);
        if (r == nullptr) {
            return;
        }
        const std::uint64_t left = length - done;
        memcpy(static_cast<void*>(r), text + done, left < spool::record_bytes ? left : spool::record_bytes);
    }
}

int push(Thread* t, spool::Kind kind, std::uint64_t start) noexcept {
    const int depth = t->depth;
    if (depth < stack_depth) {
        t->stack[depth] = {start, static_cast<std::uint64_t>(kind)};
        t->header->open[depth] = t->stack[depth];
        __atomic_store_n(&t->header->depth, static_cast<std::uint64_t>(depth) + 1, __ATOMIC_RELEASE);
    }
    ++t->depth;
    return depth;
}

void pop(Thread* t, int depth) noexcept {
    t->depth = depth;
    if (depth < stack_depth) {
        __atomic_store_n(&t->header->depth, static_cast<std::uint64_t>(depth), __ATOMIC_RELEASE);
    }
}

void forget_steps(Thread* t) noexcept {
    const int depth = t->depth < stack_depth ? t->depth : stack_depth;
    for (int i = 0; i < depth; ++i) {
        if (t->stack[i].kind == static_cast<std::uint64_t>(spool::Kind::optimizer)) {
            pop(t, i);
            return;
        }
    }
}

bool inside(const Thread* t, spool::Kind kind) noexcept {
    const int depth = t->depth < stack_depth ? t->depth : stack_depth;
    for (int i = 0; i < depth; ++i) {
        if (t->stack[i].kind == static_cast<std::uint64_t>(kind)) {
            return true;
        }
    }
    return false;
}

void count_step(Thread* t, std::uint64_t optimizer) noexcept {
    if (!t->batch_since_step && t->steps != 0 && optimizer != t->last_counted &&
        (t->has_batches || optimizer != t->not_counted)) {
        t->not_counted = optimizer;  // another one of the same step; without a loader, if it comes twice, a new one
        return;
    }
    t->batch_since_step = false;
    t->last_counted = optimizer;
    t->not_counted = 0;
    ++t->steps;
    spool::Control* control = process.control;
    std::uint64_t most = __atomic_load_n(&control->steps, __ATOMIC_RELAXED);
    while (most < t->steps &&
           !__atomic_compare_exchange_n(&control->steps, &most, t->steps, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    if (control->max_steps != 0 && t->steps >= control->max_steps) {
        stop_all(t);
    }
}

void stop_all(Thread* t) noexcept {
    append(t, spool::Kind::stopped, now(), 0, 0, 0);
    __atomic_store_n(&process.control->recording, 0, __ATOMIC_RELAXED);
}

}  // namespace headrace::capture
