#include "trial/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_words = 4000;  // bytes of the last output

}  // namespace

Result<void> redirect_streams(const fs::path& output) {
    const sys::Descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const sys::Descriptor file(::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
    if (!nothing || !file) return fail_errno(errno, "cannot write " + output.string());
    if (::dup2(nothing.get(), STDIN_FILENO) < 0 || ::dup2(file.get(), STDOUT_FILENO) < 0 ||
        ::dup2(file.get(), STDERR_FILENO) < 0) {
        return fail_errno(errno, "cannot redirect the program's output");
    }
    return {};
}

std::string last_words_of(const fs::path& output) {
    std::string text = sys::read_whole(output).value_or("");
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    std::size_t begin = text.size() > most_words ? text.size() - most_words : 0;
    if (const std::size_t line = text.rfind('\n'); line != std::string::npos) begin = std::max(begin, line + 1);
    return text.substr(begin);
}

std::string ending_words(const RunInfo& run) {
    if (run.signal) return "by " + base::signal_name(*run.signal);
    return run.exit_code ? "with exit code " + std::to_string(*run.exit_code) : "";
}

}  // namespace headrace::trial
