#include "sys/remote_memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace headrace::sys {
namespace {

constexpr std::size_t most_pieces = 320;
constexpr std::size_t most_bytes = 4 * 1024 * 1024;

}  // namespace

void RemoteMemory::restart(std::uint32_t pid) {
    pid_ = pid;
    used_ = 0;
    pieces_.clear();
    planned_.clear();
}

void RemoteMemory::plan(std::uint64_t address, std::size_t bytes) {
    if (bytes == 0 || address < 4096 || planned_.size() == most_pieces || used_ + bytes > most_bytes) return;
    if (buffer_.size() < used_ + bytes) buffer_.resize(std::max(buffer_.size() * 2, used_ + bytes));
    planned_.push_back({address, bytes, used_});
    used_ += bytes;
}

int RemoteMemory::fetch() {
    if (planned_.empty()) return EFAULT;
    std::array<iovec, most_pieces> remote;
    for (std::size_t i = 0; i < planned_.size(); ++i) {
        // The address is one of the other process: it is only handed to the kernel.
        remote[i] = {reinterpret_cast<void*>(planned_[i].address), planned_[i].bytes};
    }
    const std::size_t begin = planned_.front().offset;
    const iovec local{buffer_.data() + begin, used_ - begin};
    ++system_calls_;
    const ssize_t copied = ::process_vm_readv(static_cast<pid_t>(pid_), &local, 1, remote.data(), planned_.size(), 0);
    const int error = copied < 0 ? errno : 0;
    std::size_t left = copied < 0 ? 0 : static_cast<std::size_t>(copied);
    for (const Piece& piece : planned_) {
        if (piece.bytes > left) break;
        left -= piece.bytes;
        pieces_.push_back(piece);
    }
    planned_.clear();
    return error;
}

std::string_view RemoteMemory::find(std::uint64_t address, std::size_t bytes) const noexcept {
    // The newest first: what was copied last is what the walk asks for.
    for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
        if (address < piece->address || address - piece->address > piece->bytes) continue;
        const std::size_t skipped = address - piece->address;
        if (bytes <= piece->bytes - skipped) return {buffer_.data() + piece->offset + skipped, bytes};
    }
    return {};
}

std::string_view RemoteMemory::need(std::uint64_t from, std::uint64_t address, std::size_t bytes) {
    if (const std::string_view there = find(address, bytes); !there.empty()) return there;
    plan(from, address - from + bytes);
    if (fetch() != 0) return {};
    return find(address, bytes);
}

}  // namespace headrace::sys
