#include "cli/changes.h"

namespace headrace::cli {

void add_allow(CLI::App& command, std::vector<std::string>& words, const std::string& help) {
    command.add_option("--allow", words, help + "; may be given twice")
        ->type_name("CHANGE")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

Result<std::set<Changes>> allowed_changes(const std::vector<std::string>& words) {
    std::set<Changes> allowed;
    for (const std::string& word : words) {
        if (word == name(Changes::numerics)) {
            allowed.insert(Changes::numerics);
        } else if (word == name(Changes::semantics)) {
            allowed.insert(Changes::semantics);
        } else {
            return fail(ErrorCode::invalid_argument, "--allow is '" + word + "': give numerics, or semantics");
        }
    }
    return allowed;
}

}  // namespace headrace::cli
