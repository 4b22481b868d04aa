#include "trial/improve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "audit/edit.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/machine.h"
#include "trial/race.h"
#include "trial/runner.h"
#include "trial/workplace.h"

namespace headrace::trial {
namespace {

constexpr std::size_t most_starts = 3;     // predicted points that are measured first
constexpr std::size_t proving_rounds = 3;  // that a proof needs, of each side
constexpr std::size_t most_rounds = 6;     // after which a fix whose interval is still not above 1 is none
constexpr double better = 1.02;            // what one run has to be faster by for another to be made of it
constexpr double hopeless = 0.8;           // what is slower than that part of the best is not run again

// The search: from what was predicted, by what is beside the best one, to what is proven.
class Search {
public:
    Search(const Audit& audit, const ImproveOptions& options, Race& race)
        : audit_(audit), options_(options), race_(race) {}

    Result<Improved> run();

private:
    Result<void> start();
    Result<void> climb();
    Result<bool> step_from_best();
    Result<bool> prove(std::size_t with, std::size_t without);
    Result<void> add_extras();
    Result<std::vector<std::size_t>> enter(const std::vector<Candidate>& candidates);
    Result<void> keep_best_of(const std::vector<std::size_t>& numbers);
    void keep(std::size_t with, std::size_t without);
    void finish();
    void say(const std::string& line) const {
        if (options_.progress) options_.progress(line);
    }

