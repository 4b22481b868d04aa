// The code objects of other processes' Pythons: names and lines, read once and then kept.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "sys/python_layout.h"
#include "sys/python_lines.h"
#include "sys/remote_memory.h"

namespace headrace::sys {

struct PythonCode {
    std::uint64_t serial = 0;  // no two code objects ever have the same
    std::string file;
    std::string function;
    LineTable lines;

    // What tells whether another code object lies at the same address now.
    std::uint64_t filename_at = 0;
    std::uint64_t name_at = 0;
    std::uint64_t lines_at = 0;
    std::uint32_t first_line = 0;
    std::size_t compared = 0;   // as many bytes of the line table are in:
    std::string fingerprint;    // lengths, hashes and beginnings: new objects like to lie where old ones were
    std::uint64_t checked = 0;  // the look at which that was compared last
};

class PythonCodeCache {
public:
    // Makes the code objects at `addresses` known, or checks now and then that they are the same still. All that must
    // be read is read into `memory`. False when one of them is not a code object, which happens when the stack changed
    // under the look.
    bool prepare(RemoteMemory& memory, const PythonLayout& layout, std::uint32_t pid,
                 const std::vector<std::uint64_t>& addresses, std::uint64_t look);

    // One that prepare() has made known.
    const PythonCode* find(std::uint32_t pid, std::uint64_t address) const;

    void forget(std::uint32_t pid);

private:
    using Codes = std::unordered_map<std::uint64_t, PythonCode>;
    void plan_check(RemoteMemory& memory, const PythonLayout& layout, std::uint64_t address, const PythonCode* known);
    bool refresh(RemoteMemory& memory, const PythonLayout& layout, Codes& codes, std::uint64_t address,
                 std::uint64_t look);

    std::unordered_map<std::uint32_t, Codes> processes_;
    std::size_t count_ = 0;
    std::uint64_t last_serial_ = 0;
};

}  // namespace headrace::sys
