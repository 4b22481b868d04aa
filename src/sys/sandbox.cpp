#include "sys/sandbox.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "sys/descriptor.h"
#include "sys/mounts.h"

namespace headrace::sys {
namespace {

namespace fs = std::filesystem;

// Files of a folder that has mounts below it and takes no overlay are copied up to this size, or else read-only.
constexpr std::uintmax_t most_copied = 1 << 20;

// Each entry of such a folder is a mount of its own.
constexpr std::size_t most_mounts = 10'000;

std::string words(int error_number) { return std::generic_category().message(error_number); }

bool is_below(const fs::path& path, const fs::path& folder) {
    const auto [end, inside] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
    return end == folder.end() && inside != path.end();
}

// The kernel's own places, whatever is mounted there: devices, and the views of processes and of the system. Containers
// have ordinary file systems in them.
bool is_of_the_kernel(const fs::path& path) {
    for (const char* place : {"/dev", "/proc", "/sys"}) {
        if (path == place || is_below(path, place)) return true;
    }
    return false;
}

// Where `path` of the old root lies below the new one.
fs::path moved(const fs::path& root, const fs::path& path) { return root / path.relative_path(); }

// As overlay's options need a path in them.
std::string escaped(const fs::path& path) {
    std::string text;
    for (const char c : path.string()) {
        if (c == '\\' || c == ',' || c == ':') text += '\\';
        text += c;
    }
    return text;
}

Result<void> write_text(const char* path, const std::string& text) {
    const Descriptor file(::open(path, O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return fail_errno(errno, std::string("cannot write ") + path);
    }
    return {};
}

Error refused(int error_number) {
    return {ErrorCode::permission_denied, "this system allows no sandbox (user and mount namespaces): " +
                                              words(error_number) + "; headrace doctor says what would allow one"};
}

// Gives this process a mount namespace of its own. True: in a user namespace, where it has only its own user.
Result<bool> unshare_mounts() {
    bool in_user_namespace = false;
    if (::unshare(CLONE_NEWNS) != 0) {
        const uid_t user = ::geteuid();
        const gid_t group = ::getegid();
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return tl::unexpected<Error>(refused(errno));
        in_user_namespace = true;
        const auto same = [](auto id) { return std::to_string(id) + " " + std::to_string(id) + " 1"; };
        (void)write_text("/proc/self/setgroups", "deny");  // absent where it is not needed
        if (Result<void> mapped = write_text("/proc/self/uid_map", same(user)); !mapped) {
            return tl::unexpected<Error>(mapped.error());
        }
        if (Result<void> mapped = write_text("/proc/self/gid_map", same(group)); !mapped) {
            return tl::unexpected<Error>(mapped.error());
        }
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return tl::unexpected<Error>(refused(errno));
    return in_user_namespace;
}

// A network of the loopback alone, which ranks of a training talk over.
Result<void> leave_network() {
    if (::unshare(CLONE_NEWNET) != 0) return tl::unexpected<Error>(refused(errno));
    const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq loopback{};
    std::strncpy(loopback.ifr_name, "lo", sizeof loopback.ifr_name - 1);
    loopback.ifr_flags = IFF_UP | IFF_RUNNING;
    if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &loopback) != 0) {
        return fail_errno(errno, "cannot set up the sandbox's loopback");
    }
    return {};
}

class Builder {
public:
    Builder(const SandboxOptions& options, std::vector<Mount> mounts, bool in_user_namespace)
        : scratch_(options.scratch),
          root_(scratch_ / "root"),
          mounts_(std::move(mounts)),
          in_user_namespace_(in_user_namespace) {}

