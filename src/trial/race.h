// Measures several settings of a program against each other, in rounds in which each of them runs once.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/ledger.h"
#include "headrace/result.h"
#include "headrace/trial.h"
#include "trial/candidates.h"
#include "trial/runner.h"
#include "trial/trial.h"

namespace headrace::trial {

struct RaceOptions {
    TrialOptions trial;
    double run_seconds = 5;  // of steps that are measured in each run
    double seconds = 600;    // for all rounds together
    // After each run: the setting, the first one of its round, and its samples a second by those of that one, as far as
    // both have run.
    std::function<void(const Candidate& candidate, const Candidate& first, std::optional<double> ratio)> measured;
};

// Settings are numbered in the order in which they enter. The first one should be the program as it is.
class Race {
public:
    // `audit` lives on. `folder`: that of a Workplace.
    Race(const Audit& audit, RaceOptions options, std::filesystem::path folder);
    ~Race();
    Race(const Race&) = delete;
    Race& operator=(const Race&) = delete;

    // The number of a setting, which enters where it is new. Errors: not_enough_data, where no trial can be planned.
    Result<std::size_t> enter(const Candidate& candidate);
    const Candidate& candidate(std::size_t number) const;

    // Whether there is time for so many runs more, by how long they took so far.
    bool has_time(std::size_t runs) const;

    // One run of each, in this order or turned by turns. What cannot be measured with a setting fails that setting and
    // nothing else; for the program as it is it is an error. Errors: interrupted, those of run_arm. Where the time is
    // over, runs are left out.
    Result<void> round(const std::vector<std::size_t>& numbers);

    std::size_t runs(std::size_t number) const;
    bool failed(std::size_t number) const;
    std::size_t common_rounds(std::size_t one, std::size_t other) const;
    // Samples a second of `one` by those of `other`, by the rounds that both ran in; none without any.
    std::optional<double> ratio(std::size_t one, std::size_t other) const;
    // The same as a trial, with its interval: of `one`, where `other` is what it is measured against. None of fewer
    // than two rounds.
    std::optional<Trial> trial(std::size_t one, std::size_t other) const;

private:
    struct Entry;
    bool is_over() const;
    bool stopped_by_user() const;

    const Audit& audit_;
    RaceOptions options_;
    std::function<bool()> stopped_by_user_;
    std::filesystem::path folder_;
    std::vector<std::unique_ptr<Entry>> entries_;
    double begun_;
    double longest_run_ = 0;  // seconds
    std::size_t rounds_ = 0;
};

}  // namespace headrace::trial
