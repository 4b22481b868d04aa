#include "sys/python_stack.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <optional>
#include <tuple>

#include "sys/python_code.h"
#include "sys/python_layout.h"
#include "sys/remote_memory.h"

namespace headrace::sys {
namespace {

constexpr std::size_t most_frames = 64;
constexpr std::size_t most_visited = 256;  // with the entries from C between them
constexpr std::size_t most_outside = 96;
constexpr std::size_t most_threads = 4096;
constexpr int attempts = 3;
constexpr std::uint64_t chunk_bytes = 16 * 1024;  // the size of a data stack chunk, but for very large frames
constexpr std::uint64_t widest_window = 16 * 1024;

// Where the last look at a thread found things. The next look reads the same places in one system call, before it
// knows what it needs: most often nothing was moved.
struct Hint {
    std::uint64_t cframe = 0;
    std::uint64_t window_begin = 0;  // of the data stack
    std::uint64_t window_end = 0;
    std::uint64_t bottom = 0;            // the outermost frame; 0: not known
    std::uint64_t bottom_missed = 0;     // looks in a row whose stack ended elsewhere
    std::uint64_t missed_at = 0;         // the last of them
    std::vector<std::uint64_t> outside;  // frames elsewhere: of generators, of entries from C, all of 3.10
};

struct RawFrame {
    std::uint64_t code = 0;
    std::uint64_t instruction = 0;  // address, or the number of the code unit
    std::uint64_t previous = 0;
    bool foreign = false;  // an entry from C
};

// The frame in `bytes`; empty when it is none that runs. A frame that has just ended, or a generator that has just
// yielded, loses its link to the frames below, and the stack would seem to end there.
std::optional<RawFrame> decode_frame(std::string_view bytes, const PythonLayout& layout) {
    constexpr std::uint8_t executing = 0;     // of 3.10
    constexpr std::uint8_t of_generator = 1;  // from 3.11 on
    constexpr std::uint8_t of_frame_object = 2;
    RawFrame frame;
    frame.code = load<std::uint64_t>(bytes, layout.frame_code);
    frame.previous = load<std::uint64_t>(bytes, layout.frame_previous);
    const auto owner = load<std::uint8_t>(bytes, layout.frame_owner);
    if (layout.style == FrameStyle::frame_object) {
        frame.instruction = static_cast<std::uint64_t>(load<std::int32_t>(bytes, layout.frame_instruction));
        if (owner != executing) return std::nullopt;
    } else {
        frame.instruction = load<std::uint64_t>(bytes, layout.frame_instruction);
        frame.foreign = owner >= layout.first_foreign_owner;
        if (owner == of_frame_object || (owner == of_generator && frame.previous == 0)) return std::nullopt;
    }
    if (layout.tagged_code) frame.code &= ~std::uint64_t{7};
    if (!frame.foreign && !is_object_address(frame.code)) return std::nullopt;
    return frame;
}

enum class Look { good, changed, gone, refused, unknown };

Look look_of(int error) {
    if (error == ESRCH) return Look::gone;
    if (error == EPERM || error == EACCES || error == ENOSYS) return Look::refused;
    return Look::changed;
}

tl::unexpected<Error> failure_of(Look outcome, std::uint32_t pid) {
    const std::string doing = "cannot read the Python stack of process " + std::to_string(pid) + ": ";
    switch (outcome) {
        case Look::gone:
            return fail(ErrorCode::not_found, doing + "the process has ended");
        case Look::refused:
            return fail(ErrorCode::permission_denied,
                        doing + "the system refuses process_vm_readv; headrace doctor says why");
        case Look::unknown:
            return fail(ErrorCode::unsupported, doing + "this build of Python is not known to this headrace");
        case Look::good:
        case Look::changed:
            break;
    }
    return fail(ErrorCode::not_enough_data, doing + "it changed under the look; look again");
}

}  // namespace

struct PythonStackReader::State {
    RemoteMemory memory;
    PythonCodeCache codes;
    std::map<std::pair<std::uint32_t, std::uint64_t>, Hint> hints;  // by process and thread state
    std::map<std::tuple<std::uint32_t, std::uint64_t, std::uint32_t>, PythonLayout> layouts;
    std::vector<RawFrame> raw;
    std::vector<std::uint64_t> code_addresses;
    std::vector<PythonFrame> frames;
    std::vector<std::uint64_t> shown;  // serial number of the code whose names frames[i] holds
    std::uint64_t looks = 0;

