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

using Words = std::vector<std::string>;

Words words_of(const std::string& line) {
    const Result<Words> words = split_command(line);
    return words ? *words : Words{"refused: " + words.error().message};
}

std::string why_not(const std::string& line) {
    const Result<Words> words = split_command(line);
    return words ? "" : words.error().message;
}

TEST(SplitCommand, SplitsAsAShellDoes) {
    EXPECT_EQ(words_of("python  train.py --epochs 3"), (Words{"python", "train.py", "--epochs", "3"}));
    EXPECT_EQ(words_of(" a\t'b c'\"d e\"f\n"), (Words{"a", "b cd ef"}));
    EXPECT_EQ(words_of("a '' \"\""), (Words{"a", "", ""}));
    EXPECT_EQ(words_of(R"(a\ b \'c\" \\)"), (Words{"a b", "'c\"", "\\"}));
    EXPECT_EQ(words_of(R"("a\"b\\c\d" 'e\f')"), (Words{R"(a"b\c\d)", R"(e\f)"}));
    EXPECT_EQ(words_of("a\\\nb c\\\n d"), (Words{"ab", "c", "d"}));
    EXPECT_EQ(words_of("main.py lr=[1,2] model={a} *.txt ~/x a#b"),
              (Words{"main.py", "lr=[1,2]", "model={a}", "*.txt", "~/x", "a#b"}));
    EXPECT_EQ(words_of("sh -c 'a | b > $HOME; c &'"), (Words{"sh", "-c", "a | b > $HOME; c &"}));
    EXPECT_EQ(words_of("env LR=1 python a.py"), (Words{"env", "LR=1", "python", "a.py"}));
}

TEST(SplitCommand, RefusesWhatOnlyAShellDoes) {
    for (const char* line : {"a | b", "a && b", "a; b", "a > b", "a < b", "(a)", "a $HOME", "a \"$HOME\"", "a `b`"}) {
        EXPECT_NE(why_not(line).find("which only a shell acts on"), std::string::npos) << line;
    }
    EXPECT_NE(why_not("a # b").find("'#', the begin of a comment,"), std::string::npos);
    EXPECT_NE(why_not("LR=1 python a.py").find("begins with an assignment"), std::string::npos);
    EXPECT_EQ(why_not("a 'b"), "'a 'b' has a ' that is not closed");
    EXPECT_EQ(why_not("a\\"), "'a\\' ends with a backslash");
    EXPECT_EQ(why_not("  "), "'  ' holds no command");
}

TEST(SplitCommand, UndoesWhatShellCommandDoes) {
    const bool held = rc::check("printable words come back", [](const Words& drawn) {
        Words words{"command"};
        for (const std::string& word : drawn) {
            if (printable(word) == word) words.push_back(word);
        }
        RC_ASSERT(words_of(shell_command(words)) == words);
    });
    EXPECT_TRUE(held);
}

}  // namespace
}  // namespace headrace::base
