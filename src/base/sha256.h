// Digests of contents that two machines must agree on. Pure.
#pragma once

#include <string>
#include <string_view>

namespace headrace::base {

// SHA-256 (FIPS 180-4) of `bytes`, as 64 lower-case hexadecimal digits. Some 200 MB a second: not for data sets.
std::string sha256(std::string_view bytes);

}  // namespace headrace::base
