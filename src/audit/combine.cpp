#include "audit/combine.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/text.h"

namespace headrace::audit {
namespace {

Result<void> check(const std::vector<Audit>& parts) {
    std::set<int> seen;
    for (const Audit& part : parts) {
        for (const Ledger& ledger : part.ranks) {
            if (!ledger.rank) {
                return fail(ErrorCode::invalid_argument,
                            "the run " + part.run.id +
                                " is of a program without ranks, so it is no part of another run: show it alone");
            }
            if (!seen.insert(*ledger.rank).second) {
                return fail(ErrorCode::invalid_argument,
                            "the run " + part.run.id + " holds rank " + std::to_string(*ledger.rank) +
                                " as another one does, so they are not parts of one training: show them one by one");
            }
        }
    }
    return {};
}

std::optional<std::int64_t> larger(std::optional<std::int64_t> one, std::optional<std::int64_t> other) {
    return one && other ? std::max(*one, *other) : one ? one : other;
}

// How the program of one machine ended, where that was not well.
std::string bad_end(const RunInfo& run) {
    switch (run.outcome) {
        case Outcome::failed:
            return "the program failed with exit code " + std::to_string(run.exit_code.value_or(1)) + ".";
        case Outcome::killed:
            return "the program was killed" + (run.signal ? " by " + base::signal_name(*run.signal) : std::string()) +
                   ".";
        case Outcome::interrupted:
            return "the program was interrupted.";
        default:
            return "";
    }
}

// Of all machines together; none where it is not known of one of them, or in another currency.
void add_cost(std::optional<Cost>& whole, const std::optional<Cost>& part) {
    if (!whole || !part || whole->currency != part->currency) return whole.reset();
    if (whole->machine != part->machine) whole->machine += " and " + part->machine;
    whole->per_hour += part->per_hour;
    whole->per_run += part->per_run;
    whole->per_epoch =
        whole->per_epoch && part->per_epoch ? std::optional(*whole->per_epoch + *part->per_epoch) : std::nullopt;
}

void add(Audit& whole, const Audit& part) {
    add_cost(whole.cost, part.cost);
    whole.ranks.insert(whole.ranks.end(), part.ranks.begin(), part.ranks.end());
    whole.processes += part.processes;
    whole.wall_seconds = std::max(whole.wall_seconds, part.wall_seconds);
    whole.host_peak_bytes = larger(whole.host_peak_bytes, part.host_peak_bytes);
    whole.device_peak_bytes = larger(whole.device_peak_bytes, part.device_peak_bytes);
    whole.overhead.hooks_disabled += part.overhead.hooks_disabled;
}

}  // namespace

Result<Audit> combine(std::vector<Audit> parts) {
    if (Result<void> checked = check(parts); !checked) {
        return tl::unexpected<Error>(checked.error());
    }
    std::sort(parts.begin(), parts.end(),
              [](const Audit& x, const Audit& y) { return *x.ranks.front().rank < *y.ranks.front().rank; });
    Audit whole = parts.front();
    whole.limits.clear();
    for (const Audit& part : parts) {
        if (&part != &parts.front()) {
            add(whole, part);
        }
        const std::string on = "On " + part.run.machine.host + ": ";
        if (const std::string end = bad_end(part.run); !end.empty()) {
            whole.limits.push_back(on + end);
        }
        for (const std::string& limit : part.limits) {
            whole.limits.push_back(on + limit);
        }
    }
    std::stable_sort(whole.ranks.begin(), whole.ranks.end(),
                     [](const Ledger& x, const Ledger& y) { return *x.rank < *y.rank; });
    return whole;
}

}  // namespace headrace::audit
