// Whether two groups of runs did the same work.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "audit/compare.h"
#include "base/text.h"
#include "run/past_runs.h"

namespace headrace::audit {
namespace {

tl::unexpected<Error> differ(std::string sentence) { return fail(ErrorCode::invalid_argument, std::move(sentence)); }

std::string run_name(const Audit& audit) { return "run " + audit.run.id; }

std::string_view ended_how(Outcome outcome) {
    switch (outcome) {
        case Outcome::finished:
            return "finished";
        case Outcome::running:
            return "is still going on";
        case Outcome::failed:
            return "failed";
        case Outcome::killed:
            return "was killed";
        case Outcome::interrupted:
            return "was interrupted";
    }
    return "";
}

Result<void> check_ending(const Audit& audit) {
    if (audit.run.outcome != Outcome::finished) {
        return differ(fmt::format("{} {}: only runs that finished can be compared", run_name(audit),
                                  ended_how(audit.run.outcome)));
    }
    if (audit.ranks.empty() || !(audit.ranks.front().wall_seconds > 0)) {
        return fail(ErrorCode::unsupported, fmt::format("nothing was recorded inside the program of {}: there is "
                                                        "nothing to compare",
                                                        run_name(audit)));
    }
    return {};
}

std::string machine_words(const Machine& machine) {
    std::string words = fmt::format("{}, {:.3g} cores, {}", base::printable(machine.cpu), machine.cores_usable,
                                    base::format_bytes(static_cast<double>(machine.memory_bytes)));
    for (const std::string& accelerator : machine.accelerators) words += ", " + base::printable(accelerator);
    return words;
}

struct Work {
    bool trained = false;
    bool evaluated = false;
    std::uint64_t steps = 0;  // of a rank
    std::uint64_t ranks = 1;
    std::optional<std::uint64_t> batch;
    std::uint64_t passes = 1;  // over the data, each of which may end with a smaller batch

    std::optional<std::uint64_t> samples() const {
        return batch ? std::optional(steps * ranks * *batch) : std::nullopt;
    }
};

Work work_of(const Audit& audit) {
    Work work;
    work.trained = audit.trained;
    work.evaluated = audit.ranks.front().seconds[static_cast<std::size_t>(Entry::evaluation)] > 0;
    if (!work.trained) return work;
    work.steps = audit.steady.steps + 1;
    work.ranks = audit.ranks.size();
    work.batch = audit.steady.batch_size;
    if (const std::uint64_t pass = audit.steady.pass_steps.value_or(0); pass > 0) {
        work.passes = (work.steps + pass - 1) / pass;
    }
    return work;
}

std::string work_words(const Work& work) {
    if (!work.trained) return "no training step";
    std::string words = base::format_count(static_cast<std::int64_t>(work.steps)) + " steps";
    if (work.batch) words += fmt::format(" of {} samples", *work.batch);
    if (work.ranks > 1) words += fmt::format(" on each of {} ranks", work.ranks);
    return words;
}

// With other batches or ranks the last batch of a pass is another part of them.
bool as_many_samples(const Work& x, const Work& y) {
    if (x.batch == y.batch && x.ranks == y.ranks) return x.steps == y.steps;
    if (!x.batch || !y.batch) return false;
    const auto many = static_cast<double>(*x.samples()), others = static_cast<double>(*y.samples());
    const auto batch = static_cast<double>(std::max(*x.batch * x.ranks, *y.batch * y.ranks));
    return std::abs(many - others) <= batch * static_cast<double>(std::max(x.passes, y.passes));
}

Result<void> check_work(const Audit& first, const Audit& other) {
    const Work x = work_of(first), y = work_of(other);
    if (x.trained != y.trained || !as_many_samples(x, y)) {
        return differ(fmt::format("the runs did not do the same work: {} trained for {}, {} for {}", run_name(first),
                                  work_words(x), run_name(other), work_words(y)));
    }
    if (x.evaluated != y.evaluated) {
        return differ(fmt::format("the runs did not do the same work: {} evaluated its model, {} did not",
                                  run_name(x.evaluated ? first : other), run_name(x.evaluated ? other : first)));
    }
    return {};
}

Result<void> check(const Audit& first, const Audit& other) {
    if (Result<void> good = check_ending(other); !good) return good;
    if (!run::equal_machines(first.run.machine, other.run.machine)) {
        return differ(fmt::format("the runs were made on other machines: {} on {}, {} on {}", run_name(first),
                                  machine_words(first.run.machine), run_name(other), machine_words(other.run.machine)));
    }
    return check_work(first, other);
}

}  // namespace

Result<ComparedWork> same_work(std::span<const Audit> before, std::span<const Audit> after) {
    const Audit& first = before.front();
    if (Result<void> good = check_ending(first); !good) return tl::unexpected<Error>(good.error());
    ComparedWork work;
    const Work of_first = work_of(first);
    work.trained = of_first.trained;
    work.evaluated = of_first.evaluated;
    if (work.trained) {
        work.samples = of_first.samples();
        work.steps = of_first.steps;
    }
    for (const std::span<const Audit> group : {before, after}) {
        for (const Audit& audit : group) {
            if (Result<void> good = check(first, audit); !good) return tl::unexpected<Error>(good.error());
            if (work.steps && work_of(audit).steps != *work.steps) work.steps.reset();
        }
    }
    return work;
}

}  // namespace headrace::audit