    Look find_layout(const PythonThread& thread, PythonLayout& layout);
    Look look(const PythonThread& thread, const PythonLayout& layout);
    int fetch_expected(const PythonThread& thread, const PythonLayout& layout, const Hint& hint);
    std::optional<std::uint64_t> first_frame(const PythonThread& thread, const PythonLayout& layout, Hint& hint);
    std::string_view frame_at(std::uint64_t address, const PythonLayout& layout, std::uint64_t chunk);
    bool is_bottom(std::uint64_t frame, const PythonLayout& layout, Hint& hint);
    bool walk(std::uint64_t frame, const PythonLayout& layout, std::uint64_t chunk, Hint& hint);
    bool resolve(const PythonThread& thread, const PythonLayout& layout);
    bool add_frame(const PythonCode& code, const RawFrame& from, const PythonLayout& layout, std::size_t& count);
    void forget(std::uint32_t pid);
};

Look PythonStackReader::State::find_layout(const PythonThread& thread, PythonLayout& layout) {
    std::optional<PythonLayout> found = layout_of_version(thread.version_hex);
    const auto key = std::make_tuple(thread.pid, thread.debug_offsets, thread.version_hex);
    if (const auto known = layouts.find(key); known != layouts.end()) found = known->second;
    if (!found) {
        memory.restart(thread.pid);
        memory.plan(thread.debug_offsets, debug_offsets_bytes);
        if (const int error = memory.fetch(); error == ESRCH || error == EPERM) return look_of(error);
        found = layout_of_debug_offsets(thread.version_hex, memory.find(thread.debug_offsets, debug_offsets_bytes));
        if (!found) return Look::unknown;
        if (layouts.size() >= most_threads) layouts.clear();
        layouts.emplace(key, *found);
    }
    layout = *found;
    return Look::good;
}

int PythonStackReader::State::fetch_expected(const PythonThread& thread, const PythonLayout& layout, const Hint& hint) {
    memory.restart(thread.pid);
    const std::uint64_t begin = std::min(layout.thread_frame, layout.thread_chunk);
    const std::uint64_t end = std::max(layout.thread_frame, layout.thread_chunk) + sizeof(std::uint64_t);
    if (layout.thread_chunk == 0) {
        memory.plan(thread.thread_state + layout.thread_frame, sizeof(std::uint64_t));
    } else {
        memory.plan(thread.thread_state + begin, end - begin);
    }
    if (layout.has_cframe) memory.plan(hint.cframe + layout.cframe_frame, hint.cframe != 0 ? sizeof(std::uint64_t) : 0);
    memory.plan(hint.window_begin, hint.window_end - hint.window_begin);
    for (const std::uint64_t frame : hint.outside) memory.plan(frame, layout.frame_bytes);
    return memory.fetch();
}

std::optional<std::uint64_t> PythonStackReader::State::first_frame(const PythonThread& thread,
                                                                   const PythonLayout& layout, Hint& hint) {
    const std::string_view field = memory.find(thread.thread_state + layout.thread_frame, sizeof(std::uint64_t));
    if (field.empty()) return std::nullopt;
    const auto pointer = load<std::uint64_t>(field, 0);
    if (!layout.has_cframe) return pointer;
    if (!is_object_address(pointer)) return std::nullopt;
    hint.cframe = pointer;
    const std::uint64_t at = pointer + layout.cframe_frame;
    const std::string_view frame = memory.need(at, at, sizeof(std::uint64_t));
    if (frame.empty()) return std::nullopt;
    return load<std::uint64_t>(frame, 0);
}

// A frame on the data stack comes together with those below it, which the walk asks for next.
std::string_view PythonStackReader::State::frame_at(std::uint64_t address, const PythonLayout& layout,
                                                    std::uint64_t chunk) {
    std::uint64_t from = address;
    if (chunk != 0 && address > chunk && address - chunk < chunk_bytes) {
        from = std::max(chunk, address - std::min(address, widest_window / 2));
    }
    return memory.need(from, address, layout.frame_bytes);
}

// Whether the stack ends at this frame. A link may be missing for a moment, so a new end is believed only where no
// other is known, or where that one was not met for some looks; and only when it is there several times in a row.
bool PythonStackReader::State::is_bottom(std::uint64_t frame, const PythonLayout& layout, Hint& hint) {
    constexpr std::uint64_t patience = 3;
    constexpr int confirmations = 3;
    if (frame != hint.bottom && hint.bottom != 0) {
        if (hint.missed_at != looks) ++hint.bottom_missed;
        hint.missed_at = looks;
        if (hint.bottom_missed <= patience) return false;
    }
    hint.bottom_missed = 0;
    for (int i = 0; i < confirmations && frame != hint.bottom; ++i) {
        memory.plan(frame, layout.frame_bytes);
        if (memory.fetch() != 0) return false;
        const std::string_view bytes = memory.find(frame, layout.frame_bytes);
        const std::optional<RawFrame> again = bytes.empty() ? std::nullopt : decode_frame(bytes, layout);
        if (!again || again->previous != 0) return false;
    }
    hint.bottom = frame;
    return true;
}

// Follows the links and notes code and instruction of every Python frame; false when they lead nowhere.
bool PythonStackReader::State::walk(std::uint64_t frame, const PythonLayout& layout, std::uint64_t chunk, Hint& hint) {
    raw.clear();
    hint.outside.clear();
    std::uint64_t lowest = 0;
    std::uint64_t highest = 0;
    for (std::size_t visited = 0; frame != 0 && raw.size() < most_frames; ++visited) {
        if (visited == most_visited || !is_object_address(frame)) return false;
        const std::string_view bytes = frame_at(frame, layout, chunk);
        if (bytes.empty()) return false;
        const bool on_chunk = chunk != 0 && frame > chunk && frame - chunk < chunk_bytes;
        if (on_chunk) {
            lowest = lowest == 0 ? frame : std::min(lowest, frame);
            highest = std::max(highest, frame);
        } else if (hint.outside.size() < most_outside) {
            hint.outside.push_back(frame);
        }
        const std::optional<RawFrame> decoded = decode_frame(bytes, layout);
        if (!decoded) return false;
        if (decoded->previous == 0 && !is_bottom(frame, layout, hint)) return false;
        if (!decoded->foreign) raw.push_back(*decoded);
        frame = decoded->previous;
    }
    // Room for a few more frames, but never into the next page, which may not exist.
    const std::uint64_t top = highest + layout.frame_bytes;
    hint.window_end = highest == 0 ? 0 : (top + page - 1) / page * page;
    hint.window_end = std::min(hint.window_end, top + 1024);
    hint.window_begin = highest == 0 ? 0 : std::max(lowest, hint.window_end - std::min(hint.window_end, widest_window));
    return !raw.empty();
}

// One frame with its line; false when the instruction is none of this code, so the two are of different moments.
// A frame that has not begun yet is passed over, as a traceback would.
bool PythonStackReader::State::add_frame(const PythonCode& code, const RawFrame& from, const PythonLayout& layout,
                                         std::size_t& count) {
    auto unit = static_cast<std::int64_t>(from.instruction);
    if (layout.style == FrameStyle::interpreter_frame) {
        const auto bytes = static_cast<std::int64_t>(from.instruction - (from.code + layout.code_instructions));
        if (bytes % 2 != 0) return false;
        unit = bytes / 2;
    }
    if (unit == -1) return true;
    if (unit < 0 || unit >= code.lines.units()) return false;
    const auto line = code.lines.line_of(static_cast<std::uint32_t>(unit));
    if (!line) return false;
    if (count == frames.size()) {
        frames.emplace_back();
        shown.push_back(0);
    }
    PythonFrame& frame = frames[count];
    if (shown[count] != code.serial) {
        frame.file = code.file;
        frame.function = code.function;
        shown[count] = code.serial;
    }
    frame.line = *line;
    ++count;
    return true;
}

bool PythonStackReader::State::resolve(const PythonThread& thread, const PythonLayout& layout) {
    code_addresses.clear();
    for (const RawFrame& frame : raw) code_addresses.push_back(frame.code);
    if (!codes.prepare(memory, layout, thread.pid, code_addresses, looks)) return false;
    std::size_t count = 0;
    for (const RawFrame& frame : raw) {
        const PythonCode* code = codes.find(thread.pid, frame.code);
        if (code == nullptr || !add_frame(*code, frame, layout, count)) return false;
    }
    frames.resize(count);
    shown.resize(count);
    return count > 0;
}

Look PythonStackReader::State::look(const PythonThread& thread, const PythonLayout& layout) {
    if (hints.size() >= most_threads) hints.clear();
    Hint& hint = hints[{thread.pid, thread.thread_state}];
    if (const int error = fetch_expected(thread, layout, hint); error != 0) return look_of(error);
    const std::optional<std::uint64_t> frame = first_frame(thread, layout, hint);
    if (!frame) return Look::changed;
    std::uint64_t chunk = 0;
    if (layout.thread_chunk != 0) {
        const std::string_view field = memory.find(thread.thread_state + layout.thread_chunk, sizeof chunk);
        chunk = field.empty() ? 0 : load<std::uint64_t>(field, 0);
    }
    return walk(*frame, layout, chunk, hint) && resolve(thread, layout) ? Look::good : Look::changed;
}

void PythonStackReader::State::forget(std::uint32_t pid) {
    codes.forget(pid);
    std::erase_if(hints, [pid](const auto& entry) { return entry.first.first == pid; });
    std::erase_if(layouts, [pid](const auto& entry) { return std::get<0>(entry.first) == pid; });
}

PythonStackReader::PythonStackReader() : state_(std::make_unique<State>()) {}
PythonStackReader::~PythonStackReader() = default;

Result<const std::vector<PythonFrame>*> PythonStackReader::read(const PythonThread& thread) {
    PythonLayout layout;
    Look outcome = python_is_known(thread.version_hex) ? state_->find_layout(thread, layout) : Look::unknown;
    if (outcome == Look::good) {
        ++state_->looks;
        outcome = Look::changed;
        for (int i = 0; i < attempts && outcome == Look::changed; ++i) outcome = state_->look(thread, layout);
    }
    if (outcome == Look::good) return &state_->frames;
    if (outcome == Look::gone) state_->forget(thread.pid);
    return failure_of(outcome, thread.pid);
}

Result<void> can_read_children() {
    // The child's copy of this variable is read; volatile, so that it has a place in memory.
    volatile std::uint64_t ours = 0x6865616472616365;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot open a pipe to try process_vm_readv");
    const pid_t child = ::fork();
    if (child == 0) {
        char nothing = 0;
        (void)::close(ends[1]);
        (void)!::read(ends[0], &nothing, 1);
        ::_exit(0);
    }
    const int fork_error = errno;
    (void)::close(ends[0]);
    std::uint64_t theirs = 0;
    const iovec local{&theirs, sizeof theirs};
    const iovec remote{const_cast<std::uint64_t*>(&ours), sizeof theirs};
    const ssize_t copied = child > 0 ? ::process_vm_readv(child, &local, 1, &remote, 1, 0) : -1;
    const int read_error = errno;
    (void)::close(ends[1]);
    if (child < 0) return fail_errno(fork_error, "cannot make a process to try process_vm_readv");
    (void)::waitpid(child, nullptr, 0);
    if (copied == static_cast<ssize_t>(sizeof theirs) && theirs == ours) return {};
    if (copied >= 0) return fail(ErrorCode::unsupported, "process_vm_readv gives wrong bytes on this machine");
    return fail_errno(read_error, "process_vm_readv is refused on a child process");
}

}  // namespace headrace::sys
