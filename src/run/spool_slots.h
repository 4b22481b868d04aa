// The 32-byte slots of a spool file, one after another through a small buffer. No descriptor stays open between two
// blocks: a run can have more threads than a process may have files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <vector>

#include "headrace/result.h"
#include "run/spool_format.h"
#include "sys/descriptor.h"

namespace headrace::run {

// Opens a file that may be anything: never waits, follows no link. Errors: damaged where it is no regular file.
Result<sys::Descriptor> open_spool_file(const std::filesystem::path& path);

// As many bytes as there are up to `size`; a file that is cut short meanwhile gives fewer.
Result<std::size_t> read_at(int descriptor, void* into, std::size_t size, std::size_t offset);

class Slots {
public:
    static constexpr std::uint64_t to_the_end = std::numeric_limits<std::uint64_t>::max();

    // Slots from `first` on, before `end`. `written_to`: a thread may still be writing the file. Then every block is
    // read twice, and complete() tells which slots had their second field set at the first look.
    Slots(std::filesystem::path path, std::uint64_t first, std::uint64_t end, bool written_to);

    // The next slot, valid until the next call; null at the end, also where the file cannot be read.
    const spool::Record* next() {
        if (at_ == block_.size() && !fill()) return nullptr;
        return &block_[at_++];
    }

    // Of the slot that next() gave.
    bool complete() const { return written_to_ ? looked_[at_ - 1] : block_[at_ - 1].duration_kind != 0; }

    std::uint64_t position() const { return begin_ + at_; }  // of the slot that comes next

    const std::optional<Error>& error() const { return error_; }

private:
    bool fill();
    Result<std::size_t> read_block(int descriptor);

    std::filesystem::path path_;
    std::uint64_t begin_;  // position of block_[0]
    std::uint64_t end_;
    bool written_to_;
    std::size_t at_ = 0;
    std::vector<spool::Record> block_;
    std::vector<bool> looked_;
    std::optional<Error> error_;
};

}  // namespace headrace::run
