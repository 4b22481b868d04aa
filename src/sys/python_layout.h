// Where each CPython version keeps what a reader from outside needs. 64-bit, little-endian builds with the GIL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace headrace::sys {

// How a version links its frames and writes its line tables.
enum class FrameStyle : std::uint8_t {
    frame_object,      // 3.10: a chain of PyFrameObject; f_lasti counts code units; line table of PEP 626
    interpreter_frame  // from 3.11: _PyInterpreterFrame with a pointer into the code; location table
};

// Offsets in bytes from the beginning of each structure.
struct PythonLayout {
    FrameStyle style = FrameStyle::interpreter_frame;
    bool tagged_code = false;        // the low bits of the frame's pointer to its code are flags (3.14)
    std::uint16_t thread_frame = 0;  // the current frame, or (has_cframe) the _PyCFrame that points to it
    bool has_cframe = false;
    std::uint16_t cframe_frame = 0;
    std::uint16_t thread_chunk = 0;  // the data stack's current chunk; 0: frames are not on a data stack
    std::uint16_t frame_bytes = 0;   // as much of a frame as holds all of the following
    std::uint16_t frame_previous = 0;
    std::uint16_t frame_code = 0;
    std::uint16_t frame_instruction = 0;      // pointer into the code, or (frame_object) the number of the code unit
    std::uint16_t frame_owner = 0;            // one byte: who owns the frame; of a frame object: its state
    std::uint8_t first_foreign_owner = 0xff;  // owners from here on are entries from C and have no Python code
    std::uint16_t code_bytes = 0;             // as much of a code object as holds all of the following
    std::uint16_t code_first_line = 0;
    std::uint16_t code_filename = 0;
    std::uint16_t code_name = 0;  // co_qualname where there is one
    std::uint16_t code_lines = 0;
    std::uint16_t code_instructions = 0;  // where the instructions begin, for the pointer into the code
    std::uint16_t ascii_data = 0;         // where the characters of a compact ASCII string begin
    std::uint16_t compact_data = 0;       // the same of another compact string
};

// 3.10, 3.11 and 3.12; empty for other versions and for pre-releases.
std::optional<PythonLayout> layout_of_version(std::uint32_t version_hex) noexcept;

// As many bytes of _Py_DebugOffsets as are read, and what they say about 3.13 and 3.14. Empty when they are not the
// debug offsets of this very version, when the build is free-threaded, or when an offset cannot be.
inline constexpr std::size_t debug_offsets_bytes = 50 * 8;
std::optional<PythonLayout> layout_of_debug_offsets(std::uint32_t version_hex, std::string_view bytes) noexcept;

}  // namespace headrace::sys
