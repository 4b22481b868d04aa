#include "run/hold.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "run/spool_format.h"

namespace headrace::run {

namespace {

constexpr off_t recording_byte = 0;
constexpr off_t completion_byte = 1;

struct flock exclusive(off_t byte) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    return lock;
}

sys::Descriptor open_control(const Folder& folder, int mode) {
    return sys::Descriptor(::open((folder.spool() / "control").c_str(), mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

// Locks of the open file and not of the process (F_SETLK): those end when any descriptor of the file is closed.
bool take(const sys::Descriptor& control, int command, off_t byte) {
    struct flock lock = exclusive(byte);
    int result = -1;
    do result = control ? ::fcntl(control.get(), command, &lock) : -1;
    while (control && result != 0 && errno == EINTR);
    return result == 0;
}

}  // namespace

sys::Descriptor hold_recording(const Folder& folder) {
    sys::Descriptor control = open_control(folder, O_RDWR);
    const std::uint32_t held = 1;
    if (!take(control, F_OFD_SETLK, recording_byte)) return {};
    if (::pwrite(control.get(), &held, sizeof held, offsetof(spool::Control, held)) != sizeof held) return {};
    return control;
}

std::optional<bool> recording_held(const Folder& folder) {
    const sys::Descriptor control = open_control(folder, O_RDONLY);
    std::uint32_t held = 0;
    struct flock lock = exclusive(recording_byte);
    if (!control || ::pread(control.get(), &held, sizeof held, offsetof(spool::Control, held)) != sizeof held ||
        held == 0 || ::fcntl(control.get(), F_OFD_GETLK, &lock) != 0)
        return std::nullopt;
    return lock.l_type != F_UNLCK;
}

sys::Descriptor hold_completion(const Folder& folder) {
    sys::Descriptor control = open_control(folder, O_RDWR);
    return take(control, F_OFD_SETLKW, completion_byte) ? std::move(control) : sys::Descriptor();
}

}  // namespace headrace::run
