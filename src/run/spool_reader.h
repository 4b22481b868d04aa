// The spool folder of a run: while it is being written, after its end, or after everybody was killed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "headrace/run.h"
#include "run/spans.h"
#include "run/spool_file.h"

namespace headrace::run {

// What was recorded up to the time at which the folder was opened; it stays the same when threads go on writing.
// Intervals that were open then are spans with open = true and duration 0: the caller who knows when the process ended
// closes them.
class Spool final : public SpanSource {
public:
    std::vector<ThreadRecord> threads;  // without their spans, which open() reads
    std::vector<std::string> problems;  // files that were left out, wholly or in part
    bool whole = false;                 // no file was left out that could be read another time, or by a later headrace

    std::unique_ptr<SpanReader> open(std::size_t thread) const override {
        return read_spool_part(parts_[thread], *failure_);
    }
    std::optional<Error> failure() const override { return *failure_; }

private:
    friend Result<Spool> open_spool(const std::filesystem::path& folder);

    std::vector<SpoolPart> parts_;                                                              // of each thread
    std::shared_ptr<std::optional<Error>> failure_ = std::make_shared<std::optional<Error>>();  // where readers find it
};

// Looks through every spool file in `folder`. A record is taken only when it is complete; what a kill cut off is left
// out. A file that is no spool is named in `problems` and skipped; so is one of a newer version. Error: the folder
// cannot be read.
Result<Spool> open_spool(const std::filesystem::path& folder);

}  // namespace headrace::run
