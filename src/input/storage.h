// How fast the files that samples are read from can be read: from memory, and from where they lie.
#pragma once

#include <filesystem>
#include <vector>

#include "headrace/probe.h"
#include "headrace/result.h"

namespace headrace::input {

struct StorageOptions {
    unsigned readers = 8;       // at once
    double seconds = 3;         // about; less where the files are few
    double most_bytes = 256e6;  // that are read, of each file at most a quarter of it
};

// Reads the files, drops their own pages from memory and reads them again; changes nothing else. Fills in all but
// files_per_sample. Error: not_found, where none of them can be read.
Result<SampleFiles> measure_storage(std::vector<std::filesystem::path> files, const StorageOptions& options = {});

}  // namespace headrace::input