    Result<void> begin();
    Result<void> cover(const fs::path& path, bool shown = false);
    Result<void> keep(const fs::path& path);
    Result<void> hide_scratch();
    Result<void> enter();
    Sandbox sandbox() && { return std::move(sandbox_); }

private:
    const Mount* mount_at(const fs::path& path) const;
    std::vector<fs::path> mounts_below(const fs::path& path) const;
    bool overlay(const fs::path& path);
    bool overlay_on(const fs::path& upper, const fs::path& path, const char* more);
    Result<void> cover_below(const fs::path& path, bool shown = false);
    Result<void> cover_entries(const fs::path& path);
    Result<void> cover_file(const fs::path& path);
    Result<void> bind(const fs::path& path);
    Result<void> bind_read_only(const fs::path& path);
    Result<void> new_shared_memory(const fs::path& path);

    fs::path scratch_;
    fs::path root_;
    std::vector<Mount> mounts_;
    bool in_user_namespace_;
    bool on_disk_ = true;  // the scratch folder's file system takes upper layers, as far as is known
    std::size_t made_ = 0;
    Sandbox sandbox_;
};

// The new root, and memory for what cannot be written to the disk.
Result<void> Builder::begin() {
    for (const char* name : {"root", "memory", "disk"}) {
        std::error_code error;
        fs::create_directory(scratch_ / name, error);
        if (error) return fail_errno(error.value(), "cannot make " + (scratch_ / name).string());
    }
    for (const char* name : {"root", "memory"}) {
        const std::string place = (scratch_ / name).string();
        if (::mount("headrace", place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") != 0) {
            return tl::unexpected<Error>(refused(errno));
        }
    }
    return {};
}

const Mount* Builder::mount_at(const fs::path& path) const {
    const auto found =
        std::find_if(mounts_.begin(), mounts_.end(), [&](const Mount& mount) { return mount.point == path; });
    return found == mounts_.end() ? nullptr : &*found;
}

// Those that are not below another of them.
std::vector<fs::path> Builder::mounts_below(const fs::path& path) const {
    std::vector<fs::path> below;
    for (const Mount& mount : mounts_) {
        if (is_below(mount.point, path)) below.push_back(mount.point);
    }
    std::sort(below.begin(), below.end());
    std::vector<fs::path> topmost;
    for (const fs::path& point : below) {
        if (topmost.empty() || !is_below(point, topmost.back())) topmost.push_back(point);
    }
    return topmost;
}

bool Builder::overlay_on(const fs::path& upper, const fs::path& path, const char* more) {
    const std::string options = "lowerdir=" + escaped(path) + ",upperdir=" + escaped(upper / "upper") +
                                ",workdir=" + escaped(upper / "work") + more;
    return ::mount("headrace", moved(root_, path).c_str(), "overlay", 0, options.c_str()) == 0;
}

// Covers a folder that has no other mounted below it, or whose mounts are covered afterwards.
bool Builder::overlay(const fs::path& path) {
    const std::string number = std::to_string(made_++);
    for (const bool disk : {true, false}) {
        if (disk && !on_disk_) continue;
        const fs::path upper = scratch_ / (disk ? "disk" : "memory") / number;
        std::error_code error;
        fs::create_directories(upper / "upper", error);
        fs::create_directory(upper / "work", error);
        struct stat status {};
        if (error || ::stat(path.c_str(), &status) != 0) return false;
        // The top of an overlay is the top of its upper layer: whoever may write here may write there.
        (void)!::chown((upper / "upper").c_str(), status.st_uid, status.st_gid);
        (void)::chmod((upper / "upper").c_str(), status.st_mode & 07777);
        const char* wanted = in_user_namespace_ ? ",userxattr" : ",redirect_dir=on";
        if (overlay_on(upper, path, wanted) || overlay_on(upper, path, "")) {
            on_disk_ = disk;  // what the disk did not take once, it takes no other time
            return true;
        }
    }
    return false;
}

Result<void> Builder::bind(const fs::path& path) {
    if (::mount(path.c_str(), moved(root_, path).c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
        return fail_errno(errno, "cannot show " + path.string() + " in the sandbox");
    }
    return {};
}

Result<void> Builder::bind_read_only(const fs::path& path) {
    if (Result<void> bound = bind(path); !bound) return bound;
    struct statvfs status {};
    const std::string place = moved(root_, path).string();
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
    if (::statvfs(place.c_str(), &status) == 0) {  // a user namespace may take none of these away
        const std::pair<unsigned long, unsigned long> same[] = {
            {ST_NOSUID, MS_NOSUID},   {ST_NODEV, MS_NODEV},           {ST_NOEXEC, MS_NOEXEC},
            {ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME}};
        for (const auto& [seen, wanted] : same) {
            if ((status.f_flag & seen) != 0) flags |= wanted;
        }
    }
    if (::mount(nullptr, place.c_str(), nullptr, flags, nullptr) == 0) return {};
    const int error = errno;
    (void)::umount2(place.c_str(), MNT_DETACH);
    return fail_errno(error, "cannot protect " + path.string() + " in the sandbox");
}

// Loaders hand batches over in it: a program finds as much room as outside, and leaves nothing there.
Result<void> Builder::new_shared_memory(const fs::path& path) {
    struct statvfs status {};
    const bool known = ::statvfs(path.c_str(), &status) == 0;
    std::string options = "mode=1777";
    if (known) options += ",size=" + std::to_string(std::uintmax_t{status.f_blocks} * status.f_frsize);
    if (::mount("headrace", moved(root_, path).c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
        return fail_errno(errno, "cannot make shared memory for the sandbox");
    }
    return {};
}

Result<void> Builder::cover_file(const fs::path& path) {
    const fs::path place = moved(root_, path);
    std::error_code error;
    const bool known = fs::exists(place, error);
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return {};  // it has gone
    if (!known && S_ISREG(status.st_mode) && std::uintmax_t(status.st_size) <= most_copied) {
        fs::copy_file(path, place, error);
        if (!error) return {};
    }
    if (!known) {
        const Descriptor made(::open(place.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        if (!made) return fail_errno(errno, "cannot make " + place.string());
    }
    // What reaches a device or a socket is in no file.
    const Result<void> bound = S_ISREG(status.st_mode) ? bind_read_only(path) : bind(path);
    if (!bound) sandbox_.hidden.push_back(path.string());
    return {};
}

// A folder that takes no overlay because of the mounts in it: each of its entries by itself.
Result<void> Builder::cover_entries(const fs::path& path) {
    std::error_code error;
    for (fs::directory_iterator entry(path, error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        const fs::path& inner = entry->path();
        if (++made_ > most_mounts) {
            return fail(ErrorCode::io_error,
                        "the sandbox would take more than 10,000 mounts, because of a file system "
                        "mounted among the files of " +
                            path.string());
        }
        const fs::file_status status = entry->symlink_status(error);
        Result<void> covered;
        if (fs::is_symlink(status)) {
            fs::copy_symlink(inner, moved(root_, inner), error);
        } else if (!fs::is_directory(status)) {
            covered = cover_file(inner);
        } else if (inner != scratch_) {
            fs::create_directory(moved(root_, inner), inner, error);
            covered = cover(inner);
        }
        if (!covered) return covered;
    }
    return {};
}

Result<void> Builder::cover_below(const fs::path& path, bool shown) {
    for (const fs::path& point : mounts_below(path)) {
        std::error_code error;
        if (!fs::exists(moved(root_, point), error)) continue;  // hidden by another mount
        if (Result<void> covered = cover(point, shown); !covered) return covered;
    }
    return {};
}

// `shown`: it came into the new root with the mount above it, as it is outside.
Result<void> Builder::cover(const fs::path& path, bool shown) {
    const Mount* mount = mount_at(path);
    std::error_code error;
    if (path == "/dev/shm") return new_shared_memory(path);
    if (is_of_the_kernel(path) || (mount != nullptr && (is_virtual(*mount) || !mount->writable))) {
        if (!shown && !bind(path)) sandbox_.hidden.push_back(path.string());
        return cover_below(path, true);
    }
    if (mount != nullptr && !fs::is_directory(path, error)) return cover_file(path);
    if (overlay(path)) return cover_below(path);
    if (!mounts_below(path).empty() && !shown) return cover_entries(path);
    const bool bound = bind_read_only(path).has_value();
    (bound ? sandbox_.read_only : sandbox_.hidden).push_back(path.string());
    if (!bound && shown) {
        return fail(ErrorCode::io_error, path.string() + " cannot be protected in the sandbox");
    }
    return {};
}

// The upper layers lie in the lower one: whoever walks over his files must not find them again.
Result<void> Builder::hide_scratch() {
    if (::mount("headrace", moved(root_, scratch_).c_str(), "tmpfs", MS_RDONLY, "size=4k,mode=700") != 0) {
        return fail_errno(errno, "cannot hide " + scratch_.string() + " in the sandbox");
    }
    return {};
}

Result<void> Builder::keep(const fs::path& path) {
    if (is_below(path, "/dev/shm")) {
        return fail(ErrorCode::unsupported, path.string() +
                                                " lies in shared memory, of which a sandbox has its own: keep runs "
                                                "elsewhere, with --dir or HEADRACE_DIR");
    }
    if (::mount(path.c_str(), moved(root_, path).c_str(), nullptr, MS_BIND, nullptr) != 0) {
        return fail_errno(errno, "cannot show " + path.string() + " in the sandbox");
    }
    return {};
}

// Makes the new root the root. The old one stays below it only until it is unmounted.
Result<void> Builder::enter() {
    if (::chdir(root_.c_str()) != 0) return fail_errno(errno, "cannot enter the sandbox");
    if (::syscall(SYS_pivot_root, ".", ".") == 0) {
        if (::umount2(".", MNT_DETACH) != 0) return fail_errno(errno, "cannot leave the old root");
        return {};
    }
    // The kernel's first file system cannot be pivoted away.
    if (::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0) {
        return fail_errno(errno, "cannot enter the sandbox");
    }
    return {};
}

// The mode of the folders on the way is taken away by an overlay: it makes one that nobody may open.
void open_folders(const fs::path& folder) {
    (void)::chmod(folder.c_str(), 0700);
    std::error_code error;
    for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator{};
         entry.increment(error)) {
        if (fs::is_directory(entry->symlink_status(error))) open_folders(entry->path());
    }
}

}  // namespace

Result<Sandbox> enter_sandbox(const SandboxOptions& options) {
    std::error_code error;
    const fs::path here = fs::current_path(error);
    const Result<bool> in_user_namespace = unshare_mounts();
    if (!in_user_namespace) return tl::unexpected<Error>(in_user_namespace.error());
    (void)::unshare(CLONE_NEWIPC);  // where it cannot be had, what stays in it is memory
    if (!options.network) {
        if (const Result<void> left = leave_network(); !left) return tl::unexpected<Error>(left.error());
    }
    Result<std::vector<Mount>> mounts = own_mounts();
    if (!mounts) return tl::unexpected<Error>(mounts.error());
    Builder builder(options, std::move(*mounts), *in_user_namespace);
    Result<void> done = builder.begin();
    if (done) done = builder.cover("/");
    for (const fs::path& kept : options.kept) {
        if (done) done = builder.keep(kept);
    }
    if (done) done = builder.hide_scratch();
    if (done) done = builder.enter();
    if (!done) return tl::unexpected<Error>(done.error());
    if (::chdir(here.c_str()) != 0) return fail_errno(errno, "cannot change to " + here.string() + " in the sandbox");
    return std::move(builder).sandbox();
}

void remove_sandbox(const fs::path& scratch) noexcept {
    try {
        open_folders(scratch);
        std::error_code error;
        fs::remove_all(scratch, error);
    } catch (const std::exception&) {  // no memory: the next one takes it away
        return;
    }
}

}  // namespace headrace::sys
