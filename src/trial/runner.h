// One run after the other of a program that a trial is planned for, without its fix and with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "headrace/result.h"
#include "trial/arm.h"
#include "trial/trial.h"

namespace headrace::trial {

// Steps that are measured in a run, at the least.
inline constexpr std::size_t fewest_steps = 20;

// Nothing is wrong, and nothing can be said.
inline tl::unexpected<Error> too_little(std::string sentence) {
    return fail(ErrorCode::not_enough_data, std::move(sentence));
}

class Runner {
public:
    // Both live on. `folder`: that of a Workplace.
    Runner(const TrialPlan& plan, const TrialOptions& options, std::filesystem::path folder)
        : plan_(plan), options_(options), folder_(std::move(folder)) {}

    // A run that has as many steps as are needed and that the fix has reached, where it is one `with` it. Errors: those
    // of run_trial.
    Result<Arm> arm(bool with);

private:
    Result<void> check(const Arm& arm, bool with) const;
    std::string if_full() const;
    Result<void> check_cache() const;
    std::filesystem::path cache_counts() const { return folder_ / "cache"; }
    void note_places(const Arm& arm);

    const TrialPlan& plan_;
    const TrialOptions& options_;
    std::filesystem::path folder_;
    bool noted_ = false;
};

// The mean of the steps of a run behind its warm-up, of so many of them as there are.
double mean_step(const Arm& arm, std::uint64_t warm_up, std::uint64_t steps);

}  // namespace headrace::trial
