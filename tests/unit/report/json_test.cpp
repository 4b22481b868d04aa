#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "headrace/report.h"
#include "report/made_up.h"

namespace headrace {
namespace {

using Json = nlohmann::ordered_json;

std::string keys(const Json& object) {
    std::string text;
    for (const auto& [key, value] : object.items()) text += (text.empty() ? "" : " ") + key;
    return text;
}

Json parsed(const Audit& audit) { return Json::parse(render_json(audit)); }

TEST(RenderJson, HasEveryKeyInTheDocumentedOrder) {
    for (const Audit& audit : {made_up::empty(), made_up::input_bound(), made_up::crowded()}) {
        const Json json = parsed(audit);
        EXPECT_EQ(keys(json),
                  "schema run ledger ranks steady input memory outside overhead ceilings prediction "
                  "probe slo cost findings limits next");
        EXPECT_EQ(
            keys(json["run"]),
            "id name command started wall_seconds exit_code signal outcome machine code framework processes ranks");
        EXPECT_EQ(keys(json["run"]["machine"]), "cores_usable cores memory_bytes host system cpu accelerators");
        EXPECT_EQ(keys(json["run"]["code"]), "git_commit dirty");
        EXPECT_EQ(keys(json["ledger"]), "rank pid host command wall_seconds entries");
        EXPECT_EQ(keys(json["ledger"]["entries"][0]), "name seconds share");
        EXPECT_EQ(keys(json["steady"]), "steps step_seconds samples_per_second tokens_per_second batch_size");
        EXPECT_EQ(keys(json["steady"]["step_seconds"]), "median p95");
        EXPECT_EQ(keys(json["input"]), "loaders wait per_sample hot_lines");
        EXPECT_EQ(keys(json["input"]["wait"][0]), "stage seconds share");
        EXPECT_EQ(keys(json["input"]["per_sample"]),
                  "wall_seconds cpu_seconds run_queue_seconds blocked_seconds bytes_requested bytes_from_storage");
        EXPECT_EQ(keys(json["memory"]), "host_peak_bytes device_peak_bytes");
        EXPECT_EQ(keys(json["overhead"]), "seconds share per_step_seconds hooks_disabled");
    }
}

TEST(RenderJson, HasTheFindingsWithEveryKey) {
    Audit audit = made_up::input_bound();
    EXPECT_EQ(
        parsed(audit)["prediction"].dump(),
        R"({"valid":false,"reproduction":{"mean_error":null,"p95_error":null,"crowded_cores":null},"reason":null})");
    EXPECT_EQ(parsed(audit)["findings"], Json::array());
    audit.ceilings = {{"compute", 12.5, Basis::derived}};
    audit.prediction = {true, 0.01, -0.02, 0.93, ""};
    audit.findings.resize(2);
    audit.findings[0].id = "input.workers";
    audit.findings[0].fix.workers = 2;
    audit.findings[0].gain = Gain{{1.5, 1.4, 1.6}, {9, 8, 10}};
    audit.findings[0].loader = LoaderSite{"train.py", 7, "RandomSampler", false};
    audit.findings[0].try_it = "headrace try --fix input.workers a-run";
    audit.findings[0].measured = Interval{1.55, 1.5, 1.6};
    const Json json = parsed(audit);
    EXPECT_EQ(json["ceilings"].dump(), R"([{"name":"compute","samples_per_second":12.5,"basis":"derived"}])");
    EXPECT_EQ(json["prediction"]["reproduction"]["p95_error"], -0.02);
    const Json& finding = json["findings"][0];
    EXPECT_EQ(keys(finding), "id area title evidence fix gain changes remedy call_site diff try measured");
    EXPECT_EQ(finding["fix"].dump(), R"({"kind":"loader","parameters":{"workers":2,"threads":null,"prefetch_factor":)"
                                     R"(null,"persistent_workers":null,"batch_size":null}})");
    EXPECT_EQ(finding["gain"]["ratio"].dump(), R"({"predicted":1.5,"low":1.4,"high":1.6})");
    EXPECT_EQ(finding["gain"]["seconds_per_run"]["low"], 8.0);
    EXPECT_EQ(finding["call_site"].dump(), R"({"file":"train.py","line":7})");
    EXPECT_EQ(finding["try"], "headrace try --fix input.workers a-run");
    EXPECT_EQ(finding["measured"].dump(), R"({"ratio":1.55,"low":1.5,"high":1.6})");
    for (const char* key : {"gain", "call_site", "try", "measured"}) EXPECT_TRUE(json["findings"][1][key].is_null());
    audit.findings[0].loader->library = true;
    EXPECT_TRUE(parsed(audit)["findings"][0]["call_site"].is_null()) << "it is not the user's own code";
}

TEST(RenderJson, HasTheLedgerInItsFixedOrderWithZeros) {
    const Json json = parsed(made_up::input_bound());
    std::string names;
    double seconds = 0;
    double shares = 0;
    for (const Json& entry : json["ledger"]["entries"]) {
        names += entry["name"].get<std::string>() + " ";
        seconds += entry["seconds"].get<double>();
        shares += entry["share"].get<double>();
    }
    EXPECT_EQ(names,
              "startup.launch startup.imports startup.setup startup.workers startup.first_step input.wait transfer "
              "compute.forward compute.backward compute.optimizer compute.device_wait sync host evaluation checkpoint "
              "logging teardown unattributed ");
    EXPECT_NEAR(seconds, 372, 1e-9);
    EXPECT_NEAR(shares, 1, 1e-9);
    EXPECT_EQ(json["ranks"], Json::array({json["ledger"]}));
}

TEST(RenderJson, SharesTheWaitAmongItsStages) {
    const Json wait = parsed(made_up::input_bound())["input"]["wait"];
    ASSERT_EQ(wait.size(), stage_count);
    EXPECT_EQ(wait[2]["stage"], "decode");
    EXPECT_NEAR(wait[2]["share"].get<double>(), 0.71, 1e-9);
    EXPECT_NEAR(wait[2]["seconds"].get<double>(), 0.71 * 0.612 * 372, 1e-9);
}

TEST(RenderJson, ShowsTheTrainingLoaderFirst) {
    Audit audit = made_up::input_bound();
    audit.loaders = {{100, 0, std::nullopt, false, std::nullopt, false}, {64, 2, 4, true, "spawn", true}};
    const Json loaders = parsed(audit)["input"]["loaders"];
    EXPECT_EQ(loaders[0].dump(),
              R"({"batch_size":64,"workers":2,"prefetch_factor":4,"persistent":true,"method":"spawn"})");
    EXPECT_EQ(loaders[1].dump(),
              R"({"batch_size":100,"workers":0,"prefetch_factor":null,"persistent":false,"method":null})");
}

TEST(RenderJson, HasNullWhereNothingIsKnown) {
    const Json json = parsed(made_up::empty());
    EXPECT_TRUE(json["run"]["name"].is_null());
    EXPECT_TRUE(json["run"]["exit_code"].is_null());
    EXPECT_TRUE(json["run"]["outcome"].is_null());  // still running
    EXPECT_TRUE(json["run"]["code"]["dirty"].is_null());
    EXPECT_TRUE(json["steady"]["step_seconds"]["median"].is_null());
    EXPECT_TRUE(json["memory"]["host_peak_bytes"].is_null());
    EXPECT_TRUE(json["next"].is_null());
    EXPECT_EQ(json["ledger"]["entries"][17]["share"], 0.0);
}

TEST(RenderJson, HasTheViewFromOutsideOrNull) {
    EXPECT_TRUE(parsed(made_up::input_bound())["outside"].is_null());
    const Json outside = parsed(made_up::outside_only())["outside"];
    EXPECT_EQ(keys(outside), "cpu_seconds cores_mean idle_share read_bytes written_bytes processes phases marked");
    EXPECT_EQ(outside["processes"][0].dump(),
              R"({"command":"sort -n numbers","pid":12,"seconds":5.0,"cpu_seconds":8.1})");
    EXPECT_EQ(outside["phases"][1].dump(), R"({"begin_seconds":5.0,"end_seconds":9.8,"cpu_cores":0.01,)"
                                           R"("read_bytes_per_second":0.0,"written_bytes_per_second":100.0,)"
                                           R"("what":"idle"})");
    EXPECT_EQ(outside["marked"][0].dump(), R"({"name":"warm-up","seconds":2.5,"count":3})");
}

TEST(RenderJson, NamesTheOutcome) {
    Audit audit = made_up::crowded();
    EXPECT_EQ(parsed(audit)["run"]["outcome"], "killed");
    EXPECT_EQ(parsed(audit)["run"]["signal"], 9);
    EXPECT_EQ(parsed(audit)["ranks"].size(), 8U);
    EXPECT_EQ(parsed(audit)["run"]["ranks"], 8);
}

TEST(RenderJson, IsUtf8WhateverThePathsAre) {
    const std::string text = render_json(made_up::hostile());
    EXPECT_TRUE(base::valid_utf8(text));
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(Json::parse(text)["run"]["command"][1], "漢字.py");
    EXPECT_TRUE(text.ends_with("}\n"));
}

}  // namespace
}  // namespace headrace
