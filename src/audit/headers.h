// The headers of the spool files of a program that runs: mapped as long as their processes live.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstddef>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>

#include "headrace/run.h"
#include "run/spool_format.h"
#include "sys/descriptor.h"

namespace headrace::audit {

// The first page of a file of the spool folder, mapped for reading while others write it.
template <class Content>
class Page {
public:
    explicit Page(const std::filesystem::path& path) {
        const sys::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        struct stat status {};
        if (file && ::fstat(file.get(), &status) == 0 && status.st_size >= static_cast<off_t>(spool::header_bytes)) {
            void* at = ::mmap(nullptr, spool::header_bytes, PROT_READ, MAP_SHARED, file.get(), 0);
            content_ = at == MAP_FAILED ? nullptr : static_cast<const Content*>(at);
        }
    }
    ~Page() {
        if (content_ != nullptr) {
            ::munmap(const_cast<Content*>(content_), spool::header_bytes);
        }
    }
    Page(Page&& other) noexcept : content_(std::exchange(other.content_, nullptr)) {}
    Page& operator=(Page&&) = delete;

    const Content* get() const { return content_; }  // null where there is no such page

private:
    const Content* content_ = nullptr;
};

class Headers {
public:
    using Keep = std::function<bool(const spool::Header&)>;

    explicit Headers(std::filesystem::path folder) : folder_(std::move(folder)) {}

    // Maps the headers of files that have come since, and leaves those alone that `lives` does not hold for. `now`:
    // CLOCK_MONOTONIC. The folder is listed only where something can have changed in it.
    void scan(Nanoseconds now, const Keep& lives);

    // Calls `look` for every header; one for which it gives false is not mapped again.
    void each(const Keep& look);

    std::size_t size() const { return headers_.size(); }
    std::size_t listings() const { return listings_; }  // of the folder, so far

private:
    bool may_have_changed(Nanoseconds now);
    void list();
    bool take(const std::string& name);

    std::filesystem::path folder_;
    std::map<std::string, Page<spool::Header>> headers_;  // by file name
    std::unordered_set<std::string> gone_;                // files that are not needed any more
    std::size_t listings_ = 0;
    timespec changed_ = {-1, -1};  // the folder's time at the last listing
    Nanoseconds settled_ = 0;      // when nothing can come any more that leaves this time as it is
    bool incomplete_ = false;      // a file had no whole header yet
};

}  // namespace headrace::audit
