#include "audit/shim.h"

#include <cstdlib>

namespace headrace::audit {
namespace {

namespace fs = std::filesystem;

bool is_shim(const fs::path& folder) {
    std::error_code error;
    return fs::exists(folder / "sitecustomize.py", error) && fs::exists(folder / "_recorder.abi3.so", error);
}

// The shim in `lib`/python3.X/{site,dist}-packages of any X.
fs::path below(const fs::path& lib) {
    std::error_code error;
    for (auto entry = fs::directory_iterator(lib, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        if (entry->path().filename().string().rfind("python3", 0) != 0) {
            continue;
        }
        for (const char* packages : {"site-packages", "dist-packages"}) {
            fs::path shim = entry->path() / packages / "headrace" / "shim";
            if (is_shim(shim)) {
                return shim;
            }
        }
    }
    return {};
}

}  // namespace

Result<fs::path> find_shim() {
    if (const char* given = std::getenv("HEADRACE_SHIM"); given != nullptr && *given != '\0') {
        std::error_code error;
        const fs::path shim = fs::absolute(given, error);
        if (is_shim(shim)) {
            return shim;
        }
        return fail(ErrorCode::not_found, std::string("HEADRACE_SHIM names ") + given +
                                              ", which does not hold headrace's shim; unset it or correct it");
    }
    std::error_code error;
    const fs::path executable = fs::read_symlink("/proc/self/exe", error);
    const fs::path prefix = executable.parent_path().parent_path();
    for (const fs::path& lib : {prefix / "lib", prefix / "lib64", prefix / "local" / "lib"}) {
        if (fs::path shim = below(lib); !shim.empty()) {
            return shim;
        }
    }
    if (fs::path shim = prefix / "headrace" / "shim"; is_shim(shim)) {
        return shim;
    }
    return fail(ErrorCode::not_found, "headrace's shim is not beside " + executable.string() +
                                          "; the installation is incomplete: install headrace again");
}

std::string python_path(const fs::path& shim) {
    const char* given = std::getenv("PYTHONPATH");
    return given != nullptr && *given != '\0' ? shim.string() + ":" + given : shim.string();
}

}  // namespace headrace::audit
