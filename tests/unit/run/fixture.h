// What the tests of run share: a folder of their own and a run with every field set.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "headrace/run.h"
#include "run/store.h"

namespace headrace::run {

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "headrace-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
        path_ = name;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline std::string content_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

inline void put(const std::filesystem::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
}

inline RunInfo sample_info() {
    RunInfo info;
    info.id = "20261124T000319.482Z-5f0c9a1e";
    info.name = "baseline";
    info.command = {"python", "train.py", "", "two words", std::string("not\xffutf8")};
    info.directory = "/home/someone/project";
    info.started = "2026-11-24T00:03:19Z";
    info.headrace_version = "0.1.0";
    info.parent_pid = 4000000000U;
    info.child_pid = 12;
    info.started_ns = 1'000'000'000;
    info.ended_ns = 9'000'000'000;
    info.exit_code = 3;
    info.outcome = Outcome::failed;
    info.max_steps = 100;
    info.host_peak_bytes = 123456789;
    info.monitor_cpu = 77;
    info.looks = 8;
    info.unlisted_processes = 9;
    info.machine = {"host",           "Linux 6.1", "A CPU", 1.5, 2, 8'000'000'000, {"one accelerator", "another"},
                    {1.5e-9, 2.5e-10}};
    info.kernel = {"5a2e1c52-6d7f-4c3f-9c57-4b1b7a6e2f11", 4026531836};
    info.code = {"0123abcd", true, "89abcdef"};
    info.experiment = "a key";
    info.user = "ada";
    info.purpose = Purpose::compare;
    info.limits = {"one limit"};
    return info;
}

inline Run sample_run() {
    Run run;
    run.info = sample_info();
    ThreadRecord main;
    main.pid = main.tid = 12;
    main.parent_pid = 11;
    main.main_thread = true;
    main.opened = 1'100'000'000;
    main.process_start = 1'050'000'000;
    main.rank = 0;
    main.local_rank = 1;
    main.dropped = 4;
    main.hooks = 5;
    main.self = 6;
    main.disabled = 7;
    main.call_cost = 8;
    main.spans.push_back({4, 2'000'000'000, 500'000'000, ~std::uint64_t{0}, 1, false, ""});
    main.spans.push_back({1, 2'600'000'000, 0, 5, 4, false, std::string("to\0ch", 5)});
    main.spans.push_back({17, 2'700'000'000, 0, 0, 0, true, ""});
    ThreadRecord worker;
    worker.pid = worker.tid = 13;
    worker.full = true;
    run.threads = {main, worker};
    run.processes = {{12, 11, 1'050'000'000, 9'000'000'000, "python train.py", 44}, {13, 12, 1'060'000'000, {}, "", 0}};
    run.outside = {{1'000'000'000, 0, 0, 0, 0, 0, 0, 0}, {1'100'000'000, 90'000'000, 1, 2, 3, 4, 5, 6}};
    run.hot_lines = {{9, "data.py", 33, "__getitem__", 21}};
    return run;
}

}  // namespace headrace::run
