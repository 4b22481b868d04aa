#include "headrace/finding.h"

namespace headrace {

std::string_view name(Basis basis) noexcept { return basis == Basis::measured ? "measured" : "derived"; }

std::string_view name(Area area) noexcept {
    switch (area) {
        case Area::input:
            return "input";
        case Area::prep:
            return "prep";
        case Area::compute:
            return "compute";
        case Area::evaluate:
            return "evaluate";
        case Area::serve:
            return "serve";
    }
    return "";
}

std::string_view name(Changes changes) noexcept {
    switch (changes) {
        case Changes::nothing:
            return "nothing";
        case Changes::rounding:
            return "rounding";
        case Changes::random_streams:
            return "random_streams";
        case Changes::numerics:
            return "numerics";
        case Changes::semantics:
            return "semantics";
    }
    return "";
}

}  // namespace headrace
