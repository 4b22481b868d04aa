// Reads the Python stack of a thread of another process from outside, without pausing it (process_vm_readv).
// CPython 3.10 to 3.12 by known offsets of each version, 3.13 and later by the _Py_DebugOffsets that it publishes.
//
// The other process runs on while it is read, so any read may see a half-made frame: every pointer and length is
// checked, and a stack that does not hold together gives nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "headrace/result.h"

namespace headrace::sys {

struct PythonThread {
    std::uint32_t pid = 0;
    std::uint64_t thread_state = 0;   // address of its PyThreadState
    std::uint64_t debug_offsets = 0;  // address of _PyRuntime; needed from 3.13 on
    std::uint32_t version_hex = 0;    // PY_VERSION_HEX
};

struct PythonFrame {
    std::string file;
    std::string function;  // co_qualname where there is one (3.11), else co_name
    std::uint32_t line = 0;
};

// One reader for many looks: it caches code objects by address and checks that they are still the same ones.
class PythonStackReader {
public:
    PythonStackReader();
    ~PythonStackReader();
    PythonStackReader(const PythonStackReader&) = delete;
    PythonStackReader& operator=(const PythonStackReader&) = delete;

    // The stack, innermost frame first, at most 64 frames. Errors: permission_denied (reading is not allowed here),
    // unsupported (a Python version that is not known), not_found (the process is gone), not_enough_data (the stack
    // changed under the look: try again at the next one).
    // The reference stays valid until the next call.
    Result<const std::vector<PythonFrame>*> read(const PythonThread& thread);

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Whether process_vm_readv works on a child of ours: tried on a child, nothing is left behind.
Result<void> can_read_children();

// Whether this version can be read at all.
bool python_is_known(std::uint32_t version_hex) noexcept;

}  // namespace headrace::sys
