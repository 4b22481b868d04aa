#include "compute/accelerator.h"

#include <gtest/gtest.h>

namespace headrace::compute {
namespace {

AcceleratorUse device_use(double input, double host, double device, std::uint64_t waits) {
    return {.name = "NVIDIA A10G",
            .step_seconds = 100,
            .input_seconds = input,
            .host_seconds = host,
            .device_seconds = device,
            .steps = 1000,
            .waits = waits};
}

std::string title_of(const AcceleratorUse& use) {
    const std::optional<Finding> finding = advise_accelerator(use);
    return finding ? finding->title : "none";
}

TEST(Accelerator, IsTooSmallWhereTheHostWaitsForIt) {
    EXPECT_EQ(title_of(device_use(2, 20, 70, 1000)), "NVIDIA A10G is too small for the step");
    EXPECT_NE(advise_accelerator(device_use(2, 20, 70, 1000))->evidence.find("waited 70.0 s for the device (70 %)"),
              std::string::npos);
}

TEST(Accelerator, IsTooLargeWhereItIsDoneBeforeTheHostAsks) {
    EXPECT_EQ(title_of(device_use(2, 90, 2, 1000)), "NVIDIA A10G is too large for the step");
}

TEST(Accelerator, FitsElsewhere) {
    EXPECT_EQ(title_of(device_use(50, 10, 35, 1000)), "none") << "the input is what is slow";
    EXPECT_EQ(title_of(device_use(2, 50, 40, 1000)), "none");
    EXPECT_EQ(title_of(device_use(2, 90, 2, 20)), "none") << "a host that hardly ever waits says nothing of the device";
    AcceleratorUse none = device_use(2, 20, 70, 1000);
    none.name.clear();
    EXPECT_EQ(title_of(none), "none");
    EXPECT_EQ(title_of(AcceleratorUse{}), "none");
}

}  // namespace
}  // namespace headrace::compute
