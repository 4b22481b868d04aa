#include "audit/library.h"

#include <filesystem>
#include <system_error>

#include "sys/user_file.h"

namespace headrace::audit {

bool is_library(const std::string& file) {
    return file.empty() || file.front() == '<' || file.find("/site-packages/") != std::string::npos ||
           file.find("/dist-packages/") != std::string::npos || file.find("/lib/python3") != std::string::npos ||
           file.find("/torchinductor_") != std::string::npos;
}

bool is_own(const std::string& name, const RunInfo& run) {
    const std::string module = name.substr(0, name.find('.'));
    if (module == "__main__") return true;
    const std::filesystem::path directory = run.directory;
    const auto holds = [&](const std::filesystem::path& folder) {
        std::error_code error;
        return std::filesystem::exists(folder / (module + ".py"), error) ||
               std::filesystem::is_directory(folder / module, error);
    };
    const auto script = sys::script_folder(directory, run.command);
    return (!directory.empty() && holds(directory)) || (script && holds(*script));
}

}  // namespace headrace::audit
