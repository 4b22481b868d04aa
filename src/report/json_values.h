// Values of the documents: what is unknown is null, in every one of them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace headrace::report {

using Json = nlohmann::ordered_json;  // keeps the order of the document

template <class T>
Json known(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

inline Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// The document as it is written: indented, with a final newline. Arguments and paths are bytes: what is no UTF-8 in
// them becomes U+FFFD.
inline std::string as_document(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace headrace::report
