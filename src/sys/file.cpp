#include "sys/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <system_error>
#include <utility>

#include "sys/descriptor.h"

namespace headrace::sys {
namespace {

// Unlike any other writer's, also of one in another container or on another machine that writes to the same folder.
std::filesystem::path temporary_beside(const std::filesystem::path& path) {
    std::random_device device;
    const std::string suffix = "." + std::to_string(device()) + "." + std::to_string(device()) + ".tmp";
    return path.parent_path() / ("." + path.filename().string() + suffix);
}

int write_all(int descriptor, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = ::write(descriptor, content.data(), content.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

// The rename itself must survive a power failure too. A file system that cannot sync a folder is no failure of ours.
void sync_folder_of(const std::filesystem::path& path) {
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor) (void)::fsync(descriptor.get());
}

int write_and_sync(Descriptor descriptor, std::string_view content) {
    if (const int error = write_all(descriptor.get(), content); error != 0) return error;
    if (::fsync(descriptor.get()) != 0 && errno != EINVAL) return errno;
    // Network file systems report a full disk only here.
    return ::close(descriptor.release()) == 0 ? 0 : errno;
}

}  // namespace

Result<void> write_whole(const std::filesystem::path& path, std::string_view content) {
    const std::filesystem::path temporary = temporary_beside(path);
    Descriptor descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!descriptor) return fail_errno(errno, "cannot write " + path.string());
    int error = write_and_sync(std::move(descriptor), content);
    if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
    if (error != 0) {
        (void)::unlink(temporary.c_str());
        return fail_errno(error, "cannot write " + path.string());
    }
    sync_folder_of(path);
    return {};
}

Result<std::string> read_whole(const std::filesystem::path& path) {
    const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!descriptor) return fail_errno(errno, "cannot open " + path.string());
    struct stat status {};
    constexpr std::size_t step = 64 * 1024;
    std::size_t room = step;
    // One byte more than the size, so that the end of a regular file is seen without growing once more.
    if (::fstat(descriptor.get(), &status) == 0 && status.st_size > 0)
        room = static_cast<std::size_t>(status.st_size) + 1;
    std::string content;
    std::size_t filled = 0;
    for (;;) {
        if (content.size() < filled + room) content.resize(filled + room);
        const ssize_t count = ::read(descriptor.get(), content.data() + filled, content.size() - filled);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(errno, "cannot read " + path.string());
        if (count == 0) break;
        filled += static_cast<std::size_t>(count);
        if (filled == content.size())
            room = step;
        else
            room = content.size() - filled;
    }
    content.resize(filled);
    return content;
}

bool has_room(const std::filesystem::path& path, std::uint64_t bytes) noexcept {
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(path, error);
    return error || space.available >= bytes;
}

}  // namespace headrace::sys
