#include "audit/limits.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <system_error>

#include "base/text.h"

namespace headrace::audit {
namespace {

// What kept the file of a thread from growing, by errno. 0: of an early headrace, which did not say.
std::string why_ended(std::uint32_t error) {
    switch (error) {
        case 0:
        case ENOSPC:
        case EDQUOT:
            return "the file system of the run's folder was full";
        case EFBIG:
            return "the limit on the size of a file (ulimit -f) was reached";
        case ENOENT:
        case ENOTDIR:
            return "the run's folder was not where it had been: it was moved, or the program changed its root (chroot)";
        case EACCES:
            return "the program may not open the run's folder any more: it has changed its user";
        case EPERM:
        case ENOSYS:
            return "the program may not make the system calls any more that recording needs (seccomp)";
        case EMFILE:
        case ENFILE:
            return "no file could be opened: there were too many open ones";
        case ENOMEM:
            return "there was no memory left for it";
        default:
            return std::generic_category().message(static_cast<int>(error));
    }
}

// Of a training whose loader is read by another thread: neither a queue nor a Future gave it a batch.
bool hands_over_unseen(const Trainer& trainer) {
    return trainer.trained && !trainer.background.empty() &&
           std::none_of(trainer.passes.begin(), trainer.passes.end(), [](const Pass& pass) { return pass.training; });
}

// The kernel counts what the recorder writes as written by the program. On a file system in memory it counts nothing.
void add_own_writes(const Recording& recording, const std::optional<Outside>& outside,
                    std::vector<std::string>& limits) {
    constexpr double worth_a_word = 1024.0 * 1024.0;
    constexpr double share_of_all = 0.1;
    double own = 0;
    for (const ThreadFacts& thread : recording.threads) {
        own += static_cast<double>(thread.spans * spool::record_bytes);
    }
    const double written = outside ? static_cast<double>(outside->written_bytes) : 0;
    if (own >= worth_a_word && own >= share_of_all * written && own <= written) {
        limits.push_back("Of the " + base::format_bytes(written) + " written, " + base::format_bytes(own) +
                         " are headrace's own records.");
    }
}

void add_early_ends(const Run& run, std::vector<std::string>& limits) {
    std::map<std::string, std::uint64_t> threads;
    for (const ThreadRecord& thread : run.threads) {
        if (thread.full) {
            ++threads[why_ended(thread.full_error)];
        }
    }
    for (const auto& [why, count] : threads) {
        limits.push_back(std::to_string(count) + (count == 1 ? " thread" : " threads") +
                         " stopped recording before the end: " + why + ".");
    }
}

void add_replaced(const std::vector<Trainer>& trainers, std::vector<std::string>& limits) {
    if (std::none_of(trainers.begin(), trainers.end(),
                     [](const Trainer& one) { return one.trained && one.replaced; })) {
        return;
    }
    const bool went_on =
        std::any_of(trainers.begin(), trainers.end(), [](const Trainer& one) { return one.lost && one.replaced; });
    limits.push_back(
        std::string("The program replaced itself by exec after it had trained: each of its trainings has a ledger") +
        (went_on ? ", and what came after the last one is unattributed." : "."));
}

}  // namespace

std::vector<std::string> limits_of(const Recording& recording, const std::vector<Trainer>& trainers, bool one_group,
                                   const std::optional<Outside>& outside) {
    const Run& run = recording.run;
    const Trainer& trainer = trainers.front();
    std::vector<std::string> limits = run.info.limits;
    const bool explained = std::any_of(limits.begin(), limits.end(), [](const std::string& limit) {
        return limit.starts_with("Nothing was recorded") || limit.starts_with("The recording could not be read");
    });
    if (run.threads.empty() && explained) {
        return limits;
    }
    if (run.threads.empty()) {
        limits.push_back(
            "No Python of the program was seen: it is no Python program, or was started with -S, -I or -E, with an "
            "emptied environment, or in a container. Only the outside view is shown.");
        limits.push_back(
            "To see more of a Python program, start it without these options, keep PYTHONPATH and HEADRACE_SPOOL in "
            "its environment, and run headrace inside the container.");
    } else if (!trainer.trained) {
        limits.push_back(trainer.torch ? "No training step was seen: no backward was followed by an optimizer step."
                                       : "No training step was seen: only PyTorch's are recognised.");
        if (trainer.steps.empty()) {
            limits.push_back(
                "To see more, mark it: headrace.step() after each step, with headrace.phase(\"evaluation\") around a "
                "part.");
        }
    }
    if (trainer.marked_input) {
        limits.push_back("What the program marked as input is not divided by cause: it stands under transport.");
    }
    if (hands_over_unseen(trainer)) {
        limits.push_back(
            "Another thread takes the batches from their loader, and how it hands them over was not seen: where the "
            "training waits for them, that is in host.");
    }
    if (recording.stopped) {
        limits.push_back("Recording ended after " + std::to_string(run.info.max_steps.value_or(0)) +
                         " steps; the ledger covers the time up to there.");
    }
    add_early_ends(run, limits);
    if (trainer.world > 1 && !one_group) {
        limits.push_back("Of " + std::to_string(trainer.world) + " ranks " + std::to_string(trainers.size()) +
                         " were recorded here: what they wait for the others stays in compute.backward.");
    }
    limits.insert(limits.end(), recording.limits.begin(), recording.limits.end());
    add_replaced(trainers, limits);
    add_own_writes(recording, outside, limits);
    return limits;
}

bool hardly_recorded(const Throughput& batches) { return 2 * batches.unrecorded > batches.all.batches; }

void add_unrecorded(const Throughput& batches, std::vector<std::string>& limits) {
    if (batches.unrecorded == 0) return;
    const std::string all = std::to_string(batches.all.batches);
    const std::string which = batches.unrecorded == batches.all.batches
                                  ? "its batches"
                                  : std::to_string(batches.unrecorded) + " of its " + all + " batches";
    limits.push_back("How the loader's workers made " + which + " was not recorded: " +
                     (hardly_recorded(batches) ? "input.wait is not divided by cause."
                                               : "where the training waits for those, that is under workers."));
}

}  // namespace headrace::audit
