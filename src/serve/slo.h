// What a model has to keep to where it is served: whether anybody has said so.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "headrace/finding.h"
#include "headrace/probe.h"

namespace headrace::serve {

// The file slo.toml of docs/formats/slo.md: in the working directory of a command, or beside the script that one of its
// words names. None where there is none.
std::optional<std::filesystem::path> find_slo(const std::filesystem::path& directory,
                                              const std::vector<std::string>& command);

// The finding serve.slo: a probe measured the model on one sample, and no file says what it may take. It promises no
// speed.
std::optional<Finding> advise_slo(const Probe& probe, bool has_slo);

}  // namespace headrace::serve
