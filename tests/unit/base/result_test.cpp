#include "headrace/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace headrace {
namespace {

TEST(ResultTest, EveryCodeHasAWordOfItsOwn) {
    std::set<std::string_view> words;
    for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code)
        words.insert(name(static_cast<ErrorCode>(code)));
    EXPECT_EQ(words.size(), static_cast<std::size_t>(ErrorCode::internal) + 1);
    EXPECT_EQ(name(ErrorCode::not_found), "not_found");
    EXPECT_EQ(name(ErrorCode::internal), "internal");
}

TEST(ResultTest, ErrnoGivesTheCodeAndTheReason) {
    const auto code = [](int number) { return fail_errno(number, "cannot write x").value().code; };
    EXPECT_EQ(code(ENOSPC), ErrorCode::no_space);
    EXPECT_EQ(code(EDQUOT), ErrorCode::no_space);
    EXPECT_EQ(code(ENOENT), ErrorCode::not_found);
    EXPECT_EQ(code(EACCES), ErrorCode::permission_denied);
    EXPECT_EQ(code(EROFS), ErrorCode::permission_denied);
    EXPECT_EQ(code(EIO), ErrorCode::io_error);
    EXPECT_EQ(fail_errno(ENOSPC, "cannot write x").value().message, "cannot write x: No space left on device");
}

TEST(ResultTest, CarriesAValueOrAnError) {
    const auto half = [](int value) -> Result<int> {
        if (value % 2 != 0) return fail(ErrorCode::invalid_argument, std::to_string(value) + " is odd");
        return value / 2;
    };
    EXPECT_EQ(half(4).value(), 2);
    ASSERT_FALSE(half(3));
    EXPECT_EQ(half(3).error().message, "3 is odd");
    EXPECT_TRUE(Result<void>());
}

}  // namespace
}  // namespace headrace
