// The command line of headrace: one file for each command.
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"
#include "sys/process.h"

namespace {

using namespace headrace;

int run(std::vector<std::string> arguments) {
    CLI::App app("Says where the time of a training program goes, without a change to the program.", "headrace");
    app.set_help_flag("-h,--help", "show this help; headrace COMMAND --help tells more");
    app.set_version_flag("--version", "headrace " HEADRACE_VERSION, "show the version");
    app.formatter(std::make_shared<cli::Help>());
    app.footer("headrace doctor\nheadrace audit -- python train.py");
    cli::Invocation invocation;
    cli::add_audit(app, invocation);
    cli::add_report(app, invocation);
    cli::add_try(app, invocation);
    cli::add_improve(app, invocation);
    cli::add_apply(app, invocation);
    cli::add_compare(app, invocation);
    cli::add_gap(app, invocation);
    cli::add_doctor(app, invocation);
    const std::optional<int> done = cli::parse(app, std::move(arguments), invocation);
    return done ? *done : invocation.action();
}

}  // namespace

int main(int argc, char** argv) {
    cli::keep_standard_descriptors();
    sys::ignore_file_size_signal();
    try {
        if (argc > 0) cli::set_started_by(argv[0]);
        return run({argv + (argc > 0 ? 1 : 0), argv + argc});
    } catch (const std::exception& error) {
        return cli::tell(std::string("internal error: ") + error.what() + "; please report it", cli::exit_bug);
    } catch (...) {
        return cli::tell("internal error: an exception of no known type; please report it", cli::exit_bug);
    }
}
