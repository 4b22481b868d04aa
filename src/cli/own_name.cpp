#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>

#include "cli/command.h"

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* usual_name = "headrace";

std::string& name() {
    static std::string own = usual_name;
    return own;
}

// Whether a shell finds a program by the usual name: this one, or a script that starts it.
bool is_on_path() {
    const char* path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
        const fs::path file = fs::path(folder) / usual_name;
        std::error_code error;
        if (::access(file.c_str(), X_OK) == 0 && fs::is_regular_file(file, error)) return true;
    }
    return false;
}

}  // namespace

void set_own_name(const std::string& started_by) {
    if (!is_on_path()) name() = started_by;
}

const std::string& own_name() noexcept { return name(); }

}  // namespace headrace::cli
