#include "audit/library.h"

namespace headrace::audit {

bool is_library(const std::string& file) {
    return file.empty() || file.front() == '<' || file.find("/site-packages/") != std::string::npos ||
           file.find("/dist-packages/") != std::string::npos || file.find("/lib/python3") != std::string::npos ||
           file.find("/torchinductor_") != std::string::npos;
}

}  // namespace headrace::audit
