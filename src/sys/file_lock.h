// Locks that end with the open file and with the process, however that ends.
#pragma once

#include <cstdint>

#include "sys/descriptor.h"

namespace headrace::sys {

// Locks one byte of a file that is open for writing, which need not be there: a lock of the open file (F_OFD_SETLK),
// which a forked process shares. False where another one has it and `wait` is not wanted (errno EAGAIN or EACCES), and
// where the file system has no locks.
bool lock_byte(const Descriptor& file, std::int64_t byte, bool wait) noexcept;

// Whether another one has it; -1 where that cannot be told.
int byte_is_locked(const Descriptor& file, std::int64_t byte) noexcept;

}  // namespace headrace::sys
