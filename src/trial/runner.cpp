#include "trial/runner.h"

#include <algorithm>
#include <numeric>
#include <system_error>

#include "sys/file.h"
#include "trial/cache_counts.h"
#include "trial/injection.h"

namespace headrace::trial {
namespace {

namespace fs = std::filesystem;

// A run may take so much longer than is expected of it before it is ended.
constexpr double patience = 10;

// Intra-op threads that the training had; none where that was not recorded.
std::optional<std::uint64_t> threads_of(const Arm& arm) {
    return arm.loaders.empty() ? std::nullopt : arm.loaders.front().threads;
}

}  // namespace

// What the program writes in the sandbox, and what is recorded of it, lies there.
std::string Runner::if_full() const {
    constexpr std::uint64_t little = 1024 * 1024;
    if (sys::has_room(folder_, little)) return "";
    return "; the file system of " + folder_.parent_path().parent_path().string() + " is full";
}

Result<void> Runner::check(const Arm& arm, bool with) const {
    const std::string which = with ? "with the fix" : "without the fix";
    if (arm.step_seconds.size() < plan_.warm_up + fewest_steps) {
        if (arm.whole && arm.end != "with exit code 0") {
            const std::string when = arm.step_seconds.empty()
                                         ? "before it had two steps"
                                         : "after " + std::to_string(arm.step_seconds.size() + 1) + " steps";
            return too_little("the program ended " + arm.end + " " + when + ", " + which +
                              (arm.last_words.empty() ? "" : "; its last words: ") + arm.last_words + if_full());
        }
        return too_little("the program had " + std::to_string(arm.step_seconds.size()) + " steps after the first, " +
                          which + ", of which " + std::to_string(plan_.warm_up) +
                          " are warm-up: at least 20 more are needed" + if_full());
    }
    if (!with) return {};
    if (plan_.fix.precision && !arm.reached.contains("precision")) {
        return too_little(
            "the fix did not reach the program's training: none of its modules was called from Python in training "
            "mode; "
            "run its forward and loss under torch.autocast by hand");
    }
    if (const auto threads = threads_of(arm); plan_.fix.threads && threads && *threads != *plan_.fix.threads) {
        return too_little("the fix did not reach the program's training: it had " + std::to_string(*threads) +
                          " intra-op threads, so change them by hand");
    }
    if (arm.loaders.empty() || !changes_loader(plan_.fix)) return {};
    const Loader& loader = arm.loaders.front();
    const bool reached = plan_.fix.workers.value_or(loader.workers) == loader.workers &&
                         (loader.workers == 0 ||
                          plan_.fix.prefetch_factor.value_or(*loader.prefetch_factor) == *loader.prefetch_factor) &&
                         plan_.fix.batch_size.value_or(*loader.batch_size) == *loader.batch_size &&
                         plan_.fix.persistent_workers.value_or(loader.persistent) == loader.persistent;
    if (reached) return {};
    return too_little(
        "the fix did not reach the program's training loader: it is made elsewhere than in the audited "
        "run, or set up again later; audit the program again, or change it by hand");
}

// Of the run with the fix that has just ended.
Result<void> Runner::check_cache() const {
    std::string why = why_not_in_place(parse_cache_counts(sys::read_whole(cache_counts()).value_or("")));
    std::error_code error;
    fs::remove(cache_counts(), error);
    if (!why.empty()) return too_little(std::move(why));
    return {};
}

void Runner::note_places(const Arm& arm) {
    if (noted_ || !options_.note) return;
    noted_ = true;
    for (const std::string& place : arm.read_only) options_.note(place + " cannot be written to in the sandbox");
}

Result<Arm> Runner::arm(bool with) {
    ArmOptions options;
    options.command = plan_.command;
    options.directory = plan_.directory;
    options.folder = folder_;
    if (with) options.injection = injection_of(plan_.loader ? &*plan_.loader : nullptr, plan_.fix);
    const bool caches = with && plan_.fix.cache_bytes.has_value();
    if (caches) options.injection += injection_line("cache", cache_counts().string());
    options.steps = plan_.warm_up + plan_.steps + 1;  // the first one is none of step_seconds
    options.seconds =
        least_patience + patience * (plan_.startup_seconds + static_cast<double>(options.steps) * plan_.step_seconds);
    options.sandbox = options_.sandbox;
    options.network = options_.network;
    options.stopped = options_.stopped;
    Result<Arm> arm = run_arm(options);
    if (!arm) return arm;
    note_places(*arm);
    if (const Result<void> good = check(*arm, with); !good) return tl::unexpected<Error>(good.error());
    if (const Result<void> good = caches ? check_cache() : Result<void>(); !good) {
        return tl::unexpected<Error>(good.error());
    }
    return arm;
}

double mean_step(const Arm& arm, std::uint64_t warm_up, std::uint64_t steps) {
    const std::size_t begin = std::min<std::size_t>(warm_up, arm.step_seconds.size());
    const std::size_t end = std::min<std::size_t>(begin + steps, arm.step_seconds.size());
    const auto at = [&](std::size_t place) { return arm.step_seconds.begin() + static_cast<std::ptrdiff_t>(place); };
    return std::accumulate(at(begin), at(end), 0.0) / static_cast<double>(end - begin);
}

}  // namespace headrace::trial
