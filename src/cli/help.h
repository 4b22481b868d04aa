// How --help looks: what it is for, how it is called, the options, an example; at most 80 columns wide.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace headrace::cli {

class Help : public CLI::Formatter {
public:
    std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

}  // namespace headrace::cli
