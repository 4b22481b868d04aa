#include "run/spool_slots.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace headrace::run {

namespace {

using spool::Record;

constexpr std::uint64_t block_slots = 2048;  // 64 KiB

std::size_t offset_of(std::uint64_t slot) {
    return spool::header_bytes + static_cast<std::size_t>(slot) * spool::record_bytes;
}

}  // namespace

Result<sys::Descriptor> open_spool_file(const std::filesystem::path& path) {
    // Without O_NONBLOCK a pipe of that name would block for ever.
    sys::Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (!descriptor) return fail_errno(errno, "it cannot be opened");
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return fail_errno(errno, "it cannot be read");
    if (!S_ISREG(status.st_mode)) return fail(ErrorCode::damaged, "it is no regular file");
    return descriptor;
}

Result<std::size_t> read_at(int descriptor, void* into, std::size_t size, std::size_t offset) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count =
            ::pread(descriptor, static_cast<char*>(into) + done, size - done, static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(errno, "it cannot be read");
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

Slots::Slots(std::filesystem::path path, std::uint64_t first, std::uint64_t end, bool written_to)
    : path_(std::move(path)), begin_(first), end_(end), written_to_(written_to) {}

// The second look comes later: of a record that was complete at the first one it sees every field.
Result<std::size_t> Slots::read_block(int descriptor) {
    const std::size_t bytes = block_.size() * sizeof(Record);
    if (!written_to_) return read_at(descriptor, block_.data(), bytes, offset_of(begin_));
    Result<std::size_t> first = read_at(descriptor, block_.data(), bytes, offset_of(begin_));
    if (!first) return first;
    looked_.clear();
    for (std::size_t i = 0; i < *first / sizeof(Record); ++i) looked_.push_back(block_[i].duration_kind != 0);
    return read_at(descriptor, block_.data(), *first, offset_of(begin_));
}

bool Slots::fill() {
    begin_ += block_.size();
    at_ = 0;
    block_.resize(static_cast<std::size_t>(std::min(block_slots, end_ - std::min(begin_, end_))));
    if (block_.empty()) return false;
    const Result<sys::Descriptor> descriptor = open_spool_file(path_);
    const Result<std::size_t> got = descriptor ? read_block(descriptor->get()) : tl::unexpected(descriptor.error());
    const std::size_t wanted = block_.size();
    block_.resize(got ? *got / sizeof(Record) : 0);
    if (!got)
        error_ = got.error();
    else if (end_ != to_the_end && block_.size() < wanted)
        error_ = Error{ErrorCode::io_error, "it has become shorter"};
    return !block_.empty();
}

}  // namespace headrace::run
