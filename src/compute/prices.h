// What machines cost, by a table that the user writes, and so what a run and an epoch do.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/result.h"
#include "headrace/run.h"

namespace headrace::compute {

inline constexpr const char* prices_file = "prices.toml";  // docs/formats/prices.md

struct MachinePrice {
    std::string name;
    double per_hour = 0;  // in the table's currency
    double cores = 0;
    std::optional<double> memory_gib = {};
    std::string accelerator = {};  // a part of its name; empty: none
    double accelerators = 0;
};

struct Prices {
    std::string file;
    std::string currency;
    std::string here;  // the name of the machine that this one is; empty: the one that is like it
    std::vector<MachinePrice> machines;
};

// Fails with invalid_argument and a sentence that names `file` and what is wrong in it.
Result<Prices> parse_prices(std::string_view text, const std::string& file);

// The machine of the table that a run was on: the one that `here` names, else the only one with as many cores and the
// same accelerators. Fails with invalid_argument where there is none, or more than one.
Result<MachinePrice> machine_of(const Prices& prices, const Machine& machine);

// Whether it has the same accelerators, and so many cores and so much memory (bytes) at the least.
bool suffices(const MachinePrice& price, const MachinePrice& now, double cores, double memory_bytes);

}  // namespace headrace::compute
