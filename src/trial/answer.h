// What a process of a trial tells the one that made it: JSON, or the error that kept it from having any.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "headrace/result.h"

namespace headrace::trial {

std::string answer_of(const nlohmann::json& content);
std::string answer_of(const Error& error);

// The content, or the error; `answer` is what answer_of made.
Result<nlohmann::json> content_of(const std::string& answer);

}  // namespace headrace::trial
