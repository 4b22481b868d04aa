#include "cli/output.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "base/text.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

// Only around our own writing: a program that we start inherits what is ignored.
class WithoutBrokenPipes {
public:
    WithoutBrokenPipes() noexcept {
        struct sigaction ignore {};
        ignore.sa_handler = SIG_IGN;
        (void)::sigaction(SIGPIPE, &ignore, &before_);
    }
    ~WithoutBrokenPipes() { (void)::sigaction(SIGPIPE, &before_, nullptr); }
    WithoutBrokenPipes(const WithoutBrokenPipes&) = delete;
    WithoutBrokenPipes& operator=(const WithoutBrokenPipes&) = delete;

private:
    struct sigaction before_ {};
};

std::string_view environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

// The name alone is asked, not the C library: in a container the locale of the user's terminal is seldom installed.
bool locale_is_utf8() {
    for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        std::string value(environment(variable));
        if (value.empty()) continue;
        std::transform(value.begin(), value.end(), value.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
    }
    return false;
}

// A file without a name vanishes by itself; where the file system has none, a named one is made and removed.
int try_to_make_a_file_in(const fs::path& folder) {
    const sys::Descriptor nameless(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    if (nameless) return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return errno;
    std::string name = (folder / ".headrace-XXXXXX").string();
    const sys::Descriptor named(::mkostemp(name.data(), O_CLOEXEC));
    if (!named) return errno;
    (void)::unlink(name.c_str());
    return 0;
}

// A link is written through, not replaced.
fs::path target_of(const std::string& file) {
    std::error_code error;
    if (!fs::is_symlink(file, error)) return file;
    fs::path target = fs::canonical(file, error);
    return error ? fs::path(file) : target;
}

}  // namespace

void keep_standard_descriptors() noexcept {
    for (int descriptor = 0; descriptor <= 2; ++descriptor) {
        if (::fcntl(descriptor, F_GETFD) == -1) (void)::open("/dev/null", O_RDWR | O_CLOEXEC);
    }
}

Result<void> print(int descriptor, std::string_view text) {
    const WithoutBrokenPipes guard;
    while (!text.empty()) {
        const ssize_t written = ::write(descriptor, text.data(), text.size());
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EPIPE) {
            return {};
        } else if (errno != EINTR && errno != EAGAIN) {
            return fail_errno(errno, descriptor == STDOUT_FILENO ? "cannot write to standard output"
                                                                 : "cannot write to standard error");
        }
    }
    return {};
}

int tell(std::string_view sentence, int code) {
    (void)print(STDERR_FILENO, "headrace: " + base::printable(sentence) + "\n");
    return code;
}

TextStyle style_of(int descriptor) {
    TextStyle style;
    const int columns = terminal_columns(descriptor);
    const std::string_view terminal = environment("TERM");
    style.colour = columns > 0 && environment("NO_COLOR").empty() && !terminal.empty() && terminal != "dumb";
    style.ascii = !locale_is_utf8();
    if (columns > 0) style.columns = std::min(columns, style.columns);
    return style;
}

int terminal_columns(int descriptor) {
    if (::isatty(descriptor) != 1) return 0;
    winsize size{};
    constexpr int usual = 80;
    return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual;
}

Result<void> can_write(const std::string& file) {
    if (file == "-") return {};
    if (file.empty()) return fail(ErrorCode::invalid_argument, "--json needs the name of a file");
    const fs::path path = target_of(file);
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
        return fail(ErrorCode::invalid_argument,
                    "--json " + file + (S_ISDIR(status.st_mode) ? " is a folder" : " is no regular file") +
                        ": name a file, which may exist already");
    }
    if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
        return fail(ErrorCode::not_found, "--json " + file + " cannot be written: there is no folder " +
                                              folder.string() + "; make it or name another file");
    }
    const int error = path.has_filename() ? try_to_make_a_file_in(folder) : EISDIR;
    return error == 0 ? Result<void>() : fail_errno(error, "--json " + file + " cannot be written");
}

Result<void> write_document(const std::string& file, const std::string& content) {
    return file == "-" ? print(STDOUT_FILENO, content) : sys::write_whole(target_of(file), content);
}

}  // namespace headrace::cli
