#include "base/shell.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <vector>

#include "base/text.h"

namespace headrace::base {
namespace {

TEST(Shell, QuotesOnlyWhatHasToBeQuoted) {
    EXPECT_EQ(shell_word("train.py"), "train.py");
    EXPECT_EQ(shell_word("--lr=0.1"), "--lr=0.1");
    EXPECT_EQ(shell_word("two words"), "'two words'");
    EXPECT_EQ(shell_word(""), "''");
    EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
    EXPECT_EQ(shell_word("$HOME"), "'$HOME'");
    EXPECT_EQ(shell_word("~"), "'~'");
    EXPECT_EQ(shell_word("é"), "'é'");
    EXPECT_EQ(shell_word("a\nb"), "$'a\\012b'");
    EXPECT_EQ(shell_word("\xff'\\"), "$'\\377\\'\\\\'");
}

TEST(Shell, JoinsACommand) {
    const std::vector<std::string> argv{"python", "train.py", "--name", "two words"};
    EXPECT_EQ(shell_command(argv), "python train.py --name 'two words'");
    EXPECT_EQ(shell_command({}), "");
}

TEST(Shell, AFirstWordStaysACommand) {
    EXPECT_EQ(shell_command(std::vector<std::string>{"A=1", "A=1"}), "'A=1' A=1");
    EXPECT_EQ(shell_command(std::vector<std::string>{"time", "time"}), "'time' time");
}

// What bash makes of the words.
std::string through_bash(const std::vector<std::string>& argv) {
    std::vector<std::string> command{"printf", "%s\\n"};
    command.insert(command.end(), argv.begin(), argv.end());
    // popen runs sh, which knows no $'…': the line reaches bash through the environment.
    ::setenv("HEADRACE_TEST_LINE", shell_command(command).c_str(), 1);
    FILE* const pipe = ::popen("exec bash -c \"$HEADRACE_TEST_LINE\"", "r");
    std::string out;
    for (int c = ::fgetc(pipe); c != EOF; c = ::fgetc(pipe)) out += static_cast<char>(c);
    ::pclose(pipe);
    return out;
}

TEST(Shell, BashGivesTheSameWordsBack) {
    if (::access("/bin/bash", X_OK) != 0) GTEST_SKIP() << "this machine has no bash";
    const std::vector<std::string> words{"plain",
                                         "",
                                         "it's",
                                         "$HOME `x` \\ \"",
                                         "é漢",
                                         "*?[a]",
                                         "~",
                                         "#x",
                                         "a;b&c|d",
                                         "{a,b}",
                                         "!x!",
                                         "\xE2\x80\xAE\xff"
                                         "9",
                                         "-n",
                                         "tab\there",
                                         "\x1b[0m"};
    std::string expected;
    for (const std::string& word : words) expected += word + "\n";
    EXPECT_EQ(through_bash(words), expected);
}

TEST(Shell, AnyWordIsSafeToPrint) {
    const bool held = rc::check("a quoted word holds no controls", [] {
        const std::string quoted = shell_word(*rc::gen::arbitrary<std::string>());
        RC_ASSERT(!quoted.empty());
        RC_ASSERT(printable(quoted) == quoted);
    });
    EXPECT_TRUE(held);
}

}  // namespace
}  // namespace headrace::base
