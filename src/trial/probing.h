// Measures a program's own step under other conditions, in a run of its own in a sandbox.
#pragma once

#include <filesystem>
#include <functional>

#include "headrace/ledger.h"
#include "headrace/probe.h"
#include "headrace/result.h"

namespace headrace::trial {

struct ProbeOptions {
    std::filesystem::path home;     // the .headrace folder
    double seconds = 30;            // of measuring; the program's start-up comes on top
    std::function<bool()> stopped;  // asked ten times a second
};

// Of an audited program that has ended. Errors, each a sentence: unsupported (no training loader was seen being made),
// not_enough_data (the program failed, or came to no step), and those of run_arm.
Result<Probe> probe_program(const Audit& audit, const ProbeOptions& options);

// What the lines of the shim's probe.py say; none without a block of steps of the program as it is.
std::optional<Probe> parse_probe(const std::string& lines);

}  // namespace headrace::trial
