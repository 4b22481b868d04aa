#include "audit/user_files.h"

#include <filesystem>
#include <system_error>

#include "serve/slo.h"
#include "sys/file.h"
#include "sys/user_file.h"

namespace headrace::audit {
namespace {

// What `parse` makes of a file; none, with a sentence, where it cannot.
template <class T>
std::optional<T> read_user_file(const std::optional<std::filesystem::path>& path,
                                Result<T> (*parse)(std::string_view, const std::string&),
                                std::vector<std::string>& wrong) {
    if (!path) return std::nullopt;
    const Result<std::string> text = sys::read_whole(*path);
    Result<T> parsed = text ? parse(*text, path->string()) : Result<T>(tl::unexpected(text.error()));
    if (parsed) return std::move(*parsed);
    wrong.push_back(parsed.error().message + ". The file was left out.");
    return std::nullopt;
}

std::optional<std::filesystem::path> find_prices(const RunInfo& run) {
    if (auto path = sys::find_user_file(run.directory, run.command, compute::prices_file)) return path;
    const std::filesystem::path folder = sys::settings_folder();
    return folder.empty() ? std::nullopt : sys::find_user_file(folder, {}, compute::prices_file);
}

}  // namespace

UserFiles read_user_files(const RunInfo& run) {
    UserFiles files;
    files.slo = read_user_file<Slo>(sys::find_user_file(run.directory, run.command, serve::slo_file), serve::parse_slo,
                                    files.limits);
    files.prices = read_user_file<compute::Prices>(find_prices(run), compute::parse_prices, files.limits);
    if (!files.prices) return files;
    if (Result<compute::MachinePrice> machine = compute::machine_of(*files.prices, run.machine)) {
        files.machine = std::move(*machine);
    } else {
        files.limits.push_back(machine.error().message + ".");
    }
    return files;
}

std::optional<Cost> cost_of(const UserFiles& files, const Audit& audit) {
    if (!files.prices || !files.machine) return std::nullopt;
    const double per_second = files.machine->per_hour / 3600;
    Cost cost{files.prices->file,      files.prices->currency,          files.machine->name,
              files.machine->per_hour, per_second * audit.wall_seconds, std::nullopt};
    if (audit.steady.pass_steps && *audit.steady.pass_steps > 0 && !audit.ranks.empty()) {
        const Ledger& ledger = audit.ranks.front();
        const double passes =
            static_cast<double>(audit.steady.steps + 1) / static_cast<double>(*audit.steady.pass_steps);
        const double training =
            ledger.wall_seconds - startup_seconds(ledger) - ledger.seconds[static_cast<std::size_t>(Entry::teardown)];
        cost.per_epoch = per_second * training / passes;
    }
    return cost;
}

}  // namespace headrace::audit
