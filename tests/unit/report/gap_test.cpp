#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "headrace/report.h"

namespace headrace {
namespace {

using Document = nlohmann::ordered_json;

Gap empty_gap() {
    Gap gap;
    gap.home = ".headrace";
    gap.begin = gap.end = "2026-11-02T00:00:00Z";
    gap.next = "headrace report --list";
    return gap;
}

// A team of two with every block of the screen.
Gap usual_gap() {
    Gap gap = empty_gap();
    gap.end = "2026-11-30T00:00:00Z";
    gap.weeks = 4;
    gap.runs = 30;
    gap.experiments = 22;
    gap.results = 18;
    gap.results_per_week = 4.5;
    gap.classes[0] = {18, 360'000};
    gap.classes[static_cast<std::size_t>(RunClass::failed)] = {12, 36'000};
    gap.seconds_to_result = Middle{3600, 3000, 4000};
    gap.seconds_from_first_start = Middle{7200, 3000, 9000};
    gap.run_seconds = 396'000;
    gap.busy_seconds = 300'000;
    gap.seconds[static_cast<std::size_t>(Entry::input_wait)] = 200'000;
    gap.seconds[static_cast<std::size_t>(Entry::compute_forward)] = 160'000;
    gap.seconds[entry_count] = 36'000;
    for (int i = 0; i < 4; ++i) {
        GapWeek week{"2026-11-0" + std::to_string(i + 2) + "T00:00:00Z",
                     "2026-11-1" + std::to_string(i) + "T00:00:00Z"};
        week.results = 4;
        week.run_seconds = 99'000;
        week.seconds[static_cast<std::size_t>(Entry::input_wait)] = 50'000;
        gap.trend.weeks.push_back(week);
    }
    gap.trend.change = Interval{0.5, -0.25, 1.25};
    gap.trend.verdict = TrendVerdict::not_told;
    gap.users = {{"ada", 20, 15, 12, 200'000, 10'000}, {"ben", 10, 7, 6, 196'000, 26'000}};
    OpenFinding open;
    open.program = "/team/train.py";
    open.run = "20261124T000319.482Z-5f0c9a1e";
    open.finding = "input.workers";
    open.arguments = "num_workers=4, persistent_workers=True";
    open.runs = 18;
    open.seconds_per_run = {720, 360};
    open.run_seconds = {72'000, 36'000};
    gap.open = {open};
    gap.open_results_per_week = Saving{1, 0.45};
    TriedFix fix;
    fix.trial = "a trial";
    fix.run = open.run;
    fix.started = "2026-11-24T00:00:00Z";
    fix.fix = "input.workers";
    fix.predicted = Interval{1.5, 1.2, 1.8};
    fix.measured = {1.52, 1.45, 1.6};
    fix.inside = true;
    gap.fixes = {fix};
    return gap;
}

// More of everything than a screen holds, with names and figures that would do harm.
Gap hostile_gap() {
    Gap gap = usual_gap();
    const std::string name = "\x1b[2J" + std::string(300, 'n') + "\xff";
    gap.home = name;
    gap.user = name;
    gap.runs = gap.experiments = std::numeric_limits<std::int64_t>::max();
    gap.results_per_week = 1e300;
    for (double& seconds : gap.seconds) seconds = 1e300;
    gap.run_seconds = 1e300;
    for (ClassCount& count : gap.classes) count = {1'000'000'000, 1e300};
    for (int i = 0; i < 60; ++i) {
        gap.users.push_back({name, 1, 1, 1, 1e300, 1e300});
        gap.open.push_back(gap.open.front());
        gap.open.back().program = gap.open.back().finding = name;
        gap.open.back().seconds_per_run = {1e300, -1e300};
        gap.fixes.push_back(gap.fixes.front());
        gap.fixes.back().fix = name;
        gap.fixes.back().measured = {1e300, 1e-300, 1e300};
        gap.trend.weeks.push_back(gap.trend.weeks.front());
        gap.trend.weeks.back().run_seconds = 1e300;
    }
    gap.running = gap.unreadable = gap.code_unknown = 1'000'000'000;
    return gap;
}

std::vector<std::string> lines_of_gap(const Gap& gap, const TextStyle& style) {
    std::vector<std::string> lines;
    std::istringstream stream(render_text(gap, style));
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

TEST(RenderGap, FitsTheScreenWhateverItHolds) {
    for (const Gap& gap : {empty_gap(), usual_gap(), hostile_gap()}) {
        for (const int columns : {0, 40, 57, 80, 200}) {
            const std::vector<std::string> lines = lines_of_gap(gap, {false, columns});
            EXPECT_LE(lines.size(), 50U);
            for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
                EXPECT_LE(base::display_width(lines[i]), static_cast<std::size_t>(std::max(columns, 40))) << lines[i];
                EXPECT_EQ(base::printable(lines[i]), lines[i]);
            }
            EXPECT_EQ(lines.back(), "Next       headrace report --list");
        }
    }
}

TEST(RenderGap, HasColoursOnlyWhereTheyAreWanted) {
    EXPECT_EQ(render_text(usual_gap(), {}).find('\x1b'), std::string::npos);
    EXPECT_NE(render_text(usual_gap(), {true, 80}).find('\x1b'), std::string::npos);
    TextStyle ascii;
    ascii.ascii = true;
    for (const char c : render_text(usual_gap(), ascii)) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
}

// Words that were broken into lines stand beside each other again.
std::string as_one_line(const std::string& text) {
    std::string words;
    std::istringstream stream(text);
    for (std::string word; stream >> word;) words += (words.empty() ? "" : " ") + word;
    return words;
}

TEST(RenderGap, SaysWhatALeadAsks) {
    const std::string text = as_one_line(render_text(usual_gap(), {}));
    for (const char* words :
         {"2026-11-02 to 2026-11-30, 4.00 weeks · 30 runs of 2 users",
          "4.50 results a week: 18 validated results of 22 experiments", "input.wait            50.5 %      55.6 h",
          "failed                 9.1 %      10.0 h", "Runs       18 validated (100 h), 12 failed (10.0 h)",
          "110 h of runs, two at once counted twice; 83.3 h of calendar time",
          "held 1 h 00 min after the start of its run (median; 50 min 00 s to 1 h 07 min)",
          "ada: 3.00 results a week, 15 experiments, 55.6 h, 5 % lost", "no trend can be told: +0.50 results a week",
          "+1.00 results a week, +0.45 at the least", "an upper view", "train.py: input.workers (num_workers=4,",
          "input.workers: predicted 1.50x (1.20 to 1.80), measured 1.52x (1.45 to 1.60),",
          "1 of 1 measured inside the predicted interval"}) {
        EXPECT_NE(text.find(as_one_line(words)), std::string::npos) << words << "\n" << text;
    }
}

TEST(RenderGap, SaysWhereThereIsTooLittle) {
    Gap gap = usual_gap();
    gap.results_per_week.reset();
    gap.trend.change.reset();
    gap.trend.verdict = TrendVerdict::too_few_weeks;
    gap.users.pop_back();
    gap.unreadable = 1;
    const std::string text = render_text(gap, {});
    EXPECT_NE(text.find("18 validated results of 22 experiments in less than a day"), std::string::npos) << text;
    EXPECT_NE(text.find("too few whole weeks to tell a trend"), std::string::npos);
    EXPECT_NE(text.find("1 run folder cannot be read"), std::string::npos);
    EXPECT_EQ(text.find("Users"), std::string::npos) << "there is one only";
}

std::string keys_of(const Document& object) {
    std::string text;
    for (const auto& [key, value] : object.items()) text += (text.empty() ? "" : " ") + key;
    return text;
}

TEST(RenderGap, HasEveryKeyInTheDocumentedOrder) {
    for (const Gap& gap : {empty_gap(), usual_gap(), hostile_gap()}) {
        const Document json = Document::parse(render_json(gap));
        EXPECT_EQ(keys_of(json), "schema home period user runs experiments results hours trend users open fixes next");
        EXPECT_EQ(keys_of(json["runs"]), "total classes code_unknown running unreadable");
        EXPECT_EQ(json["runs"]["classes"].size(), run_class_count);
        EXPECT_EQ(keys_of(json["results"]), "total per_week seconds_to_result seconds_from_first_start");
        EXPECT_EQ(keys_of(json["hours"]), "run_seconds busy_seconds entries");
        EXPECT_EQ(json["hours"]["entries"].size(), gap_entry_count);
        EXPECT_EQ(json["hours"]["entries"].back()["name"], "comparison");
        EXPECT_EQ(keys_of(json["trend"]), "verdict change_per_week weeks");
        EXPECT_EQ(keys_of(json["open"]), "results_per_week findings");
    }
    EXPECT_TRUE(Document::parse(render_json(empty_gap()))["results"]["per_week"].is_null());
    EXPECT_EQ(Document::parse(render_json(usual_gap()))["users"][0]["results_per_week"], 3.0);
    EXPECT_EQ(Document::parse(render_json(usual_gap()))["fixes"][0]["predicted"]["ratio"], 1.5);
}

}  // namespace
}  // namespace headrace
