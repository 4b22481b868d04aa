// What a thread's work cost beside wall time: run-queue delay and bytes read, from its own /proc files.
#pragma once

#include <cstdint>

#include "capture/spool_writer.h"

namespace headrace::capture {

// How this thread has been scheduled since it began. Zeros where the kernel does not say.
Scheduled scheduled(Thread* thread) noexcept;

// Its run-queue time alone, for a thread that asks seldom: leaves no file open that was not.
std::uint64_t run_queue_once(Thread* thread) noexcept;

struct Bytes {
    std::uint64_t requested;     // by read calls, cached or not; our own reads taken out
    std::uint64_t from_storage;  // that came from the storage layer
};
Bytes bytes_read(Thread* thread) noexcept;

// Closes it, unless the program has closed it and its number belongs to another file by now.
void close_ours(ProcFile* file) noexcept;

struct CpuTotals {
    std::uint64_t user;
    std::uint64_t system;
};
// Moves in ticks of 1 to 10 ms on most kernels: good as a total, not for one batch.
CpuTotals cpu_totals() noexcept;

}  // namespace headrace::capture
