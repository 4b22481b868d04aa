#include "sys/python_code.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace headrace::sys {
namespace {

// A code object's memory is given to another one only when the program drops functions, so a check at every look
// would cost more than it finds.
constexpr std::uint64_t looks_between_checks = 32;
constexpr std::size_t most_codes = 20'000;
constexpr std::uint64_t longest_name = 4096;
constexpr std::uint64_t longest_table = 1024 * 1024;

constexpr std::size_t bytes_head = 32;     // PyBytesObject without its data
constexpr std::size_t string_head = 40;    // PyASCIIObject up to its state
constexpr std::size_t length_offset = 16;  // of both; the hash follows
constexpr std::size_t table_start = 64;    // as much of a line table as is compared
constexpr std::size_t usual_length = 320;  // most names and tables end before

struct Pointers {
    std::uint64_t filename;
    std::uint64_t name;
    std::uint64_t lines;
    std::uint32_t first_line;
};

Pointers pointers_of(const PythonLayout& layout, std::string_view code) {
    return {load<std::uint64_t>(code, layout.code_filename), load<std::uint64_t>(code, layout.code_name),
            load<std::uint64_t>(code, layout.code_lines), load<std::uint32_t>(code, layout.code_first_line)};
}

// What lies behind three pointers, as far as it differs between any two functions: the length and the hash of both
// names (which Python computes when it interns them), the length and the beginning of the line table.
std::string fingerprint_of(const RemoteMemory& memory, const Pointers& pointers, std::size_t compared) {
    std::string fingerprint;
    for (const std::uint64_t address : {pointers.filename, pointers.name}) {
        fingerprint += memory.find(address + length_offset, string_head - length_offset - sizeof(std::uint64_t));
    }
    fingerprint += memory.find(pointers.lines + length_offset, sizeof(std::uint64_t));
    fingerprint += memory.find(pointers.lines + bytes_head, compared);
    return fingerprint;
}

bool is_same(const PythonCode& code, const Pointers& now) {
    return code.filename_at == now.filename && code.name_at == now.name && code.lines_at == now.lines &&
           code.first_line == now.first_line;
}

// The head of an object and as much of what follows as lies in the same page, which is readable when the head is.
void plan_object(RemoteMemory& memory, std::uint64_t address, std::size_t head) {
    const std::uint64_t page_left = page - address % page;
    memory.plan(address, std::clamp<std::size_t>(page_left, head, usual_length));
}

void append_utf8(std::string& text, std::uint32_t point) {
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) point = 0xfffd;
    const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
    const auto tail = [&](unsigned shift) { put(0x80 | ((point >> shift) & 0x3f)); };
    if (point < 0x80) return put(point);
    if (point < 0x800) {
        put(0xc0 | (point >> 6));
    } else if (point < 0x10000) {
        put(0xe0 | (point >> 12));
        tail(6);
    } else {
        put(0xf0 | (point >> 18));
        tail(12);
        tail(6);
    }
    tail(0);
}

std::string utf8_of(std::string_view data, std::size_t width) {
    std::string text;
    text.reserve(data.size());
    for (std::size_t at = 0; at < data.size(); at += width) {
        if (width == 1)
            append_utf8(text, static_cast<std::uint8_t>(data[at]));
        else if (width == 2)
            append_utf8(text, load<std::uint16_t>(data, at));
        else
            append_utf8(text, load<std::uint32_t>(data, at));
    }
    return text;
}

// A str as the interpreter makes them for names: compact, with 1, 2 or 4 bytes a character.
std::optional<std::string> read_string(RemoteMemory& memory, const PythonLayout& layout, std::uint64_t address) {
    const std::string_view head = memory.need(address, address, string_head);
    if (head.empty()) return std::nullopt;
    const auto length = load<std::uint64_t>(head, 16);
    const auto state = load<std::uint32_t>(head, 32);
    const std::uint32_t width = (state >> 2) & 7;
    const bool compact = ((state >> 5) & 1) != 0;
    const bool ascii = ((state >> 6) & 1) != 0;
    if (length > longest_name || !compact || (width != 1 && width != 2 && width != 4) || (ascii && width != 1))
        return {};
    if (length == 0) return std::string();
    const std::uint64_t data = address + (ascii ? layout.ascii_data : layout.compact_data);
    const std::string_view characters = memory.need(data, data, length * width);
    if (characters.empty()) return std::nullopt;
    return utf8_of(characters, width);
}

std::optional<LineTable> read_lines(RemoteMemory& memory, const PythonLayout& layout, const Pointers& pointers) {
    const std::string_view head = memory.need(pointers.lines, pointers.lines, bytes_head);
    if (head.empty()) return std::nullopt;
    const auto length = load<std::uint64_t>(head, 16);
    if (length == 0 || length > longest_table) return std::nullopt;
    const std::uint64_t data = pointers.lines + bytes_head;
    const std::string_view bytes = memory.need(data, data, length);
    if (bytes.empty()) return std::nullopt;
    return LineTable::decode(layout.style, bytes, pointers.first_line);
}

