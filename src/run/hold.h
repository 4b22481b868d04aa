// Who records or completes a run holds a lock on its control page: docs/formats/spool.md. Every lock ends with the
// descriptor, and with the process that has it.
#pragma once

#include <optional>

#include "run/store.h"
#include "sys/descriptor.h"

namespace headrace::run {

// For the recording headrace, as long as it lives. Says so in the control page. Empty where the file system has no
// locks.
sys::Descriptor hold_recording(const Folder& folder);

// Whether a headrace that holds it lives, on whatever machine; empty where that cannot be told.
std::optional<bool> recording_held(const Folder& folder);

// For who completes the run; waits for another one that does. Empty where there is no control page, or no lock.
sys::Descriptor hold_completion(const Folder& folder);

}  // namespace headrace::run
