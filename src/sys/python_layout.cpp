#include "sys/python_layout.h"

#include <algorithm>
#include <cstring>

#include "sys/python_stack.h"

namespace headrace::sys {
namespace {

constexpr std::uint32_t minor_of(std::uint32_t version_hex) { return version_hex >> 16; }

// The offsets were taken with offsetof from the internal headers of 3.10.13, 3.11.2, 3.11.7 and 3.12.1. They are part
// of the binary interface that CPython freezes with a minor version's first release candidate.
constexpr PythonLayout layout_3_10() {
    PythonLayout layout;
    layout.style = FrameStyle::frame_object;
    layout.thread_frame = 24;
    layout.frame_bytes = 112;
    layout.frame_previous = 24;
    layout.frame_code = 32;
    layout.frame_instruction = 96;
    layout.frame_owner = 108;
    layout.code_bytes = 128;
    layout.code_first_line = 40;
    layout.code_filename = 104;
    layout.code_name = 112;
    layout.code_lines = 120;
    layout.ascii_data = 48;
    layout.compact_data = 72;
    return layout;
}

constexpr PythonLayout layout_3_11() {
    PythonLayout layout;
    layout.thread_frame = 56;
    layout.has_cframe = true;
    layout.cframe_frame = 8;
    layout.thread_chunk = 296;
    layout.frame_bytes = 72;
    layout.frame_previous = 48;
    layout.frame_code = 32;
    layout.frame_instruction = 56;
    layout.frame_owner = 69;
    layout.code_bytes = 144;
    layout.code_first_line = 72;
    layout.code_filename = 112;
    layout.code_name = 128;
    layout.code_lines = 136;
    layout.code_instructions = 184;
    layout.ascii_data = 48;
    layout.compact_data = 72;
    return layout;
}

constexpr PythonLayout layout_3_12() {
    PythonLayout layout = layout_3_11();
    layout.cframe_frame = 0;
    layout.thread_chunk = 232;
    layout.frame_previous = 8;
    layout.frame_code = 0;
    layout.frame_owner = 70;
    layout.first_foreign_owner = 3;
    layout.code_first_line = 68;
    layout.code_instructions = 192;
    layout.ascii_data = 40;
    layout.compact_data = 56;
    return layout;
}

// _Py_DebugOffsets is a cookie and then 64-bit numbers; these are the numbers' places. Fields were added between minor
// versions, so each has its own.
struct Places {
    std::size_t current_frame, chunk, previous, executable, instruction, owner;
    std::size_t filename, qualname, lines, first_line, instructions;
};
constexpr Places places_3_13{23, 26, 29, 30, 31, 33, 35, 37, 38, 39, 43};
constexpr Places places_3_14{26, 29, 32, 33, 34, 36, 40, 42, 43, 44, 48};

constexpr std::uint64_t largest_offset = 4096;

std::uint64_t number_at(std::string_view bytes, std::size_t place) noexcept {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes.data() + place * sizeof number, sizeof number);
    return number;
}

}  // namespace

std::optional<PythonLayout> layout_of_version(std::uint32_t version_hex) noexcept {
    if (!python_is_known(version_hex)) return std::nullopt;
    switch (minor_of(version_hex)) {
        case 0x030a:
            return layout_3_10();
        case 0x030b:
            return layout_3_11();
        case 0x030c:
            return layout_3_12();
        default:
            return std::nullopt;
    }
}

std::optional<PythonLayout> layout_of_debug_offsets(std::uint32_t version_hex, std::string_view bytes) noexcept {
    if (!python_is_known(version_hex) || minor_of(version_hex) < 0x030d || bytes.size() < debug_offsets_bytes)
        return {};
    const bool free_threaded = number_at(bytes, 2) != 0;
    if (bytes.substr(0, 8) != "xdebugpy" || number_at(bytes, 1) != version_hex || free_threaded) return std::nullopt;
    const Places places = minor_of(version_hex) == 0x030d ? places_3_13 : places_3_14;
    bool possible = true;
    const auto offset = [&](std::size_t place, std::uint64_t alignment) {
        const std::uint64_t number = number_at(bytes, place);
        possible = possible && number < largest_offset && number % alignment == 0;
        return static_cast<std::uint16_t>(number);
    };
    PythonLayout layout;
    layout.tagged_code = minor_of(version_hex) >= 0x030e;
    layout.thread_frame = offset(places.current_frame, 8);
    layout.thread_chunk = offset(places.chunk, 8);
    layout.frame_previous = offset(places.previous, 8);
    layout.frame_code = offset(places.executable, 8);
    layout.frame_instruction = offset(places.instruction, 8);
    layout.frame_owner = offset(places.owner, 1);
    layout.first_foreign_owner = 3;
    layout.code_first_line = offset(places.first_line, 4);
    layout.code_filename = offset(places.filename, 8);
    layout.code_name = offset(places.qualname, 8);
    layout.code_lines = offset(places.lines, 8);
    layout.code_instructions = offset(places.instructions, 2);
    layout.ascii_data = 40;
    layout.compact_data = 56;
    const int frame_end = std::max({layout.frame_previous, layout.frame_code, layout.frame_instruction}) + 8;
    const int code_end = std::max({layout.code_filename, layout.code_name, layout.code_lines}) + 8;
    layout.frame_bytes = static_cast<std::uint16_t>(std::max(frame_end, layout.frame_owner + 1));
    layout.code_bytes = static_cast<std::uint16_t>(std::max(code_end, layout.code_first_line + 4));
    if (!possible) return std::nullopt;
    return layout;
}

bool python_is_known(std::uint32_t version_hex) noexcept {
    // The last byte holds the release level: before a release candidate (0xc0) the layout may still change.
    const std::uint32_t minor = minor_of(version_hex);
    return minor >= 0x030a && minor <= 0x030e && (version_hex & 0xf0) >= 0xc0;
}

}  // namespace headrace::sys
