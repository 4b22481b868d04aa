#include "compute/prices.h"

#include <gtest/gtest.h>

namespace headrace::compute {
namespace {

constexpr const char* table = R"(
currency = "EUR"
[machine.small]
per_hour = 0.2
cores = 2
memory_gib = 8
[machine.large]
per_hour = 1
cores = 16
[machine.gpu]
per_hour = 3.5
cores = 16
accelerator = "A10G"
accelerators = 2
)";

Prices prices_of(const std::string& text) {
    const Result<Prices> prices = parse_prices(text, "prices.toml");
    EXPECT_TRUE(prices) << (prices ? "" : prices.error().message);
    return prices ? *prices : Prices();
}

Machine machine_with(double cores, std::vector<std::string> accelerators = {}) {
    Machine machine;
    machine.cores_usable = cores;
    machine.accelerators = std::move(accelerators);
    return machine;
}

std::string name_of(const Prices& prices, const Machine& machine) {
    const Result<MachinePrice> found = machine_of(prices, machine);
    return found ? found->name : found.error().message;
}

std::string error_of(const std::string& text) {
    const Result<Prices> prices = parse_prices(text, "prices.toml");
    return prices ? "none" : prices.error().message;
}

TEST(Prices, KnowTheMachineByItsCoresAndAccelerators) {
    const Prices prices = prices_of(table);
    EXPECT_EQ(prices.currency, "EUR");
    EXPECT_EQ(name_of(prices, machine_with(2)), "small");
    EXPECT_EQ(name_of(prices, machine_with(16)), "large");
    EXPECT_EQ(name_of(prices, machine_with(16, {"NVIDIA A10G", "NVIDIA A10G"})), "gpu");
    const std::string one =
        "prices.toml: none of its machines has as many cores (16) and accelerators (1) as this one; "
        "name it: here = \"NAME\"";
    EXPECT_EQ(name_of(prices, machine_with(16, {"NVIDIA A10G"})), one);
    EXPECT_EQ(name_of(prices_of("here = \"large\"" + std::string(table)), machine_with(3)), "large");
    EXPECT_EQ(name_of(prices_of("here = \"huge\"" + std::string(table)), machine_with(2)),
              "prices.toml: here names \"huge\", which it does not have");
    const Prices twice = prices_of(std::string(table) + "[machine.other]\nper_hour = 2\ncores = 2\n");
    EXPECT_NE(name_of(twice, machine_with(2)).find("several of its machines have as many cores (2)"),
              std::string::npos);
}

TEST(Prices, SayWhatIsWrongInThem) {
    EXPECT_EQ(error_of("[machine.a]\nper_hour = 1\ncores = 1\n"),
              "prices.toml: currency is needed, for example \"USD\"");
    EXPECT_EQ(error_of("currency = \"USD\"\n"), "prices.toml: it has no table [machine.NAME]");
    EXPECT_EQ(error_of("currency = \"USD\"\nmachine = 3\n"), "prices.toml: it has no table [machine.NAME]");
    EXPECT_EQ(error_of("currency = \"USD\"\n[machine]\na = 1\n"), "prices.toml: machine.a is no table");
    EXPECT_EQ(error_of("currency = 3\n"), "prices.toml, line 1: currency is to be a text");
    EXPECT_EQ(error_of("currency = \"USD\"\n[machine.a]\ncores = 1\n"),
              "prices.toml: machine.a.per_hour and machine.a.cores are needed");
    EXPECT_EQ(error_of("currency = \"USD\"\n[machine.a]\ncores = 1\nper_hour = -1\n"),
              "prices.toml, line 4: machine.a.per_hour is to be a number above 0");
    EXPECT_EQ(error_of("currency = \"USD\"\n[machine.a]\ncores = 1\nper_hour = 1\naccelerators = 1\n"),
              "prices.toml: machine.a.accelerators needs machine.a.accelerator");
    EXPECT_EQ(error_of("prices = 1\n"), "prices.toml, line 1: there is no setting prices");
}

TEST(Prices, OfAMachineThatSuffices) {
    const Prices prices = prices_of(table);
    const MachinePrice now = *machine_of(prices, machine_with(16));
    const MachinePrice small = *machine_of(prices, machine_with(2));
    const double gibibyte = 1024.0 * 1024 * 1024;
    EXPECT_TRUE(suffices(small, now, 2, 8 * gibibyte));
    EXPECT_FALSE(suffices(small, now, 3, 1));
    EXPECT_FALSE(suffices(small, now, 1, 9 * gibibyte));
    EXPECT_FALSE(suffices(now, now, 1, 0)) << "its memory is not told";
    const Prices with = prices_of("here = \"gpu\"" + std::string(table));
    EXPECT_FALSE(suffices(small, *machine_of(with, machine_with(2)), 1, 1)) << "it has no accelerator";
}

}  // namespace
}  // namespace headrace::compute
