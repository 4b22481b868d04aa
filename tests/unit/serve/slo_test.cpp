#include "serve/slo.h"

#include <gtest/gtest.h>

namespace headrace::serve {
namespace {

Probe probed() {
    Probe probe;
    probe.threads = 2;
    probe.single_sample_seconds = 1.234e-3;
    probe.single_sample_p95_seconds = 2.351e-3;
    probe.model_parameters = 1000000;
    probe.model_bytes = 4000000;
    return probe;
}

Slo slo_of(std::string_view text) {
    const Result<Slo> slo = parse_slo(text, "slo.toml");
    EXPECT_TRUE(slo) << (slo ? "" : slo.error().message);
    return slo ? *slo : Slo();
}

std::string error_of(std::string_view text) {
    const Result<Slo> slo = parse_slo(text, "slo.toml");
    return slo ? "none" : slo.error().message;
}

TEST(Slo, IsMissedWhereTheModelWasMeasured) {
    const std::optional<Finding> finding = advise_slo(probed(), nullptr);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "serve.slo");
    EXPECT_EQ(finding->area, Area::serve);
    EXPECT_EQ(finding->kind, FixKind::by_hand);
    EXPECT_EQ(finding->changes, Changes::nothing);
    EXPECT_FALSE(finding->gain);
    EXPECT_FALSE(can_be_tried(*finding));
    EXPECT_NE(finding->evidence.find("1.23 ms for one sample, 2.35 ms at the 95th percentile, with 2 threads"),
              std::string::npos)
        << finding->evidence;
    EXPECT_NE(finding->evidence.find("1000000 parameters, 3.81 MiB"), std::string::npos) << finding->evidence;
    EXPECT_NE(finding->remedy.find("\n[serve]\nlatency_p95_ms = 2.4\nmemory_mb = 4"), std::string::npos)
        << finding->remedy;
}

TEST(Slo, IsNoFindingWhereItIsKeptOrNothingWasMeasured) {
    const Slo kept = slo_of("[serve]\nlatency_p95_ms = 2.4\nmemory_mb = 4\n");
    EXPECT_FALSE(advise_slo(probed(), &kept));
    EXPECT_FALSE(advise_slo(Probe(), nullptr));
    EXPECT_FALSE(advise_slo(Probe(), &kept));
}

TEST(Slo, IsAFindingWhereTheModelTakesMore) {
    const Slo slow = slo_of("[serve]\nlatency_p95_ms = 2\n");
    const std::optional<Finding> finding = advise_slo(probed(), &slow);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "serve.slo");
    EXPECT_NE(finding->title.find("2.35 ms at the 95th percentile, 2 ms allowed"), std::string::npos) << finding->title;
    const Slo large = slo_of("[serve]\nlatency_p95_ms = 3\nmemory_mb = 3.5\n");
    ASSERT_TRUE(advise_slo(probed(), &large));
    EXPECT_NE(advise_slo(probed(), &large)->title.find(": 3.81 MiB, 3.5 MiB allowed"), std::string::npos);
}

TEST(Slo, SaysWhatIsWrongInAFile) {
    EXPECT_EQ(error_of("latency_p95_ms = 12\n"), "slo.toml, line 1: there is no setting latency_p95_ms");
    EXPECT_EQ(error_of(""), "slo.toml: it has no table [serve]");
    EXPECT_EQ(error_of("[serve]\nlatency = 12\n"), "slo.toml, line 2: there is no setting serve.latency");
    for (const char* value : {"0", "-1", "\"12\"", "nan", "inf", "true"}) {
        EXPECT_EQ(error_of("[serve]\n\nmemory_mb = " + std::string(value)),
                  "slo.toml, line 3: serve.memory_mb is to be a number above 0")
            << value;
    }
    EXPECT_EQ(error_of("[serve]\nmemory_mb = \n").rfind("slo.toml, line 2: it is no TOML: ", 0), 0U)
        << error_of("[serve]\nmemory_mb = \n");
}

}  // namespace
}  // namespace headrace::serve
