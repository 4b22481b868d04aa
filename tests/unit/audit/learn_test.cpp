#include "audit/learn.h"

#include <gtest/gtest.h>

namespace headrace::audit {
namespace {

TEST(TrialsOfARun, StandBesideTheirFinding) {
    Audit audit;
    audit.findings.emplace_back();
    audit.findings.front().id = "input.workers";
    Trial first, second, joined;
    first.fixes = second.fixes = {"input.workers"};
    first.measured = {1.3, 1.2, 1.4};
    second.measured = {1.6, 1.5, 1.7};
    joined.fixes = {"input.workers", "compute.threads"};
    joined.measured = {3, 2, 4};
    add_trials(audit, {first, second, joined});
    ASSERT_TRUE(audit.findings.front().measured);
    EXPECT_DOUBLE_EQ(audit.findings.front().measured->predicted, 1.6);
}

}  // namespace
}  // namespace headrace::audit
