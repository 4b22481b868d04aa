#include "headrace/result.h"

#include <cerrno>
#include <cstddef>
#include <system_error>

namespace headrace {

std::string_view name(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::not_found:
            return "not_found";
        case ErrorCode::not_executable:
            return "not_executable";
        case ErrorCode::permission_denied:
            return "permission_denied";
        case ErrorCode::no_space:
            return "no_space";
        case ErrorCode::io_error:
            return "io_error";
        case ErrorCode::damaged:
            return "damaged";
        case ErrorCode::newer_version:
            return "newer_version";
        case ErrorCode::invalid_argument:
            return "invalid_argument";
        case ErrorCode::unsupported:
            return "unsupported";
        case ErrorCode::not_enough_data:
            return "not_enough_data";
        case ErrorCode::interrupted:
            return "interrupted";
        case ErrorCode::internal:
            return "internal";
    }
    return "internal";
}

namespace {

ErrorCode code_of(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return ErrorCode::no_space;
        case ENOENT:
        case ENOTDIR:
            return ErrorCode::not_found;
        case EACCES:
        case EPERM:
        case EROFS:
            return ErrorCode::permission_denied;
        default:
            return ErrorCode::io_error;
    }
}

}  // namespace

tl::unexpected<Error> fail_errno(int error_number, std::string doing) {
    // std::generic_category is safe for several threads, which strerror is not.
    return fail(code_of(error_number), std::move(doing) + ": " + std::generic_category().message(error_number));
}

}  // namespace headrace
