#include "audit/headers.h"

#include <dirent.h>

#include <iterator>
#include <memory>
#include <string_view>

namespace headrace::audit {
namespace {

// The time of a folder moves in steps: of the kernel's ticks, or of seconds where the file system keeps no parts of
// one.
constexpr Nanoseconds fine_step = 100'000'000;
constexpr Nanoseconds coarse_step = 3'000'000'000;

bool same(const timespec& one, const timespec& other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

}  // namespace

void Headers::scan(Nanoseconds now, const Keep& lives) {
    if (may_have_changed(now)) {
        list();
    }
    each(lives);
}

void Headers::each(const Keep& look) {
    for (auto at = headers_.begin(); at != headers_.end();) {
        const auto next = std::next(at);
        if (!look(*at->second.get())) {
            gone_.insert(at->first);
            headers_.erase(at);
        }
        at = next;
    }
}

bool Headers::may_have_changed(Nanoseconds now) {
    struct stat status {};
    if (::stat(folder_.c_str(), &status) != 0) {
        return false;
    }
    if (!same(status.st_mtim, changed_)) {
        changed_ = status.st_mtim;
        settled_ = now + (changed_.tv_nsec == 0 ? coarse_step : fine_step);
        return true;
    }
    // The listing after the last possible change is the one that may be relied on.
    const bool listed_since = settled_ < 0;
    if (!listed_since && now >= settled_) {
        settled_ = -1;
        return true;
    }
    return !listed_since || incomplete_;
}

void Headers::list() {
    ++listings_;
    incomplete_ = false;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(folder_.c_str()), &::closedir);
    while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
        const std::string name = entry->d_name;
        if (name.ends_with(".spool") && !headers_.contains(name) && !gone_.contains(name) && !take(name)) {
            incomplete_ = true;
        }
    }
}

// False where there is no whole header yet.
bool Headers::take(const std::string& name) {
    Page<spool::Header> header(folder_ / name);
    if (header.get() == nullptr || header.get()->magic != spool::magic) {
        return false;
    }
    headers_.emplace(name, std::move(header));
    return true;
}

}  // namespace headrace::audit
