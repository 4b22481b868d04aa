// What a model has to keep to where it is served: whether anybody has said so, and whether it does here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "headrace/finding.h"
#include "headrace/probe.h"
#include "headrace/result.h"
#include "headrace/use.h"

namespace headrace::serve {

inline constexpr const char* slo_file = "slo.toml";  // docs/formats/slo.md

// The limits of a slo.toml. Fails with invalid_argument and a sentence that names `file`, and the line where it is not
// TOML, where a limit is no number above 0, and where it holds a key that slo.md does not have.
Result<Slo> parse_slo(std::string_view text, const std::string& file);

// The finding serve.slo: a probe measured the model on one sample, and no file says what it may take (`slo` is null),
// or it takes more than the file allows. It promises no speed.
std::optional<Finding> advise_slo(const Probe& probe, const Slo* slo);

}  // namespace headrace::serve
