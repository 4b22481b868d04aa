#include "sys/machine.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>

#include "sys/command.h"
#include "sys/helpers.h"
#include "sys/process.h"
#include "sys/python_finder.h"

namespace headrace::sys {
namespace {

constexpr std::int64_t gibibyte = 1024LL * 1024 * 1024;

// A machine of 8 cores and 16 GiB without limits.
class MadeUpMachine : public ::testing::Test {
protected:
    void SetUp() override {
        folder.write("proc/sys/kernel/hostname", "node7\n");
        folder.write("proc/sys/kernel/ostype", "Linux\n");
        folder.write("proc/sys/kernel/osrelease", "6.1.0-test\n");
        folder.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU @ 3 GHz\n\nprocessor\t: 1\n");
        folder.write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
        folder.write("proc/self/status", "Name:\ttest\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n");
        folder.write("sys/devices/system/cpu/online", "0-7\n");
    }
    Machine machine() const { return describe_machine(folder.path); }
    test::Folder folder;
};

TEST_F(MadeUpMachine, IsDescribed) {
    const Machine found = machine();
    EXPECT_EQ(found.host, "node7");
    EXPECT_EQ(found.system, "Linux 6.1.0-test");
    EXPECT_EQ(found.cpu, "Test CPU @ 3 GHz");
    EXPECT_EQ(found.cores, 8);
    EXPECT_EQ(found.cores_usable, 8.0);
    EXPECT_EQ(found.memory_bytes, 16 * gibibyte);
    EXPECT_TRUE(found.accelerators.empty());
}

TEST_F(MadeUpMachine, HasTheCoresOfItsAffinity) {
    folder.write("proc/self/status", "Cpus_allowed_list:\t0,2-3,7\n");
    EXPECT_EQ(machine().cores_usable, 4.0);
    EXPECT_EQ(machine().cores, 8);
}

TEST_F(MadeUpMachine, HasTheQuotaOfVersion2) {
    folder.write("proc/self/cgroup", "0::/system.slice/job.scope\n");
    folder.write("sys/fs/cgroup/system.slice/job.scope/cpu.max", "250000 100000\n");
    folder.write("sys/fs/cgroup/system.slice/job.scope/memory.max", "max\n");
    EXPECT_EQ(machine().cores_usable, 2.5);
    EXPECT_EQ(machine().memory_bytes, 16 * gibibyte);
}

TEST_F(MadeUpMachine, HasTheLeastLimitOfAllGroupsAbove) {
    folder.write("proc/self/cgroup", "0::/a/b/c\n");
    folder.write("sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    folder.write("sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
    folder.write("sys/fs/cgroup/a/cpu.max", "400000 100000\n");
    folder.write("sys/fs/cgroup/a/b/c/memory.max", "8589934592\n");
    folder.write("sys/fs/cgroup/a/memory.max", "4294967296\n");
    EXPECT_EQ(machine().cores_usable, 1.5);
    EXPECT_EQ(machine().memory_bytes, 4 * gibibyte);
}

TEST_F(MadeUpMachine, HasTheQuotaOfAContainerThatSeesOnlyItsOwnGroup) {
    folder.write("proc/self/cgroup", "0::/docker/0123456789abcdef\n");
    folder.write("sys/fs/cgroup/cpu.max", "50000 100000\n");
    EXPECT_EQ(machine().cores_usable, 0.5);
}

TEST_F(MadeUpMachine, HasTheLimitsOfVersion1) {
    folder.write("proc/self/cgroup", "12:memory:/job\n4:cpu,cpuacct:/job\n1:name=systemd:/job\n0::/job\n");
    folder.write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "300000\n");
    folder.write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    folder.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2147483648\n");
    folder.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(machine().cores_usable, 3.0);
    EXPECT_EQ(machine().memory_bytes, 2 * gibibyte);
}

TEST_F(MadeUpMachine, HasNoQuotaOfVersion1WithMinusOne) {
    folder.write("proc/self/cgroup", "4:cpu,cpuacct:/\n");
    folder.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    folder.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(machine().cores_usable, 8.0);
}

TEST_F(MadeUpMachine, NamesItsAccelerators) {
    folder.write("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA H200\nIRQ: \t 20\n");
    folder.write("proc/driver/nvidia/gpus/0000:02:00.0/information", "IRQ: \t 21\n");
    folder.write("sys/class/kfd/kfd/topology/nodes/0/properties", "cpu_cores_count 8\nsimd_count 0\n");
    folder.write("sys/class/kfd/kfd/topology/nodes/1/properties", "simd_count 440\ngfx_target_version 90010\n");
    const std::vector<std::string> expected = {"NVIDIA H200", "NVIDIA GPU", "AMD gfx90a"};
    EXPECT_EQ(machine().accelerators, expected);
}

TEST(DescribeMachine, GivesNothingImpossibleForAnEmptyRoot) {
    const test::Folder folder;
    const Machine machine = describe_machine(folder.path);
    EXPECT_EQ(machine.cores, 0);
    EXPECT_EQ(machine.cores_usable, 0.0);
    EXPECT_EQ(machine.memory_bytes, 0);
    EXPECT_EQ(machine.cpu, "unknown");
}

TEST(DescribeMachine, FitsThisOne) {
    const Machine machine = describe_machine();
    cpu_set_t allowed;
    ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
    EXPECT_GT(machine.cores_usable, 0.0);
    EXPECT_LE(machine.cores_usable, CPU_COUNT(&allowed));
    EXPECT_GT(machine.memory_bytes, 0);
    EXPECT_FALSE(machine.host.empty());
}

TEST(RunCommand, GivesOutputAndExitCode) {
    const auto output = run_command({"sh", "-c", "echo out; echo error >&2; cat; exit 3"}, {});
    ASSERT_TRUE(output);
    EXPECT_EQ(output->text, "out\n");
    EXPECT_EQ(output->exit_code, 3);
    EXPECT_FALSE(output->timed_out);
    EXPECT_EQ(run_command({"no-such-command-of-headrace"}, {}).error().code, ErrorCode::not_found);
    EXPECT_EQ(run_command({"sh", "-c", "kill -9 $$"}, {})->exit_code, -1);
}

TEST(RunCommand, EndsWhatRunsTooLongWithItsChildren) {
    const test::Folder folder;
    const std::string file = (folder.path / "pid").string();
    CommandOptions options;
    options.time_limit = 1'000'000'000;
    const auto output = run_command({"sh", "-c", "echo early; sleep 600 & echo $! > '" + file + "'; wait"}, options);
    ASSERT_TRUE(output);
    EXPECT_TRUE(output->timed_out);
    EXPECT_EQ(output->text, "early\n");
    const auto grandchild = static_cast<std::uint32_t>(std::stoul(test::content_of(file)));
    for (int i = 0; i < 3000 && process_alive(grandchild); ++i) (void)::usleep(10'000);
    EXPECT_FALSE(process_alive(grandchild));
}

TEST(FindPythons, AsksEachEnvironmentOnce) {
    const auto candidates = python_candidates(".");
    std::vector<std::filesystem::path> twice = candidates;
    twice.insert(twice.end(), candidates.begin(), candidates.end());
    const auto pythons = find_pythons(twice);
    for (const PythonInstallation& python : pythons) {
        EXPECT_GE(python.version_hex, 0x030a0000U);
        EXPECT_EQ(std::count_if(
                      pythons.begin(), pythons.end(),
                      [&](const auto& each) { return each.prefix == python.prefix && each.version == python.version; }),
                  1);
    }
}

TEST(FindPythons, ReadsTheVersionOfTorchWithoutImportingIt) {
    const auto candidates = python_candidates(".");
    if (candidates.empty()) GTEST_SKIP() << "no Python on this machine";
    const test::Folder folder;
    const auto made =
        run_command({candidates.front().string(), "-m", "venv", "--without-pip", (folder.path / "env").string()},
                    {{}, {}, 60'000'000'000});
    if (!made || made->exit_code != 0) GTEST_SKIP() << "this Python makes no virtual environments";
    std::filesystem::path packages;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path / "env")) {
        if (entry.path().filename() == "site-packages") packages = entry.path();
    }
    const auto relative = std::filesystem::relative(packages / "torch", folder.path);
    folder.write(relative / "__init__.py", "raise SystemExit(9)\n");
    folder.write(relative / "version.py", "__version__: str = '2.99.1+cpu'\n");
    const auto pythons = find_pythons({folder.path / "env" / "bin" / "python"});
    if (pythons.empty()) GTEST_SKIP() << "older than 3.10";
    EXPECT_EQ(pythons.front().torch, "2.99.1+cpu");
}

TEST(FindPythons, PassesOverWhatIsNoPython) {
    const test::Folder folder;
    const auto path = folder.write("python3", "#!/bin/sh\necho nonsense\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    EXPECT_TRUE(find_pythons({path, folder.path / "missing", "/bin/true"}).empty());
}

TEST(CheckMachine, HasARemedyExactlyWhereSomethingFallsShort) {
    const std::vector<Check> checks = check_machine();
    for (const Check& check : checks) {
        EXPECT_FALSE(check.name.empty());
        EXPECT_FALSE(check.detail.empty()) << check.name;
        EXPECT_EQ(check.works, check.remedy.empty()) << check.name;
    }
    for (const char* name :
         {"python", "schedstat", "io", "process memory", "namespaces", "accelerators", "clock", "recording place"}) {
        EXPECT_TRUE(std::any_of(checks.begin(), checks.end(), [&](const Check& check) { return check.name == name; }))
            << name;
    }
}

TEST(CheckMachine, SaysWhenThePlaceCannotBeWritten) {
    const test::Folder folder;
    const auto file = folder.write("file", "");
    (void)::setenv("HEADRACE_DIR", (file / "below").c_str(), 1);
    const std::vector<Check> checks = check_machine();
    (void)::unsetenv("HEADRACE_DIR");
    EXPECT_EQ(checks.back().name, "recording place");
    EXPECT_FALSE(checks.back().works);
    EXPECT_NE(checks.back().detail.find(file.string()), std::string::npos);
}

}  // namespace
}  // namespace headrace::sys
