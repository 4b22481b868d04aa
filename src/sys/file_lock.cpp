#include "sys/file_lock.h"

#include <fcntl.h>

#include <cerrno>

namespace headrace::sys {
namespace {

struct flock exclusive(std::int64_t byte) noexcept {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(byte);
    lock.l_len = 1;
    return lock;
}

}  // namespace

bool lock_byte(const Descriptor& file, std::int64_t byte, bool wait) noexcept {
    struct flock lock = exclusive(byte);
    int result = -1;
    do result = file ? ::fcntl(file.get(), wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) : -1;
    while (file && result != 0 && errno == EINTR);
    return result == 0;
}

int byte_is_locked(const Descriptor& file, std::int64_t byte) noexcept {
    struct flock lock = exclusive(byte);
    if (!file || ::fcntl(file.get(), F_OFD_GETLK, &lock) != 0) return -1;
    return lock.l_type != F_UNLCK ? 1 : 0;
}

}  // namespace headrace::sys
