#include "run/spool_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>

#include "base/text.h"
#include "run/spool_file.h"
#include "sys/descriptor.h"

namespace headrace::run {

namespace {

using spool::Record;

constexpr std::size_t block_slots = 32768;  // 1 MiB

// <pid>-<tid>-<n>.spool: its n, none for any other name.
std::optional<std::uint32_t> number_of(std::string_view name) {
    constexpr std::string_view ending = ".spool";
    if (!name.ends_with(ending)) return std::nullopt;
    name.remove_suffix(ending.size());
    std::uint32_t number = 0;
    const char* at = name.data();
    const char* const end = at + name.size();
    for (int field = 0; field < 3; ++field) {
        const auto [next, error] = std::from_chars(at, end, number);
        if (error != std::errc{}) return std::nullopt;
        const bool last = field == 2;
        if (last ? next != end : next == end || *next != '-') return std::nullopt;
        at = next + (last ? 0 : 1);
    }
    return number;
}

// As many bytes as there are up to `size`; a file that is cut short meanwhile gives fewer.
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

std::size_t offset_of(std::size_t slot) { return spool::header_bytes + slot * spool::record_bytes; }

// The first look: which slots have their second field set. Ends at the first whole block without any: what is
// reserved behind it can be large.
Result<void> look(int descriptor, std::vector<bool>& complete) {
    std::vector<Record> block(block_slots);
    for (;;) {
        const Result<std::size_t> got =
            read_at(descriptor, block.data(), block.size() * sizeof(Record), offset_of(complete.size()));
        if (!got) return tl::unexpected<Error>(got.error());
        const std::size_t slots = *got / sizeof(Record);
        bool any = false;
        for (std::size_t i = 0; i < slots; ++i) {
            complete.push_back(block[i].duration_kind != 0);
            any = any || complete.back();
        }
        if (slots < block_slots || !any) return {};
    }
}

Result<SpoolImage> read_image(int descriptor) {
    SpoolImage image;
    if (const auto got = read_at(descriptor, &image.header, sizeof image.header, 0); !got)
        return tl::unexpected<Error>(got.error());
    else if (*got < sizeof image.header)
        image.header.magic = 0;
    const spool::Header& header = image.header;
    if (header.magic == 0 || (header.magic == spool::magic && (header.pid == 0 || header.tid == 0)))
        return fail(ErrorCode::damaged, "it holds no whole header: its thread ended, or space did, before it began");
    if (header.magic != spool::magic) return fail(ErrorCode::damaged, "it is no spool file");
    if (header.version > spool::version) {
        return fail(ErrorCode::newer_version, "it has version " + std::to_string(header.version) +
                                                  " of the spool format and this headrace reads up to version " +
                                                  std::to_string(spool::version));
    }
    if (header.version == 0) return fail(ErrorCode::damaged, "its header has no version");
    if (const auto looked = look(descriptor, image.complete); !looked) return tl::unexpected<Error>(looked.error());
    image.slots.resize(image.complete.size());
    const auto got = read_at(descriptor, image.slots.data(), image.slots.size() * sizeof(Record), offset_of(0));
    if (!got) return tl::unexpected<Error>(got.error());
    image.slots.resize(*got / sizeof(Record));
    image.complete.resize(image.slots.size());
    return image;
}

Result<SpoolImage> read_file(const std::filesystem::path& path) {
    // Without O_NONBLOCK a pipe of that name would block for ever.
    const sys::Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (!descriptor) return fail_errno(errno, "it cannot be opened");
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return fail_errno(errno, "it cannot be read");
    if (!S_ISREG(status.st_mode)) return fail(ErrorCode::damaged, "it is no regular file");
    try {
        return read_image(descriptor.get());
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::io_error, "it does not fit into memory");
    }
}

struct Decoded {
    std::uint32_t number = 0;
    DecodedSpool content;
    auto order() const {
        const ThreadRecord& first = content.threads.front();
        return std::tuple(first.process_start, first.pid, number, first.tid);
    }
};

void read_entry(const std::filesystem::path& path, std::vector<Decoded>& files, std::vector<std::string>& problems) {
    const std::string name = path.filename().string();
    if (name == "control") return;
    const std::string file = "Spool file " + base::printable(name);
    const auto problem = [&](const std::string& why) { problems.push_back(file + " was left out: " + why + "."); };
    const std::optional<std::uint32_t> number = number_of(name);
    if (!number) return problem("it is no spool file by its name");
    const Result<SpoolImage> image = read_file(path);
    if (!image) return problem(image.error().message);
    files.push_back({*number, decode_spool(*image)});
    for (const std::string& why : files.back().content.problems) problems.push_back(file + ": " + why + ".");
}

}  // namespace

Result<Spool> read_spool(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    if (error) return fail_errno(error.value(), "cannot read the spool folder " + folder.string());
    std::vector<std::filesystem::path> paths;
    while (entries != std::filesystem::directory_iterator{}) {
        paths.push_back(entries->path());
        entries.increment(error);
        if (error) return fail_errno(error.value(), "cannot read the spool folder " + folder.string());
    }
    std::ranges::sort(paths);
    Spool spool;
    std::vector<Decoded> files;
    for (const std::filesystem::path& path : paths) read_entry(path, files, spool.problems);
    std::ranges::stable_sort(files, {}, &Decoded::order);
    for (Decoded& file : files) std::ranges::move(file.content.threads, std::back_inserter(spool.threads));
    return spool;
}

}  // namespace headrace::run