    const Audit& audit_;
    const ImproveOptions& options_;
    Race& race_;
    std::size_t best_ = 0;  // number of a setting; 0: the program as it is
    std::vector<std::size_t> met_;
    Improved improved_;
};

// Those that are new, as far as there is time for them: each needs two runs before it can be the best.
Result<std::vector<std::size_t>> Search::enter(const std::vector<Candidate>& candidates) {
    std::vector<std::size_t> numbers;
    for (const Candidate& candidate : candidates) {
        const Result<std::size_t> number = race_.enter(candidate);
        if (!number) continue;  // no trial of it can be planned
        if (*number == 0 || std::ranges::find(met_, *number) != met_.end()) continue;
        if (!race_.has_time(2 * (numbers.size() + 1) + 2 * proving_rounds)) {
            improved_.in_time = false;
            break;
        }
        met_.push_back(*number);
        numbers.push_back(*number);
    }
    return numbers;
}

// One round with all, then one more of those that may be better than the best one.
Result<void> Search::keep_best_of(const std::vector<std::size_t>& numbers) {
    std::vector<std::size_t> running{best_};
    running.insert(running.end(), numbers.begin(), numbers.end());
    for (int again = 0; again < 2 && running.size() > 1; ++again) {
        if (Result<void> ran = race_.round(running); !ran) return ran;
        const double bound = again == 0 ? std::max(hopeless, 1 / better) : better;
        std::erase_if(running, [&](std::size_t number) {
            return number != best_ && (race_.failed(number) || race_.ratio(number, best_).value_or(0) < bound);
        });
    }
    const std::size_t before = best_;
    for (const std::size_t number : running) {
        if (race_.ratio(number, before).value_or(0) > race_.ratio(best_, before).value_or(1)) best_ = number;
    }
    return {};
}

Result<void> Search::start() {
    std::vector<Candidate> candidates = predicted_points(audit_, options_.allowed);
    if (candidates.size() > most_starts) candidates.resize(most_starts);
    if (candidates.empty()) say("nothing is predicted: what lies beside the program's own settings is measured");
    const Result<std::vector<std::size_t>> numbers = enter(candidates);
    if (!numbers) return tl::unexpected<Error>(numbers.error());
    return keep_best_of(*numbers);
}

// False: nothing beside the best one is better.
Result<bool> Search::step_from_best() {
    const Result<std::vector<std::size_t>> numbers = enter(neighbours(audit_, race_.candidate(best_)));
    if (!numbers) return tl::unexpected<Error>(numbers.error());
    const std::size_t before = best_;
    if (numbers->empty()) return false;
    if (const Result<void> kept = keep_best_of(*numbers); !kept) return tl::unexpected<Error>(kept.error());
    return best_ != before;
}

Result<void> Search::climb() {
    for (bool higher = true; higher;) {
        const Result<bool> stepped = step_from_best();
        if (!stepped) return tl::unexpected<Error>(stepped.error());
        higher = *stepped;
    }
    return {};
}

bool is_proof(const std::optional<Trial>& trial) {
    return trial && trial->pairs.size() >= proving_rounds && trial->measured.low > 1 &&
           trial->measured.predicted >= better;
}

// Whether the interval of the gain lies above 1, by as many rounds as that takes and the time allows.
Result<bool> Search::prove(std::size_t with, std::size_t without) {
    while (race_.common_rounds(with, without) < most_rounds) {
        const std::optional<Trial> trial = race_.trial(with, without);
        if (is_proof(trial)) return true;
        if (!race_.has_time(2)) break;
        if (const Result<void> ran = race_.round({without, with}); !ran) return tl::unexpected<Error>(ran.error());
        if (race_.failed(with) || race_.failed(without)) return false;
    }
    return is_proof(race_.trial(with, without));
}

std::optional<ProvenLoader> proven_loader(const Audit& audit, const Fix& fix) {
    const Loader& loader = audit.loaders.front();
    if (!(changes_loader(fix) || fix.cache_bytes) || !loader.made) return std::nullopt;
    ProvenLoader proven;
    proven.site = *loader.made;
    const std::filesystem::path directory = audit.run.directory;
    const Result<std::string> source = sys::read_whole(directory / loader.made->file);
    // Below the directory it is named as seen from there: another clone of the program has the same.
    const std::string inside = (directory / loader.made->file).lexically_relative(directory).string();
    if (!inside.empty() && !inside.starts_with("..")) proven.site.file = inside;
    if (source) proven.call = audit::text_at(*source, loader.made->line);
    proven.was.workers = loader.workers;
    if (loader.workers > 0) proven.was.prefetch_factor = loader.prefetch_factor;
    proven.was.persistent_workers = loader.persistent;
    proven.was.batch_size = loader.batch_size;
    return proven;
}

// What `of` sets beyond `base`.
Fix beyond(Fix of, const Fix& base) {
    const auto forget = [](auto& value, const auto& same) {
        if (value == same) value.reset();
    };
    forget(of.workers, base.workers);
    forget(of.threads, base.threads);
    forget(of.prefetch_factor, base.prefetch_factor);
    forget(of.persistent_workers, base.persistent_workers);
    forget(of.batch_size, base.batch_size);
    forget(of.precision, base.precision);
    forget(of.cache_bytes, base.cache_bytes);
    return of;
}

void Search::keep(std::size_t with, std::size_t without) {
    const std::optional<Trial> trial = race_.trial(with, without);
    ProvenFix proven;
    proven.id = race_.candidate(with).id;
    proven.fix = beyond(race_.candidate(with).fix, race_.candidate(without).fix);
    proven.changes = std::max(changes_of(proven.fix), without == 0 ? race_.candidate(with).changes : Changes::nothing);
    proven.loader = proven_loader(audit_, proven.fix);
    proven.proof = {trial->predicted, trial->measured, trial->pairs.size(), trial->steps, trial->started.substr(0, 10),
                    trial->host};
    improved_.fixes.fixes.push_back(std::move(proven));
}

// Other kinds of fixes, each on top of what is proven already.
Result<void> Search::add_extras() {
    for (const Candidate& extra : predicted_extras(audit_, options_.allowed)) {
        const std::optional<Candidate> both = joined(race_.candidate(best_), extra);
        if (!both || !race_.has_time(2 * proving_rounds)) {
            improved_.in_time = improved_.in_time && both.has_value();
            continue;
        }
        const Result<std::size_t> number = race_.enter(*both);
        if (!number) continue;
        met_.push_back(*number);
        const Result<bool> proven = prove(*number, best_);
        if (!proven) return tl::unexpected<Error>(proven.error());
        if (!*proven) continue;
        keep(*number, best_);
        best_ = *number;
    }
    return {};
}

// The trials of all that was met, and of all fixes together.
void Search::finish() {
    improved_.fixes.command = audit_.run.command;
    improved_.fixes.machine = sys::describe_machine();
    improved_.fix = race_.candidate(best_).fix;
    for (const std::size_t number : met_) {
        improved_.measured += race_.runs(number) > 0 ? 1 : 0;
        if (std::optional<Trial> trial = race_.trial(number, 0)) improved_.trials.push_back(std::move(*trial));
    }
    if (best_ != 0) {
        if (const std::optional<Trial> trial = race_.trial(best_, 0)) improved_.together = trial->measured;
    }
}

Result<Improved> Search::run() {
    if (const Result<std::size_t> own = race_.enter({}); !own) return tl::unexpected<Error>(own.error());
    if (const Result<void> started = start(); !started) return tl::unexpected<Error>(started.error());
    if (const Result<void> climbed = climb(); !climbed) return tl::unexpected<Error>(climbed.error());
    if (best_ != 0) {
        const Result<bool> proven = prove(best_, 0);
        if (!proven) return tl::unexpected<Error>(proven.error());
        if (*proven) {
            keep(best_, 0);
        } else {
            best_ = 0;
        }
    }
    if (const Result<void> added = add_extras(); !added) return tl::unexpected<Error>(added.error());
    // What all of them win together is measured, not multiplied.
    if (improved_.fixes.fixes.size() > 1) {
        const Result<bool> proven = prove(best_, 0);
        if (!proven) return tl::unexpected<Error>(proven.error());
    }
    finish();
    return std::move(improved_);
}

std::string setting_words(const Candidate& candidate) {
    const std::string setting = as_arguments(candidate.fix);
    return setting.empty() ? "the program as it is" : base::printable(setting);
}

std::string progress_line(const Candidate& candidate, const Candidate& first, std::optional<double> ratio) {
    std::string what = setting_words(candidate);
    if (!ratio || same_setting(candidate.fix, first.fix)) return what;
    return fmt::format("{}: {:.2f}x of {}", what, *ratio, setting_words(first));
}

}  // namespace

Result<Improved> improve(const Audit& audit, const ImproveOptions& options) {
    if (!audit.trained || audit.loaders.empty() || !audit.loaders.front().training) {
        return too_little("no training with a DataLoader was seen in run " + audit.run.id +
                          ": there is nothing that could be changed");
    }
    const Result<Workplace> workplace = Workplace::make(options.trial.home);
    if (!workplace) return tl::unexpected<Error>(workplace.error());
    constexpr double shortest = 2, longest = 6, runs = 60;  // so many runs should fit into the time
    RaceOptions race;
    race.trial = options.trial;
    race.seconds = options.seconds;
    race.run_seconds = std::clamp(options.seconds / runs, shortest, longest);
    if (options.progress) {
        race.measured = [&](const Candidate& candidate, const Candidate& first, std::optional<double> ratio) {
            options.progress(progress_line(candidate, first, ratio));
        };
    }
    Race measured(audit, std::move(race), workplace->folder());
    return Search(audit, options, measured).run();
}

}  // namespace headrace::trial
