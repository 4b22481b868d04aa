// What a fix would win: the ceilings of a run, whether its loop could be replayed, and the findings. Plain structs;
// docs/formats/report.schema.json is the same thing as JSON. Times are in seconds; ratios are speed with the fix over
// speed without it, above 1 is a gain.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

enum class Basis : std::uint8_t { measured, derived };
std::string_view name(Basis basis) noexcept;

// Samples a second, if one part of the work were the only limit.
struct Ceiling {
    std::string name;  // worker_cpu, collate, transport, compute
    double samples_per_second = 0;
    Basis basis = Basis::derived;
};

// Whether the replay of the run as it was comes near enough to what was measured: only then is anything predicted.
struct Prediction {
    bool valid = false;
    std::optional<double> mean_error;     // of the mean step, relative to the measured one, signed
    std::optional<double> p95_error;      // of the 95th percentile of the steps, the same
    std::optional<double> crowded_cores;  // what is left of what all cores can do where more threads want them: fitted
    std::string reason;                   // why it is not valid: a sentence; empty where it is
};

enum class Area : std::uint8_t { input, prep, compute, evaluate, serve };
std::string_view name(Area area) noexcept;

// What a fix may change in the results of the program.
enum class Changes : std::uint8_t { nothing, rounding, random_streams, numerics, semantics };
std::string_view name(Changes changes) noexcept;

// A predicted value and the ends of its 90 % interval.
struct Interval {
    double predicted = 0;
    double low = 0;
    double high = 0;
};

// A ratio for people: "1.51x (1.45 to 1.59)".
std::string ratio_words(const Interval& ratio);

struct Gain {
    Interval ratio;            // of steady samples a second
    Interval seconds_per_run;  // saved in the whole run; below 0: lost
};

// A predicted ratio below it is no finding.
inline constexpr double worth_a_finding = 1.05;

// Of what is saved outside the steady steps, whose pace it leaves as it is.
constexpr Gain gain_outside_steps(double likely, double least, double most) noexcept {
    return {{1, 1, 1}, {likely, least, most}};
}

// What such a ratio saves of a loop that takes so many seconds.
Gain gain_of(const Interval& ratio, double loop_seconds) noexcept;

// What a fix sets; absent where it stays as it is. The first five are a joint point of a loader and its training loop.
struct Fix {
    std::optional<std::uint64_t> workers;
    std::optional<std::uint64_t> threads;
    std::optional<std::uint64_t> prefetch_factor;
    std::optional<bool> persistent_workers;
    std::optional<std::uint64_t> batch_size;
    std::optional<std::string> precision = {};          // of autocast: bfloat16
    std::optional<std::uint64_t> cache_bytes = {};      // at most, of a cache of samples in memory
    std::optional<std::uint64_t> evaluation_rows = {};  // of a sample for an evaluation
};

// Whether any argument of a loader is set.
bool changes_loader(const Fix& fix) noexcept;

struct Finding;

// Whether `headrace try` can put its fix into the program.
bool can_be_tried(const Finding& finding) noexcept;

// What changes, as arguments: "num_workers=2, persistent_workers=True". Empty where nothing does.
std::string as_arguments(const Fix& fix);

// Where a loader was made. A program that makes one for each epoch makes them all there; a function that makes loaders
// for training and evaluation makes those there, too, of which the type of the sampler may tell.
struct LoaderSite {
    std::string file;  // as the interpreter names it: relative to the working directory where it was started so
    std::uint64_t line = 0;
    std::string sampler;   // name of the type of its sampler
    bool library = false;  // in a package and not in the user's own code
};

// by_hand: there is nothing that a figure could set.
enum class FixKind : std::uint8_t { loader, evaluation, autocast, sample_cache, by_hand };
std::string_view name(FixKind kind) noexcept;

struct Finding {
    std::string id;  // AREA.KIND, unique in a run
    Area area = Area::input;
    std::string title;
    std::string evidence;  // figures of this run, in a sentence
    FixKind kind = FixKind::loader;
    Fix fix;
    std::optional<Gain> gain;  // absent for one that promises no speed
    Changes changes = Changes::nothing;
    std::string remedy;
    std::optional<LoaderSite> loader = {};  // that the fix changes; absent where it was not seen being made
    double interval_scale = 1;              // by which trials have made the interval of its gain wider
    std::string diff = {};                  // of the line in the user's code; empty where none is known
    std::string try_it = {};                // the command that tries it; empty where nothing can be put in for it
    std::optional<Interval> measured =
        {};  // ratio of samples a second, by the newest trial; absent where there is none
};

}  // namespace headrace
