#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "headrace/report.h"
#include "report/made_up.h"

namespace headrace {
namespace {

constexpr TextStyle plain;
constexpr TextStyle coloured{true, 80};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

// More phases, processes and marks than a screen holds, with names that would do harm.
Audit crowded_outside() {
    Audit audit = made_up::crowded();
    audit.trained = false;
    Outside outside = *made_up::outside_only().outside;
    for (int i = 0; i < 40; ++i) {
        outside.phases.push_back({12.0 + i, 13.0 + i, 1e300, 1e300, 1e300, Activity::mixed});
        outside.processes.push_back({"\x1b[2J" + std::string(300, 'p'), 99, 1, 5});
        outside.marked.push_back({"\x1b[2J" + std::string(300, 'm'), 1e300, UINT64_MAX});
    }
    audit.outside = outside;
    return audit;
}

// More findings than a screen holds, with words that would do harm.
Audit well_advised() {
    Audit audit = made_up::crowded();
    audit.prediction.valid = true;
    for (int i = 0; i < 20; ++i) {
        audit.ceilings.push_back({"\x1b[2J" + std::string(50, 'c'), 1e300, Basis::derived});
        Finding finding;
        finding.id = "input.\x1b[2J";
        finding.title = std::string(300, 't');
        finding.remedy = "\x1b[2J" + std::string(300, 'r');
        audit.findings.push_back(finding);
        audit.findings.back().gain = Gain{{1e300, -1e300, 1e300}, {1e300, -1e300, 1e300}};
    }
    return audit;
}

std::vector<Audit> all_shapes() {
    return {well_advised(),     made_up::empty(),     made_up::input_bound(),  made_up::crowded(),
            made_up::hostile(), made_up::untrained(), made_up::outside_only(), crowded_outside()};
}

std::string without_colours(const std::string& text) {
    std::string plain_text;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text.compare(at, 2, "\x1b[") == 0) {
            at = text.find('m', at);
        } else {
            plain_text += text[at];
        }
    }
    return plain_text;
}

// The tenths of a percent of every ledger line, from the first to `unattributed`.
std::vector<int> printed_tenths(const std::string& text) {
    std::vector<int> tenths;
    for (const std::string& line : lines_of(text)) {
        const std::size_t percent = line.find(" %");
        if (line.empty() || line[0] < 'a' || line[0] > 'z' || percent == std::string::npos) continue;
        const std::size_t begin = line.find_last_of(' ', percent - 1) + 1;
        const std::string figure = line.substr(begin, percent - begin);  // for example 61.2
        const std::size_t point = figure.find('.');
        if (point + 2 != figure.size() || figure.find_first_not_of("0123456789.") != std::string::npos) continue;
        tenths.push_back(std::stoi(figure.substr(0, point)) * 10 + (figure[point + 1] - '0'));
    }
    return tenths;
}

TEST(RenderText, ShowsACommonRun) {
    EXPECT_EQ(render_text(made_up::input_bound(), plain),
              R"(── headrace · 20261124T000319Z-1f3a · baseline ─────────────────────────────────
python train.py --epochs 5 --data 'photos of 2025'
2 of 8 cores · 16.0 GiB · torch 2.13.0 · 5 processes · on workbench

6 min 12 s: 61 % waiting for input (decode), 30 % computing, 5 % evaluation

startup.imports        1.2 %       4.5 s  ▊
startup.setup          0.3 %       1.1 s  ▏
startup.workers        0.4 %       1.5 s  ▎
input.wait            61.2 %  3 min 48 s  ██████████████████████████████████████
compute.forward       10.1 %      37.6 s  ██████▎
compute.backward      18.2 %  1 min 08 s  ███████████▎
compute.optimizer      1.5 %       5.6 s  █
host                   0.8 %       3.0 s  ▌
evaluation             5.0 %      18.6 s  ███▏
checkpoint             0.7 %       2.5 s  ▍
others (3)             0.1 %      335 ms  ▏
unattributed           0.5 %       2.0 s  ▍

input.wait by cause
  storage              5.0 %      11.4 s  █▉
  read                 3.1 %       7.1 s  █▏
  decode              71.0 %  2 min 42 s  ███████████████████████████
  collate              2.0 %       4.6 s  ▊
  workers             18.9 %      43.0 s  ███████▏
Hot lines of your code
  input  43 %  photos/data.py:81     PhotoSet.__getitem__
  input  31 %  photos/data.py:84     PhotoSet.__getitem__
  input  12 %  photos/augment.py:12  jitter
  loop   52 %  train.py:44           main
  loop   31 %  train.py:47           main
Steps      389 after the first: median 812 ms, p95 1.2 s, 78.8 samples/s
Loader     batch 64, 2 workers (fork), prefetch 2; and 1 other loader
Samples    12 ms (CPU 10 ms, run queue 1.3 ms, blocked 900 µs), 53.0 KiB read
Memory     2.1 GiB of host at the peak
Overhead   0.02 % of this time was headrace's own (74 ms, 8.1 µs a step)
Not seen   Storage behind a page cache cannot be told from storage:
           bytes_from_storage counts what was read.
Next       headrace report 20261124T000319Z-1f3a --json -
)");
}

