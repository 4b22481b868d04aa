#include "serve/slo.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace headrace::serve {
namespace {

namespace fs = std::filesystem;

Probe probed() {
    Probe probe;
    probe.threads = 2;
    probe.single_sample_seconds = 1.234e-3;
    probe.single_sample_p95_seconds = 2.351e-3;
    probe.model_parameters = 1000000;
    probe.model_bytes = 4000000;
    return probe;
}

TEST(Slo, IsMissedWhereTheModelWasMeasured) {
    const std::optional<Finding> finding = advise_slo(probed(), false);
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

TEST(Slo, IsNoFindingWhereThereIsOneOrNothingWasMeasured) {
    EXPECT_FALSE(advise_slo(probed(), true));
    EXPECT_FALSE(advise_slo(Probe(), false));
}

// A folder that goes with the test.
class Folder {
public:
    Folder() : path_(fs::temp_directory_path() / ("slo_test." + std::to_string(::getpid()))) {
        fs::create_directories(path_ / "work");
        fs::create_directories(path_ / "code");
        touch("code/train.py");
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    void touch(const std::string& name) const { std::ofstream(path_ / name) << "\n"; }
    fs::path work() const { return path_ / "work"; }
    std::optional<fs::path> found(const std::string& script) const {
        return find_slo(work(), {"python", "-u", script, "--config", "other.py"});
    }

private:
    fs::path path_;
};

TEST(Slo, IsLookedForInTheWorkingDirectoryAndBesideTheScript) {
    const Folder folder;
    const std::string relative = "../code/train.py", absolute = folder.work().parent_path() / "code/train.py";
    EXPECT_FALSE(folder.found(relative));
    EXPECT_FALSE(folder.found(absolute));
    EXPECT_FALSE(find_slo("", {}));
    folder.touch("code/slo.toml");
    EXPECT_TRUE(folder.found(relative));
    EXPECT_TRUE(folder.found(absolute));
    EXPECT_FALSE(folder.found("missing.py"));
    EXPECT_FALSE(find_slo(folder.work(), {"torchrun"}));
    folder.touch("work/slo.toml");
    EXPECT_TRUE(folder.found(absolute) == folder.work() / "slo.toml");
    EXPECT_TRUE(find_slo(folder.work(), {"torchrun"}));
}

}  // namespace
}  // namespace headrace::serve
