#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/output.h"
#include "sys/execute.h"

namespace headrace::cli {
namespace {

std::string started_by_name;

// The exec's answer for one file: 0 where it would be tried.
int obstacle(const std::string& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) return errno;
    return S_ISDIR(status.st_mode) || ::access(file.c_str(), X_OK) != 0 ? EACCES : 0;
}

}  // namespace

Result<void> check_program(const std::vector<std::string>& program) {
    const std::string& name = program.front();
    int error = ENOENT;
    if (name.empty() || name.find('/') != std::string::npos) {
        error = name.empty() ? ENOENT : obstacle(name);
    } else {
        const char* given = std::getenv("PATH");
        std::string path = given == nullptr ? "/bin:/usr/bin" : given;
        path += ':';
        for (std::size_t end = 0; error != 0 && !path.empty(); path.erase(0, end + 1)) {
            end = path.find(':');
            const int found = obstacle(end == 0 ? name : path.substr(0, end) + "/" + name);
            if (found == 0 || found == EACCES) error = found;
        }
    }
    if (error == 0) return {};
    return tl::unexpected<Error>(sys::Execution(program, {}).failure(error == ENOTDIR ? ENOENT : error));
}

int not_started(const Error& error) {
    const bool missing = error.code == ErrorCode::not_found;
    const bool refused = error.code == ErrorCode::not_executable || error.code == ErrorCode::permission_denied;
    return tell(error.message, missing ? exit_not_found : refused ? exit_not_executable : exit_not_started);
}

void set_started_by(const std::string& name) { started_by_name = name; }

std::string own_name() {
    const std::string usual = "headrace";
    return check_program({usual}) ? usual : started_by_name;
}

}  // namespace headrace::cli