// What stands from the first finding to the next command.
std::string advice_of(const Audit& audit) {
    const std::string text = render_text(audit, plain);
    const std::size_t begin = text.find("Findings");
    return begin == std::string::npos ? "" : text.substr(begin, text.find("Not seen") - begin);
}

TEST(RenderText, ShowsWhatAFixWouldWin) {
    Audit audit = made_up::input_bound();
    audit.prediction.valid = true;
    audit.ceilings = {{"worker_cpu", 196.25, Basis::derived}, {"compute", 1234.5, Basis::derived}};
    EXPECT_EQ(advice_of(audit), R"(Findings   none: nothing that was looked at is predicted to win 5 %
Ceilings   worker_cpu 196, compute 1,235 samples/s
)");
    Finding finding;
    finding.id = "input.workers";
    finding.title = "8 workers instead of 2";
    finding.gain = Gain{{2.5, 2.1, 2.95}, {137, -3, 160}};
    finding.remedy = "Give the training DataLoader num_workers=8.";
    finding.fix.workers = 8;
    finding.fix.persistent_workers = true;
    audit.findings = {finding};
    EXPECT_EQ(advice_of(audit), R"(Findings   input.workers: 8 workers instead of 2; predicted 2.50x samples/s
           (2.10 to 2.95), 2 min 17 s less a run (-3.0 s to 2 min 40 s)
           Give the training DataLoader num_workers=8.
Ceilings   worker_cpu 196, compute 1,235 samples/s
)") << "nothing says where the loader is made";
    audit.run.directory = "/home/ada";
    audit.findings[0].loader = LoaderSite{"/home/ada/train.py", 42, "RandomSampler", false};
    EXPECT_EQ(advice_of(audit), R"(Findings   input.workers: 8 workers instead of 2; predicted 2.50x samples/s
           (2.10 to 2.95), 2 min 17 s less a run (-3.0 s to 2 min 40 s); not
           tried
           train.py:42 num_workers=8, persistent_workers=True
Ceilings   worker_cpu 196, compute 1,235 samples/s
)");
    audit.findings[0].measured = Interval{2.4, 2.3, 2.5};
    EXPECT_NE(advice_of(audit).find("measured 2.40x"), std::string::npos);
}

TEST(RenderText, ShowsWhatSavesTimeOutsideTheSteps) {
    Audit audit = made_up::input_bound();
    audit.prediction.reason = "Nothing is predicted: several ranks are not predicted yet.";
    Finding finding;
    finding.id = "evaluate.sample";
    finding.title = "evaluate on a sample";
    finding.kind = FixKind::evaluation;
    finding.gain = Gain{{1, 1, 1}, {13.7, 12, 16}};
    finding.remedy = "Evaluate on a sample.";
    audit.findings = {finding};
    EXPECT_EQ(advice_of(audit), R"(Findings   evaluate.sample: evaluate on a sample; predicted 13.7 s less a run
           (12.0 s to 16.0 s)
           Evaluate on a sample.
           Nothing is predicted: several ranks are not predicted yet.
)");
}