// Names are both str and the table is none: freed memory seldom passes for that.
bool types_fit(const RemoteMemory& memory, const Pointers& pointers) {
    constexpr std::size_t type_offset = 8;
    const auto type_of = [&](std::uint64_t address) {
        const std::string_view bytes = memory.find(address + type_offset, sizeof(std::uint64_t));
        return bytes.empty() ? 0 : load<std::uint64_t>(bytes, 0);
    };
    const std::uint64_t string_type = type_of(pointers.name);
    const std::uint64_t bytes_type = type_of(pointers.lines);
    return is_object_address(string_type) && is_object_address(bytes_type) && string_type != bytes_type &&
           type_of(pointers.filename) == string_type;
}

std::optional<PythonCode> read_code(RemoteMemory& memory, const PythonLayout& layout, const Pointers& pointers) {
    if (!is_object_address(pointers.filename) || !is_object_address(pointers.name) ||
        !is_object_address(pointers.lines)) {
        return std::nullopt;
    }
    plan_object(memory, pointers.filename, string_head);
    plan_object(memory, pointers.name, string_head);
    plan_object(memory, pointers.lines, bytes_head);
    if (memory.fetch() != 0 || !types_fit(memory, pointers)) return std::nullopt;
    std::optional<std::string> file = read_string(memory, layout, pointers.filename);
    std::optional<std::string> function = read_string(memory, layout, pointers.name);
    std::optional<LineTable> lines = read_lines(memory, layout, pointers);
    if (!file || !function || !lines) return std::nullopt;
    PythonCode code;
    code.file = std::move(*file);
    code.function = std::move(*function);
    code.lines = std::move(*lines);
    code.filename_at = pointers.filename;
    code.name_at = pointers.name;
    code.lines_at = pointers.lines;
    code.first_line = pointers.first_line;
    const std::string_view length = memory.find(pointers.lines + length_offset, sizeof(std::uint64_t));
    code.compared = std::min<std::size_t>(load<std::uint64_t>(length, 0), table_start);
    code.fingerprint = fingerprint_of(memory, pointers, code.compared);
    return code;
}

}  // namespace

// The code object, and what its pointers led to when it was read: when they still do, nothing else need be read.
void PythonCodeCache::plan_check(RemoteMemory& memory, const PythonLayout& layout, std::uint64_t address,
                                 const PythonCode* known) {
    memory.plan(address, layout.code_bytes);
    if (known == nullptr) return;
    memory.plan(known->filename_at, string_head);
    memory.plan(known->name_at, string_head);
    memory.plan(known->lines_at, bytes_head + known->compared);
}

bool PythonCodeCache::refresh(RemoteMemory& memory, const PythonLayout& layout, Codes& codes, std::uint64_t address,
                              std::uint64_t look) {
    const auto known = codes.find(address);
    if (known != codes.end() && known->second.checked == look) return true;
    const std::string_view bytes = memory.find(address, layout.code_bytes);
    if (bytes.empty()) return false;
    const Pointers pointers = pointers_of(layout, bytes);
    if (known != codes.end() && is_same(known->second, pointers) &&
        fingerprint_of(memory, pointers, known->second.compared) == known->second.fingerprint) {
        known->second.checked = look;
        return true;
    }
    std::optional<PythonCode> code = read_code(memory, layout, pointers);
    if (!code) return false;
    code->serial = ++last_serial_;
    code->checked = look;
    if (known == codes.end()) ++count_;
    codes.insert_or_assign(address, std::move(*code));
    return true;
}

bool PythonCodeCache::prepare(RemoteMemory& memory, const PythonLayout& layout, std::uint32_t pid,
                              const std::vector<std::uint64_t>& addresses, std::uint64_t look) {
    if (count_ > most_codes) {
        processes_.clear();
        count_ = 0;
    }
    Codes& codes = processes_[pid];
    std::vector<std::uint64_t> due;
    for (const std::uint64_t address : addresses) {
        const auto known = codes.find(address);
        if (known != codes.end() && look - known->second.checked < looks_between_checks) continue;
        due.push_back(address);
        plan_check(memory, layout, address, known == codes.end() ? nullptr : &known->second);
    }
    if (due.empty()) return true;
    if (memory.fetch() != 0) return false;
    return std::all_of(due.begin(), due.end(),
                       [&](std::uint64_t address) { return refresh(memory, layout, codes, address, look); });
}

const PythonCode* PythonCodeCache::find(std::uint32_t pid, std::uint64_t address) const {
    const auto process = processes_.find(pid);
    if (process == processes_.end()) return nullptr;
    const auto code = process->second.find(address);
    return code == process->second.end() ? nullptr : &code->second;
}

void PythonCodeCache::forget(std::uint32_t pid) {
    const auto process = processes_.find(pid);
    if (process == processes_.end()) return;
    count_ -= process->second.size();
    processes_.erase(process);
}

}  // namespace headrace::sys
