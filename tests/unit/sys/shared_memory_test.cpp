#include "sys/shared_memory.h"

#include <gtest/gtest.h>

namespace headrace::sys {
namespace {

TEST(SharedMemory, CostsSomethingAndNotMuch) {
    const SharedMemoryCost cost = shared_memory_cost();
    EXPECT_GT(cost.write, 1e-12) << "a terabyte in a second";
    EXPECT_LT(cost.write, 1e-6) << "a megabyte in a second";
    EXPECT_GT(cost.read, 0);
    EXPECT_LT(cost.read, 1e-6);
}

}  // namespace
}  // namespace headrace::sys
