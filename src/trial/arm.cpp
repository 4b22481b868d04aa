#include "trial/arm.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <system_error>

#include "audit/record.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sandbox.h"
#include "sys/side_process.h"
#include "trial/answer.h"
#include "trial/injection.h"
#include "trial/output.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Variable {
    const char* name;
    const char* value;
    bool reads_too;  // it also keeps a program from what it reads, so a network that is wanted is left to it
};

// What experiment trackers and model hubs read to keep everything here.
constexpr std::array<Variable, 7> offline{{{"WANDB_MODE", "offline", false},
                                           {"MLFLOW_TRACKING_URI", "file:/tmp/headrace-mlruns", false},
                                           {"NEPTUNE_MODE", "offline", false},
                                           {"CLEARML_OFFLINE_MODE", "1", false},
                                           {"HF_HUB_OFFLINE", "1", true},
                                           {"HF_DATASETS_OFFLINE", "1", true},
                                           {"TRANSFORMERS_OFFLINE", "1", true}}};

// A user who has switched a tracker off altogether keeps it so.
bool is_off(const char* value) {
    const std::string_view mode = value == nullptr ? "" : value;
    return mode == "disabled" || mode == "dryrun" || mode == "debug";
}

std::vector<std::pair<std::string, std::string>> offline_variables(bool network) {
    std::vector<std::pair<std::string, std::string>> variables;
    for (const Variable& variable : offline) {
        if (is_off(std::getenv(variable.name)) || (network && variable.reads_too)) continue;
        variables.emplace_back(variable.name, variable.value);
    }
    return variables;
}

// Inside the new process.
class ArmProcess {
public:
    ArmProcess(const ArmOptions& options, const sys::StopSign& stop) : options_(options), stop_(stop) {}
    std::string run();

private:
    Result<sys::Sandbox> go_inside() const;
    bool is_over(std::uint64_t steps);

    const ArmOptions& options_;
    const sys::StopSign& stop_;
    Nanoseconds begin_ = 0;
    bool ended_ = false;
};

Result<sys::Sandbox> ArmProcess::go_inside() const {
    if (Result<void> redirected = redirect_streams(options_.folder / "output"); !redirected) {
        return tl::unexpected<Error>(redirected.error());
    }
    if (::chdir(options_.directory.c_str()) != 0) {
        return fail_errno(errno, "cannot change to " + options_.directory.string() + ", where the run was started");
    }
    if (!options_.sandbox) return sys::Sandbox{};
    const fs::path scratch = options_.folder / "scratch";
    std::error_code error;
    fs::create_directory(scratch, error);
    if (error) return fail_errno(error.value(), "cannot make " + scratch.string());
    const fs::path& real = options_.keep_in.empty() ? options_.folder : options_.keep_in;
    return sys::enter_sandbox({scratch, {real}, options_.network});
}

bool ArmProcess::is_over(std::uint64_t steps) {
    const double seconds = static_cast<double>(sys::monotonic_now() - begin_) * 1e-9;
    ended_ = ended_ || steps >= options_.steps || seconds > options_.seconds || stop_.shown() ||
             (options_.done && options_.done());
    return ended_;
}

std::string ArmProcess::run() {
    const Result<sys::Sandbox> sandbox = go_inside();
    if (!sandbox) return answer_of(sandbox.error());
    begin_ = sys::monotonic_now();
    audit::RecordOptions options;
    options.command = options_.command;
    const bool keeps = !options_.keep_in.empty();
    options.home = keeps ? options_.keep_in : options_.folder;
    options.purpose = Purpose::compare;
    options.environment = offline_variables(options_.network);
    std::string injection = options_.injection;
    if (!injection.empty()) injection += injection_line("reached", (options_.folder / "reached").string());
    options.environment.emplace_back("HEADRACE_INJECT", injection);
    options.end = [this](std::uint64_t steps) { return is_over(steps); };
    const Result<audit::Recorded> recorded = audit::record(options);
    if (!recorded) return answer_of(recorded.error());
    std::error_code error;
    if (!keeps) fs::remove_all(recorded->folder.path, error);
    Json loaders = Json::array();
    for (const Loader& loader : recorded->audit.loaders) {
        if (!loader.training) continue;
        loaders.push_back({loader.workers, loader.prefetch_factor.value_or(0), loader.persistent,
                           loader.batch_size.value_or(0), loader.threads.value_or(0)});
    }
    const Json json = {{"run", keeps ? recorded->folder.id() : ""},
                       {"steps", recorded->step_seconds},
                       {"loaders", std::move(loaders)},
                       {"whole", !ended_},
                       {"end", ended_ ? "" : ending_words(recorded->audit.run)},
                       {"read_only", sandbox->read_only}};
    return answer_of(json);
}

Result<Arm> arm_of(const std::string& answer) {
    const Result<Json> content = content_of(answer);
    if (!content) return tl::unexpected<Error>(content.error());
    const Json& json = *content;
    Arm arm;
    arm.run = json.at("run").get<std::string>();
    arm.step_seconds = json.at("steps").get<std::vector<double>>();
    for (const Json& one : json.at("loaders")) {
        Loader loader;
        loader.workers = one.at(0).get<std::uint64_t>();
        loader.prefetch_factor = one.at(1).get<std::uint64_t>();
        loader.persistent = one.at(2).get<bool>();
        loader.batch_size = one.at(3).get<std::uint64_t>();
        if (const auto threads = one.at(4).get<std::uint64_t>(); threads > 0) loader.threads = threads;
        loader.training = true;
        arm.loaders.push_back(std::move(loader));
    }
    arm.whole = json.at("whole").get<bool>();
    arm.end = json.at("end").get<std::string>();
    arm.read_only = json.at("read_only").get<std::vector<std::string>>();
    return arm;
}

// A name a line, from the processes that the fix took effect in; of this run alone.
std::set<std::string> take_reached(const fs::path& file) {
    std::istringstream lines(sys::read_whole(file).value_or(""));
    std::set<std::string> names;
    for (std::string name; std::getline(lines, name);) names.insert(name);
    std::error_code error;
    fs::remove(file, error);
    return names;
}

}  // namespace

Result<Arm> run_arm(const ArmOptions& options) {
    const auto work = [&](const sys::StopSign& stop) { return ArmProcess(options, stop).run(); };
    const Result<std::string> answer = sys::run_aside(work, options.stopped);
    Result<Arm> arm = answer ? arm_of(*answer) : tl::unexpected<Error>(answer.error());
    if (arm) {
        arm->last_words = last_words_of(options.folder / "output");
        arm->reached = take_reached(options.folder / "reached");
    }
    sys::remove_sandbox(options.folder / "scratch");
    return arm;
}

}  // namespace headrace::trial
