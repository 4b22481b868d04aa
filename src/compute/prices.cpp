#include "compute/prices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/toml.h"

namespace headrace::compute {
namespace {

constexpr double gibibyte = 1024.0 * 1024 * 1024;

tl::unexpected<Error> wrong(const std::string& file, const std::string& what) {
    return fail(ErrorCode::invalid_argument, file + ": " + what);
}

Result<MachinePrice> parse_machine(std::string_view name, const toml::table& table, const std::string& file) {
    MachinePrice machine;
    machine.name = name;
    const std::string path = fmt::format("machine.{}.", name);
    if (Result<void> known =
            base::only_keys(table, {"per_hour", "cores", "memory_gib", "accelerator", "accelerators"}, file, path);
        !known) {
        return tl::unexpected(known.error());
    }
    std::optional<double> per_hour, cores, accelerators;
    for (const auto& [key, value] :
         {std::pair{"per_hour", &per_hour}, std::pair{"cores", &cores}, std::pair{"memory_gib", &machine.memory_gib},
          std::pair{"accelerators", &accelerators}}) {
        Result<std::optional<double>> number = base::number_above_0(table, key, file, path);
        if (!number) return tl::unexpected(number.error());
        *value = *number;
    }
    Result<std::optional<std::string>> accelerator = base::text_of(table, "accelerator", file, path);
    if (!accelerator) return tl::unexpected(accelerator.error());
    if (!per_hour || !cores) return wrong(file, path + "per_hour and " + path + "cores are needed");
    if (accelerators && !*accelerator) return wrong(file, path + "accelerators needs " + path + "accelerator");
    machine.per_hour = *per_hour;
    machine.cores = *cores;
    machine.accelerator = accelerator->value_or("");
    machine.accelerators = machine.accelerator.empty() ? 0 : accelerators.value_or(1);
    return machine;
}

// Whether all accelerators of a machine are those of a price.
bool has_accelerators(const MachinePrice& price, const std::vector<std::string>& accelerators) {
    return static_cast<double>(accelerators.size()) == price.accelerators &&
           std::all_of(accelerators.begin(), accelerators.end(),
                       [&](const std::string& name) { return name.find(price.accelerator) != std::string::npos; });
}

}  // namespace

Result<Prices> parse_prices(std::string_view text, const std::string& file) {
    const Result<toml::table> parsed = base::parse_toml(text, file);
    if (!parsed) return tl::unexpected(parsed.error());
    if (Result<void> known = base::only_keys(*parsed, {"currency", "here", "machine"}, file, ""); !known) {
        return tl::unexpected(known.error());
    }
    Prices prices;
    prices.file = file;
    for (const auto& [key, value] : {std::pair{"currency", &prices.currency}, std::pair{"here", &prices.here}}) {
        Result<std::optional<std::string>> words = base::text_of(*parsed, key, file, "");
        if (!words) return tl::unexpected(words.error());
        *value = words->value_or("");
    }
    if (prices.currency.empty()) return wrong(file, "currency is needed, for example \"USD\"");
    const toml::table* machines = (*parsed)["machine"].as_table();
    if (machines == nullptr || machines->empty()) return wrong(file, "it has no table [machine.NAME]");
    for (const auto& [name, value] : *machines) {
        if (!value.is_table()) return wrong(file, fmt::format("machine.{} is no table", name.str()));
        Result<MachinePrice> machine = parse_machine(name.str(), *value.as_table(), file);
        if (!machine) return tl::unexpected(machine.error());
        prices.machines.push_back(std::move(*machine));
    }
    return prices;
}

Result<MachinePrice> machine_of(const Prices& prices, const Machine& machine) {
    const auto is = [&](const MachinePrice& price) {
        if (!prices.here.empty()) return price.name == prices.here;
        return std::abs(price.cores - machine.cores_usable) < 0.05 && has_accelerators(price, machine.accelerators);
    };
    const auto found = std::find_if(prices.machines.begin(), prices.machines.end(), is);
    if (!prices.here.empty()) {
        if (found == prices.machines.end()) {
            return wrong(prices.file, fmt::format("here names \"{}\", which it does not have", prices.here));
        }
        return *found;
    }
    const auto count = std::count_if(prices.machines.begin(), prices.machines.end(), is);
    if (count == 1) return *found;
    return wrong(prices.file,
                 fmt::format("{} of its machines {} as many cores ({:g}) and accelerators ({}) as this one; name it: "
                             "here = \"NAME\"",
                             count == 0 ? "none" : "several", count == 0 ? "has" : "have", machine.cores_usable,
                             machine.accelerators.size()));
}

bool suffices(const MachinePrice& price, const MachinePrice& now, double cores, double memory_bytes) {
    return price.cores >= cores && price.accelerator == now.accelerator && price.accelerators == now.accelerators &&
           price.memory_gib && *price.memory_gib * gibibyte >= memory_bytes;
}

}  // namespace headrace::compute
