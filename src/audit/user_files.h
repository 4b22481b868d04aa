// What the user has written down about where a program runs and its model will be served.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compute/prices.h"
#include "headrace/ledger.h"

namespace headrace::audit {

struct UserFiles {
    std::optional<Slo> slo;
    std::optional<compute::Prices> prices;
    std::optional<compute::MachinePrice> machine;  // of the prices, that the run was on
    std::vector<std::string> limits;               // what is wrong in them, a sentence each
};

// slo.toml and prices.toml, in the working directory of the run or beside its script; prices also in the user's folder
// of settings. A file that cannot be read is as good as absent, but for its sentence.
UserFiles read_user_files(const RunInfo& run);

// What the run costs; none without prices of the machine. The ledger of rank 0 and the steady part are there.
std::optional<Cost> cost_of(const UserFiles& files, const Audit& audit);

}  // namespace headrace::audit
