// A folder for runs that headrace makes itself, in a trial or a probe: gone with them.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "headrace/result.h"
#include "sys/descriptor.h"

namespace headrace::trial {

// The present time in UTC, as strftime(3) writes it.
std::string utc(const char* format);

// A time and eight random digits.
std::string new_id();

// home/trials/ID. Locked as long as it is in use; those that were left by a headrace which was killed are taken away
// when another one is made.
class Workplace {
public:
    static Result<Workplace> make(const std::filesystem::path& home);
    Workplace(Workplace&&) noexcept = default;
    Workplace& operator=(Workplace&&) = delete;
    ~Workplace();

    const std::filesystem::path& folder() const { return folder_; }  // absolute

private:
    Workplace(std::filesystem::path folder, sys::Descriptor lock)
        : folder_(std::move(folder)), lock_(std::move(lock)) {}

    std::filesystem::path folder_;
    sys::Descriptor lock_;
};

}  // namespace headrace::trial
