// A probe as JSON: the key `probe` of report.json, kept as probe.json in the folder of its run.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "headrace/probe.h"
#include "headrace/result.h"
#include "run/store.h"

namespace headrace::run {

nlohmann::ordered_json probe_json(const Probe& probe);

// Puts it into the folder of its run, whole or not at all.
Result<void> keep_probe(const Folder& folder, const Probe& probe);

// That of a run; none where it was not probed or its file is damaged.
std::optional<Probe> read_probe(const Folder& folder);

}  // namespace headrace::run
