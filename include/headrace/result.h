// The result of an operation that can fail on bad input, and the closed list of what can fail.
//
// Two kinds of failure exist in headrace. Bad input (a missing file, a damaged run, a full disk) is a Result that
// carries an Error. A broken invariant of our own is an assertion that no input can reach. No exception leaves the
// core.
//
// Thread-safety: values; as safe as the T inside.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace headrace {

// The closed list. A new kind of failure is a new line here, so that a caller can handle all of them.
enum class ErrorCode {
    not_found,          // a file, a run or a command does not exist
    not_executable,     // a command exists and cannot be executed
    permission_denied,  // the operating system refused
    no_space,           // the file system or the quota is full, or a file may grow no more (ulimit -f)
    io_error,           // any other failure of the operating system
    damaged,            // a file of ours is truncated or holds what cannot be
    newer_version,      // a file of ours was written by a newer headrace
    invalid_argument,   // an argument of the user's has no meaning
    unsupported,        // this machine or this Python cannot do it
    not_enough_data,    // nothing is wrong, there is too little to say anything
    interrupted,        // the user ended it before it was done
    internal,           // a bug of ours that was caught before it did harm
};

// The word for a code as it appears in JSON and in messages, for example "not_found".
std::string_view name(ErrorCode code) noexcept;

// What failed, on what (file, line, offset, key), why, and what to do: one sentence without a final newline.
struct Error {
    ErrorCode code;
    std::string message;
};

// A value, or the Error that kept it from being made. A Result<void> carries nothing or an Error.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
public:
    using tl::expected<T, Error>::expected;
};

// Makes the failed half of any Result: `return fail(ErrorCode::not_found, "…")`.
inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
    return tl::unexpected<Error>(Error{code, std::move(message)});
}

// Makes a failure from errno: `doing` names the operation and its object, for example "cannot open /tmp/run.db".
// The sentence ends with the operating system's own words. ENOSPC, EDQUOT, ENOENT, EACCES and EROFS get their own
// codes.
tl::unexpected<Error> fail_errno(int error_number, std::string doing);

}  // namespace headrace
