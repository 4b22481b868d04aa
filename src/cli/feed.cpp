#include "cli/feed.h"

#include <filesystem>
#include <system_error>

#include "audit/past.h"
#include "cli/command.h"
#include "cli/output.h"

namespace headrace::cli {

void feed_history(const run::Folder& folder, const Audit& audit) {
    std::error_code error;
    const std::filesystem::path runs = std::filesystem::absolute(folder.path, error).lexically_normal().parent_path();
    if (error || runs.filename() != "runs" || audit.run.outcome == Outcome::running) return;
    const Result<void> added = run::add_past_run(runs.parent_path(), audit::past_run_of(audit));
    if (!added) tell(added.error().message + "; the run itself is kept, headrace gap takes it in later", exit_done);
}

}  // namespace headrace::cli
