// Made-up audits of several shapes, for the tests of src/report and src/cli.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "headrace/ledger.h"

namespace headrace::made_up {

inline double& entry(Ledger& ledger, Entry which) { return ledger.seconds[static_cast<std::size_t>(which)]; }

// A ledger of `wall` seconds of which `shares` name the parts; what is left is unattributed.
inline Ledger ledger(double wall, std::initializer_list<std::pair<Entry, double>> shares) {
    Ledger made;
    made.wall_seconds = wall;
    double left = wall;
    for (const auto& [which, share] : shares) {
        entry(made, which) = share * wall;
        left -= share * wall;
    }
    entry(made, Entry::unattributed) = left;
    return made;
}

inline void divide_wait(Ledger& made, std::array<double, stage_count> shares) {
    for (std::size_t i = 0; i < stage_count; ++i) made.wait_seconds[i] = shares[i] * entry(made, Entry::input_wait);
}

// Nothing but what every audit has.
inline Audit empty() {
    Audit audit;
    audit.ranks.resize(1);
    return audit;
}

// An image-training program that waits for decoding most of the time: the common case.
inline Audit input_bound() {
    Audit audit;
    audit.run.id = "20261124T000319Z-1f3a";
    audit.run.name = "baseline";
    audit.run.command = {"python", "train.py", "--epochs", "5", "--data", "photos of 2025"};
    audit.run.directory = "/home/ada/project";
    audit.run.started = "2026-11-24T00:03:19Z";
    audit.run.outcome = Outcome::finished;
    audit.run.exit_code = 0;
    audit.run.machine = {"workbench", "Linux 6.1.0", "Example CPU", 2, 8, 16LL << 30, {}, {}};
    audit.run.code = {"0123456789abcdef0123456789abcdef01234567", false};
    audit.wall_seconds = 372;
    audit.framework = "torch 2.13.0";
    audit.processes = 5;
    audit.trained = true;
    audit.ranks = {ledger(372, {{Entry::startup_launch, 0.0002},
                                {Entry::startup_imports, 0.012},
                                {Entry::startup_setup, 0.003},
                                {Entry::startup_workers, 0.004},
                                {Entry::startup_first_step, 0.0004},
                                {Entry::input_wait, 0.612},
                                {Entry::compute_forward, 0.101},
                                {Entry::compute_backward, 0.182},
                                {Entry::compute_optimizer, 0.0151},
                                {Entry::host, 0.008},
                                {Entry::evaluation, 0.0499},
                                {Entry::checkpoint, 0.0067},
                                {Entry::teardown, 0.0003}})};
    divide_wait(audit.ranks[0], {0.05, 0.031, 0.71, 0.02, 0.0002, 0.1888});
    audit.steady = {389, 0.812, 1.204, 78.8, std::nullopt, 64};
    audit.loaders = {{64, 2, 2, false, "fork", true}, {64, 2, 2, false, "fork", false}};
    audit.per_sample = {0.0123, 0.0101, 0.0013, 0.0009, 54321.0, 12000.0};
    audit.input_lines = {{"/home/ada/project/photos/data.py", 81, "PhotoSet.__getitem__", 0.43},
                         {"/home/ada/project/photos/data.py", 84, "PhotoSet.__getitem__", 0.31},
                         {"/home/ada/project/photos/augment.py", 12, "jitter", 0.12},
                         {"/home/ada/project/photos/augment.py", 40, "flip", 0.004}};
    audit.loop_lines = {{"/home/ada/project/train.py", 44, "main", 0.52},
                        {"/home/ada/project/train.py", 47, "main", 0.31}};
    audit.host_peak_bytes = 2'254'857'830;
    audit.overhead = {0.074, 0.0002, 8.1e-6, 0};
    audit.limits = {
        "Storage behind a page cache cannot be told from storage: bytes_from_storage counts what was read."};
    audit.next = "headrace report 20261124T000319Z-1f3a --json -";
    return audit;
}

// A program in which no training was seen.
inline Audit untrained() {
    Audit audit = empty();
    audit.run.command = {"python", "prepare.py"};
    audit.run.outcome = Outcome::finished;
    audit.run.exit_code = 0;
    audit.wall_seconds = 12;
    audit.ranks = {ledger(12, {{Entry::startup_imports, 0.1}})};
    audit.limits = {"No training step was seen: the time of the loop is unattributed."};
    return audit;
}

// A shell script that computes, sleeps and writes: nothing is seen inside.
inline Audit outside_only() {
    Audit audit = untrained();
    audit.run.command = {"sh", "run.sh"};
    audit.ranks = {ledger(12, {})};
    audit.limits = {"No Python of the program was seen."};
    Outside outside;
    outside.cpu_seconds = 9.3;
    outside.cores_mean = 0.775;
    outside.idle_share = 0.4;
    outside.written_bytes = 1LL << 30;
    outside.processes = {{"sort -n numbers", 12, 5, 8.1}, {"sh run.sh", 11, 12, 1.15}, {"true", 13, 0.1, 0.001}};
    outside.phases = {{0, 5, 1.7, 0, 0, Activity::computing},
                      {5, 9.8, 0.01, 0, 100, Activity::idle},
                      {9.8, 12, 0.36, 0, 480e6, Activity::writing}};
    outside.marked = {{"warm-up", 2.5, 3}};
    audit.outside = outside;
    return audit;
}

// Every block at its largest.
inline Audit crowded() {
    Audit audit = input_bound();
    audit.run.outcome = Outcome::killed;
    audit.run.exit_code.reset();
    audit.run.signal = 9;
    audit.wall_seconds = 400;
    Ledger full;
    full.wall_seconds = 372;
    full.seconds.fill(372.0 / entry_count);
    full.wait_seconds.fill(372.0 / entry_count / stage_count);
    audit.ranks.assign(8, full);
    for (std::size_t i = 0; i < audit.ranks.size(); ++i) audit.ranks[i].rank = static_cast<int>(i);
    entry(audit.ranks[3], Entry::input_wait) += 100;
    entry(audit.ranks[3], Entry::compute_forward) -= 20;
    audit.device_peak_bytes = 80LL << 30;
    audit.overhead.hooks_disabled = 3;
    const std::string deep(300, 'd');
    for (int i = 0; i < 9; ++i) {
        audit.input_lines.push_back({"/srv/" + deep + "/data.py", 1000000, deep + ".<locals>.decode", 0.1});
        audit.limits.push_back("This limit is a long one: " + deep + " and it goes on for longer than a line is wide.");
    }
    audit.run.command.push_back(deep);
    return audit;
}

// Strings from outside that would do harm to a terminal.
inline Audit hostile() {
    Audit audit = input_bound();
    const std::string bad = "\x1b[2J\r\n\xff\xe2\x80\xae";
    audit.run.name = bad;
    audit.run.id = bad;
    audit.run.directory = bad;
    audit.run.command = {bad, "\xe6\xbc\xa2\xe5\xad\x97.py"};
    audit.run.machine.host = bad;
    audit.run.machine.accelerators = {bad};
    audit.framework = bad;
    audit.loaders[0].method = bad;
    audit.input_lines = {{bad, 1, bad, 0.5}, {"/srv/d\xc3\xa9j\xc3\xa0/\xe6\xbc\xa2\xe5\xad\x97.py", 7, "f", 0.5}};
    audit.limits = {bad};
    audit.next = bad;
    return audit;
}

}  // namespace headrace::made_up
