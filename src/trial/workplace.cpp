#include "trial/workplace.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <random>
#include <system_error>

#include "sys/file_lock.h"
#include "sys/sandbox.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;

sys::Descriptor open_lock(const fs::path& folder) {
    return sys::Descriptor(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

// Whether nobody uses it any more; where locks cannot tell, it stays.
bool is_left_over(const fs::path& folder) {
    const sys::Descriptor file = open_lock(folder);
    return file && sys::lock_byte(file, 0, false);
}

// One that is being made has its name after a moment.
bool was_given_up(const fs::path& being_made) {
    std::error_code error;
    const auto begun = fs::last_write_time(being_made, error);
    return !error && fs::file_time_type::clock::now() - begun > std::chrono::minutes(1);
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
        const bool being_made = old->path().filename().string().starts_with('.');
        if (being_made ? was_given_up(old->path()) : is_left_over(old->path())) sys::remove_sandbox(old->path());
    }
    // Locked before it has the name under which others look at it.
    const std::string id = new_id();
    const fs::path made = all / ("." + id), folder = all / id;
    fs::create_directory(made, error);
    if (error) return fail_errno(error.value(), "cannot make " + made.string());
    sys::Descriptor held = open_lock(made);
    if (!held) return fail_errno(errno, "cannot make the lock of " + made.string());
    (void)sys::lock_byte(held, 0, false);
    fs::rename(made, folder, error);
    if (error) return fail_errno(error.value(), "cannot make " + folder.string());
    return Workplace(folder, std::move(held));
}

}  // namespace headrace::trial
