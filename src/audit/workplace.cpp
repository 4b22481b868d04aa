#include "audit/workplace.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <random>
#include <system_error>

#include "sys/file_lock.h"
#include "sys/sandbox.h"

namespace headrace::audit {
namespace {

namespace fs = std::filesystem;

// Empty where another process has it.
sys::Descriptor lock_of(const fs::path& folder) {
    sys::Descriptor file(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (file && !sys::lock_byte(file, 0, false) && (errno == EAGAIN || errno == EACCES)) file.reset();
    return file;
}

}  // namespace

std::string utc(const char* format) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    (void)std::strftime(text, sizeof text, format, &parts);
    return text;
}

std::string new_id() {
    char digits[16];
    (void)std::snprintf(digits, sizeof digits, "-%08x", std::random_device{}());
    return utc("%Y%m%dT%H%M%SZ") + digits;
}

Workplace::~Workplace() {
    if (lock_) sys::remove_sandbox(folder_);
}

Result<Workplace> Workplace::make(const fs::path& home) {
    std::error_code error;
    const fs::path all = fs::absolute(home, error) / "trials";
    fs::create_directories(all, error);
    if (error) return fail_errno(error.value(), "cannot make " + all.string());
    for (fs::directory_iterator old(all, error); !error && old != fs::directory_iterator{}; old.increment(error)) {
        if (const sys::Descriptor unused = lock_of(old->path())) sys::remove_sandbox(old->path());
    }
    fs::path folder = all / new_id();
    fs::create_directory(folder, error);
    if (error) return fail_errno(error.value(), "cannot make " + folder.string());
    sys::Descriptor held = lock_of(folder);
    if (!held) return fail(ErrorCode::io_error, "cannot lock " + folder.string());
    return Workplace(std::move(folder), std::move(held));
}

}  // namespace headrace::audit
