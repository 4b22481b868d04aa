#include "trial/turns.h"

#include <fmt/format.h>

#include <system_error>

#include "audit/record.h"
#include "base/shell.h"
#include "base/text.h"
#include "sys/side_process.h"
#include "trial/answer.h"
#include "trial/output.h"
#include "trial/workplace.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Ended {
    run::Folder folder;
    double seconds = 0;
    std::string failure;  // how it ended where it did not finish
};

// In the new process.
std::string record_turn(const std::vector<std::string>& command, const TurnsOptions& options, const fs::path& output,
                        const sys::StopSign& stop) {
    if (const Result<void> redirected = redirect_streams(output); !redirected) return answer_of(redirected.error());
    audit::RecordOptions record;
    record.command = command;
    record.home = options.home;
    record.purpose = Purpose::compare;
    record.end = [&stop](std::uint64_t) { return stop.shown(); };
    const Result<audit::Recorded> recorded = audit::record(record);
    if (!recorded) return answer_of(recorded.error());
    std::error_code error;
    if (stop.shown()) fs::remove_all(recorded->folder.path, error);  // half a run is of use to nobody
    if (recorded->not_stored) return answer_of(*recorded->not_stored);
    const RunInfo& run = recorded->audit.run;
    const Json json = {{"run", recorded->folder.id()},
                       {"seconds", recorded->audit.wall_seconds},
                       {"failure", run.outcome == Outcome::finished ? "" : ending_words(run)}};
    return answer_of(json);
}

Result<Ended> ended_of(const std::string& answer, const fs::path& home) {
    const Result<Json> content = content_of(answer);
    if (!content) return tl::unexpected<Error>(content.error());
    const Json& json = *content;
    return Ended{run::Folder{home / "runs" / json.at("run").get<std::string>()}, json.at("seconds").get<double>(),
                 json.at("failure").get<std::string>()};
}

class ByTurns {
public:
    ByTurns(const TurnsOptions& options, const fs::path& place) : options_(options), output_(place / "output") {}

    Result<Ended> run(std::size_t which) const;

private:
    const TurnsOptions& options_;
    fs::path output_;
};

Result<Ended> ByTurns::run(std::size_t which) const {
    const std::vector<std::string>& command = options_.commands[which];
    const auto work = [&](const sys::StopSign& stop) { return record_turn(command, options_, output_, stop); };
    const Result<std::string> answer = sys::run_aside(work, options_.stopped);
    if (!answer) return tl::unexpected<Error>(answer.error());
    Result<Ended> ended = ended_of(*answer, options_.home);
    if (!ended || ended->failure.empty()) return ended;
    const std::string words = base::printable(last_words_of(output_));
    return fail(ErrorCode::not_enough_data, fmt::format("{} ended {}{}", base::printable(base::shell_command(command)),
                                                        ended->failure, words.empty() ? "" : ": " + words));
}

void forget(const Result<Ended>& ended) {
    std::error_code error;
    if (ended) fs::remove_all(ended->folder.path, error);
}

}  // namespace

Result<std::array<std::vector<run::Folder>, 2>> run_by_turns(const TurnsOptions& options) {
    const Result<Workplace> place = Workplace::make(options.home);
    if (!place) return tl::unexpected<Error>(place.error());
    const ByTurns turns(options, place->folder());
    for (std::size_t number = 0; number < options.warm_up; ++number) {
        const Result<Ended> ended = turns.run(0);
        forget(ended);
        if (!ended) return tl::unexpected<Error>(ended.error());
    }
    std::array<std::vector<run::Folder>, 2> folders;
    for (std::size_t number = 1; number <= options.runs; ++number) {
        for (const std::size_t place_in_pair : {0U, 1U}) {
            const std::size_t which = number % 2 == 0 ? 1 - place_in_pair : place_in_pair;
            const Result<Ended> ended = turns.run(which);
            if (!ended) return tl::unexpected<Error>(ended.error());
            folders[which].push_back(ended->folder);
            if (options.run_done) options.run_done(which, number, ended->seconds);
        }
    }
    return folders;
}

}  // namespace headrace::trial
