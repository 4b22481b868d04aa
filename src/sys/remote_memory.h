// Pieces of another process's memory, copied with as few system calls as possible.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace headrace::sys {

inline constexpr std::uint64_t page = 4096;  // what follows may not exist

// What was copied of one process at about one moment. The process runs on while it is read: two pieces, and even the
// two halves of one, may stem from different moments.
class RemoteMemory {
public:
    // Forgets everything and turns to another process or another moment.
    void restart(std::uint32_t pid);

    // Plans a piece for the next fetch(). What is out of all bounds is not planned.
    void plan(std::uint64_t address, std::size_t bytes);

    // Copies all planned pieces with one system call. Zero, or errno when not even the first one could be copied.
    // Behind a piece that is not readable the others are missing too.
    int fetch();

    // Bytes of a piece that was copied before; empty when they are not there. Valid until the next plan() or restart().
    std::string_view find(std::uint64_t address, std::size_t bytes) const noexcept;

    // The same, copied now when they are not there; `from` may lie before `address` to take more at the same cost.
    std::string_view need(std::uint64_t from, std::uint64_t address, std::size_t bytes);

    std::uint64_t system_calls() const noexcept { return system_calls_; }

private:
    struct Piece {
        std::uint64_t address;
        std::size_t bytes;
        std::size_t offset;  // in buffer_
    };
    std::uint32_t pid_ = 0;
    std::vector<char> buffer_;
    std::size_t used_ = 0;
    std::vector<Piece> pieces_;  // copied
    std::vector<Piece> planned_;
    std::uint64_t system_calls_ = 0;
};

// A number of the other process inside copied bytes.
template <class T>
T load(std::string_view bytes, std::size_t offset) noexcept {
    T value{};
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

// Whether an object of Python can begin at this address of a 64-bit process.
constexpr bool is_object_address(std::uint64_t address) noexcept {
    return address >= page && address < (std::uint64_t{1} << 56) && address % 8 == 0;
}

}  // namespace headrace::sys