TEST(RenderText, ShowsWhatItCostsAndWhatTheModelMayTake) {
    Audit audit = made_up::input_bound();
    EXPECT_EQ(render_text(audit, {}).find("Cost"), std::string::npos);
    audit.slo = Slo{"slo.toml", 12, 400};
    EXPECT_NE(render_text(audit, {}).find("SLO        not measured: audit the program with --probe"),
              std::string::npos);
    audit.probe.emplace();
    audit.probe->single_sample_seconds = 1.2e-3;
    audit.probe->single_sample_p95_seconds = 2.5e-3;
    audit.probe->model_bytes = 4 << 20;
    audit.cost = Cost{"prices.toml", "EUR", "a\x1b[2Jb", 36, 3.72, 0.744};
    const std::string text = render_text(audit, {});
    EXPECT_NE(text.find("SLO        2.50 of 12.0 ms at the 95th percentile of one sample, 4.00 of 400 MiB"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("Cost       3.72 EUR the run, 0.744 an epoch (a\\x1b[2Jb, 36 an hour)"), std::string::npos)
        << text;
}

TEST(RenderText, SaysWhyNothingIsPredicted) {
    Audit audit = made_up::input_bound();
    EXPECT_EQ(advice_of(audit), "");
    audit.prediction.reason = "Nothing is predicted: several ranks are not predicted yet.";
    EXPECT_EQ(advice_of(audit), "Findings   Nothing is predicted: several ranks are not predicted yet.\n");
    audit.trained = false;
    EXPECT_EQ(advice_of(audit), "");
}

TEST(RenderText, FitsTheFullestRunOnOneScreen) {
    EXPECT_EQ(render_text(made_up::crowded(), plain),
              R"(── headrace · 20261124T000319Z-1f3a · baseline ─────────────────────────────────
python train.py --epochs 5 --data 'photos of 2025' dddddddddddddddddddddddddddd…
2 of 8 cores · 16.0 GiB · torch 2.13.0 · 5 processes · on workbench

6 min 12 s: 28 % start-up, 22 % computing, 6 % waiting for input
The program was killed by SIGKILL.
That is the process that trained; the command took 6 min 40 s.
startup.launch         5.6 %      20.7 s  █████▍
startup.imports        5.6 %      20.7 s  █████▍
startup.setup          5.6 %      20.7 s  █████▍
startup.workers        5.6 %      20.7 s  █████▍
startup.first_step     5.6 %      20.7 s  █████▍
input.wait             5.6 %      20.7 s  █████▍
transfer               5.5 %      20.7 s  █████▍
compute.forward        5.5 %      20.7 s  █████▍
compute.backward       5.5 %      20.7 s  █████▍
compute.optimizer      5.5 %      20.7 s  █████▍
others (7)            38.9 %  2 min 25 s  ██████████████████████████████████████
unattributed           5.5 %      20.7 s  █████▍
input.wait by cause
  storage             16.7 %       3.4 s  ▉
  read                16.7 %       3.4 s  ▉
  decode              16.7 %       3.4 s  ▉
  collate             16.7 %       3.4 s  ▉
  transport           16.6 %       3.4 s  ▉
  workers             16.6 %       3.4 s  ▉
Hot lines of your code
  loop   52 %  train.py:44        main
  input  43 %  photos/data.py:81  PhotoSet.__getitem__
Steps      389 after the first: median 812 ms, p95 1.2 s, 78.8 samples/s
Loader     batch 64, 2 workers (fork), prefetch 2; and 1 other loader
Samples    12 ms (CPU 10 ms, run queue 1.3 ms, blocked 900 µs), 53.0 KiB read
Ranks      8, above is rank 0; they differ most in input.wait: 5.6 % (rank 0) to
           32.4 % (rank 3)
Memory     2.1 GiB of host, 80.0 GiB of device at the peak
Overhead   0.02 % of this time was headrace's own (74 ms, 8.1 µs a step); 3
           hooks switched off after an error
Not seen   10 things: see limits in the run's report.json
Next       headrace report 20261124T000319Z-1f3a --json -
)");
}

TEST(RenderText, SaysThatNothingWasRecorded) {
    EXPECT_EQ(render_text(made_up::empty(), plain),
              R"(── headrace ────────────────────────────────────────────────────────────────────

Nothing was recorded.
The program is still running: this is what was recorded so far.

Overhead   0.00 % of this time was headrace's own (0 s)
)");
}

TEST(RenderText, FitsEveryShapeIntoEveryWidth) {
    for (const int columns : {40, 57, 80, 132}) {
        for (const Audit& audit : all_shapes()) {
            const std::vector<std::string> lines = lines_of(render_text(audit, {false, columns}));
            EXPECT_LE(lines.size(), 40U);
            for (const std::string& line : lines) {
                if (line.starts_with("Next ")) continue;  // is there to be pasted, so it is not broken
                EXPECT_LE(base::display_width(line), static_cast<std::size_t>(columns)) << line;
            }
        }
    }
}

TEST(RenderText, LetsNothingFromOutsideReachTheTerminal) {
    const std::string text = render_text(made_up::hostile(), plain);
    EXPECT_TRUE(base::valid_utf8(text));
    for (const std::string& line : lines_of(text)) EXPECT_EQ(base::printable(line), line);
}

TEST(RenderText, HasTheSameWordsInColour) {
    for (const Audit& audit : all_shapes()) {
        const std::string text = render_text(audit, coloured);
        EXPECT_NE(text.find('\x1b'), std::string::npos);
        EXPECT_EQ(without_colours(text), render_text(audit, plain));
    }
}

TEST(RenderText, IsAsciiWhereAsked) {
    for (const Audit& audit : all_shapes()) {
        const std::string text = render_text(audit, {false, 80, true});
        EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
    }
}

TEST(RenderText, PrintsSharesThatAddUp) {
    for (const Audit& audit : {made_up::input_bound(), made_up::crowded(), made_up::untrained()}) {
        const std::vector<int> tenths = printed_tenths(render_text(audit, plain));
        EXPECT_EQ(std::accumulate(tenths.begin(), tenths.end(), 0), 1000);
    }
}

TEST(RenderText, AlwaysShowsWhatIsUnattributed) {
    Audit audit = made_up::input_bound();
    audit.ranks = {made_up::ledger(10, {{Entry::compute_forward, 1.0}})};
    const std::string text = render_text(audit, plain);
    EXPECT_NE(text.find("\nunattributed           0.0 %         0 s\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("others"), std::string::npos);
    EXPECT_EQ(text.find("by cause"), std::string::npos);
}

TEST(RenderText, SaysThatNoStepWasSeen) {
    const std::string text = render_text(made_up::untrained(), plain);
    EXPECT_NE(text.find("12.0 s, no training step seen: 90 % unattributed, 10 % start-up\n"), std::string::npos)
        << text;
    EXPECT_EQ(text.find("Steps"), std::string::npos);
}

TEST(RenderText, ShowsTheViewFromOutsideWhereNoTrainingWasSeen) {
    const Audit audit = made_up::outside_only();
    const std::string text = render_text(audit, plain);
    EXPECT_NE(text.find(R"(
Outside view: 9.3 s of CPU (0.78 cores), 40 % idle, 0 B read, 1.0 GiB written
  computing  0 s to 5.0 s            1.70 cores                █████████████████
  idle       5.0 s to 9.8 s          0.01 cores                ▏
  writing    9.8 s to 12.0 s         0.36 cores     458 MiB/s  ███▋
     8.1 s of CPU  sort -n numbers
     1.1 s of CPU  sh run.sh
     2.5 s in phase warm-up (3×)
)"),
              std::string::npos)
        << text;
    Audit trained = audit;
    trained.trained = true;
    EXPECT_EQ(render_text(trained, plain).find("Outside view"), std::string::npos);
}

TEST(RenderText, TellsOfPhasesThatFindNoRoom) {
    const std::string text = render_text(crowded_outside(), plain);
    EXPECT_NE(text.find(" shorter phases, "), std::string::npos) << text;
}

TEST(RenderText, NamesEveryEnding) {
    Audit audit = made_up::input_bound();
    const auto said = [&](Outcome outcome, std::optional<int> code, std::optional<int> signal) {
        audit.run.outcome = outcome;
        audit.run.exit_code = code;
        audit.run.signal = signal;
        return lines_of(render_text(audit, plain)).at(5);
    };
    EXPECT_EQ(said(Outcome::finished, 0, {}), "");
    EXPECT_EQ(said(Outcome::failed, 3, {}), "The program failed with exit code 3.");
    EXPECT_EQ(said(Outcome::killed, {}, 9), "The program was killed by SIGKILL.");
    EXPECT_EQ(said(Outcome::killed, {}, 63), "The program was killed by signal 63.");
    EXPECT_EQ(said(Outcome::killed, {}, {}), "The program was killed.");
    EXPECT_EQ(said(Outcome::interrupted, {}, 2), "The program was interrupted by SIGINT.");
    EXPECT_EQ(said(Outcome::interrupted, 130, {}), "The program was interrupted with exit code 130.");
    EXPECT_EQ(said(Outcome::running, {}, {}), "The program is still running: this is what was recorded so far.");
}

TEST(RenderText, SaysWhichPartWasRecorded) {
    Audit audit = made_up::input_bound();
    audit.wall_seconds = 500;
    EXPECT_EQ(lines_of(render_text(audit, plain)).at(5),
              "That is the process that trained; the command took 8 min 20 s.");
    audit.run.max_steps = 1000;
    EXPECT_EQ(lines_of(render_text(audit, plain)).at(5),
              "That is the process that trained; the command took 8 min 20 s.");  // it ended before that step
    audit.stopped = true;
    EXPECT_EQ(lines_of(render_text(audit, plain)).at(5),
              "Recorded until step 1,000 (--max-steps); the command took 8 min 20 s.");
}

TEST(RenderText, SaysWhichProcessIsShownOfACommandThatDidNotTrain) {
    Audit audit = made_up::input_bound();
    audit.wall_seconds = 500;
    audit.trained = false;
    audit.ranks = {made_up::ledger(10, {{Entry::evaluation, 0.9}})};
    EXPECT_EQ(lines_of(render_text(audit, plain)).at(5),
              "That is the process that ran the model; the command took 8 min 20 s.");
    audit.ranks = {made_up::ledger(10, {{Entry::startup_imports, 0.9}})};
    EXPECT_EQ(lines_of(render_text(audit, plain)).at(5),
              "That is the first Python process; the command took 8 min 20 s.");
}

TEST(RenderText, ShowsTheLinesOfTheLargerPartFirst) {
    Audit audit = made_up::input_bound();
    audit.ranks = {made_up::ledger(10, {{Entry::compute_forward, 0.9}, {Entry::input_wait, 0.1}})};
    const std::string text = render_text(audit, plain);
    EXPECT_LT(text.find("  loop "), text.find("  input "));
    EXPECT_EQ(text.find("augment.py:40"), std::string::npos);  // below 1 %
}

TEST(RenderText, BearsHugeAndImpossibleFigures) {
    Audit audit = made_up::input_bound();
    audit.steady = {UINT64_MAX, 1e300, 1e-300, 1e300, std::numeric_limits<double>::infinity(), UINT64_MAX};
    audit.wall_seconds = 1e300;
    audit.ranks[0].seconds.fill(1e300);
    audit.host_peak_bytes = INT64_MAX;
    audit.overhead = {std::numeric_limits<double>::quiet_NaN(), -1, 1e300, UINT64_MAX};
    for (const std::string& line : lines_of(render_text(audit, plain))) EXPECT_LE(base::display_width(line), 80U);
}

}  // namespace
}  // namespace headrace
