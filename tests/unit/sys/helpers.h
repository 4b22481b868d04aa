// What several tests of src/sys need: folders that remove themselves, and programs with pipes to them.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/file.h"

namespace headrace::sys::test {

// A folder of its own, removed at the end.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "headrace-test-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    // Writes a file below the folder, with the folders above it.
    std::filesystem::path write(const std::filesystem::path& relative, std::string_view content) const {
        std::filesystem::create_directories((path / relative).parent_path());
        std::ofstream(path / relative, std::ios::binary) << content;
        return path / relative;
    }

    std::filesystem::path path;
};

inline std::string content_of(const std::filesystem::path& path) {
    auto content = read_whole(path);
    return content ? *content : "cannot be read";
}

// A program with pipes to its standard input and from its standard output; killed at the end.
class Program {
public:
    explicit Program(const std::vector<std::string>& command) {
        std::vector<char*> arguments;
        for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
        arguments.push_back(nullptr);
        std::array<int, 2> in{};
        std::array<int, 2> out{};
        if (::pipe(in.data()) != 0 || ::pipe(out.data()) != 0) return;
        pid_ = ::fork();
        if (pid_ == 0) {
            (void)::dup2(in[0], 0);
            (void)::dup2(out[1], 1);
            for (const int descriptor : {in[0], in[1], out[0], out[1]}) (void)::close(descriptor);
            (void)::execvp(arguments.front(), arguments.data());
            ::_exit(127);
        }
        (void)::close(in[0]);
        (void)::close(out[1]);
        input_ = in[1];
        output_ = ::fdopen(out[0], "r");
    }
    ~Program() {
        (void)::kill(pid_, SIGKILL);
        (void)::close(input_);
        (void)::waitpid(pid_, nullptr, 0);
        (void)::fclose(output_);
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    pid_t pid() const { return pid_; }

    // The next line of its output without its end; empty at the end of the output.
    std::string line() {
        std::string text;
        for (int byte = ::fgetc(output_); byte != EOF && byte != '\n'; byte = ::fgetc(output_)) {
            text.push_back(static_cast<char>(byte));
        }
        return text;
    }

    void say(std::string_view text) const { (void)!::write(input_, text.data(), text.size()); }

private:
    pid_t pid_ = -1;
    int input_ = -1;
    FILE* output_ = nullptr;
};

inline std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

}  // namespace headrace::sys::test
