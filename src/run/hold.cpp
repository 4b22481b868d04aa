#include "run/hold.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "run/spool_format.h"
#include "sys/file_lock.h"

namespace headrace::run {

namespace {

constexpr std::int64_t recording_byte = 0;
constexpr std::int64_t completion_byte = 1;

sys::Descriptor open_control(const Folder& folder, int mode) {
    return sys::Descriptor(::open((folder.spool() / "control").c_str(), mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

}  // namespace

sys::Descriptor hold_recording(const Folder& folder) {
    sys::Descriptor control = open_control(folder, O_RDWR);
    const std::uint32_t held = 1;
    if (!sys::lock_byte(control, recording_byte, false)) return {};
    if (::pwrite(control.get(), &held, sizeof held, offsetof(spool::Control, held)) != sizeof held) return {};
    return control;
}

std::optional<bool> recording_held(const Folder& folder) {
    const sys::Descriptor control = open_control(folder, O_RDONLY);
    std::uint32_t held = 0;
    if (!control || ::pread(control.get(), &held, sizeof held, offsetof(spool::Control, held)) != sizeof held ||
        held == 0)
        return std::nullopt;
    const int locked = sys::byte_is_locked(control, recording_byte);
    return locked < 0 ? std::nullopt : std::optional<bool>(locked != 0);
}

sys::Descriptor hold_completion(const Folder& folder) {
    sys::Descriptor control = open_control(folder, O_RDWR);
    return sys::lock_byte(control, completion_byte, true) ? std::move(control) : sys::Descriptor();
}

}  // namespace headrace::run
