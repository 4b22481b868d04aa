#include "trial/answer.h"

namespace headrace::trial {

std::string answer_of(const nlohmann::json& content) {
    return content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string answer_of(const Error& error) {
    return answer_of(nlohmann::json{{"code", static_cast<int>(error.code)}, {"error", error.message}});
}

Result<nlohmann::json> content_of(const std::string& answer) {
    nlohmann::json content = nlohmann::json::parse(answer);
    if (!content.contains("error")) return content;
    return fail(static_cast<ErrorCode>(content.at("code").get<int>()), content.at("error").get<std::string>());
}

}  // namespace headrace::trial
