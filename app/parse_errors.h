#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace switchyard {

/// Writes one line about arguments that `app` could not parse: what is wrong, what was perhaps
/// meant, and where the help is. An option that is a field of the command's configuration is
/// answered with the
/// --set that sets it.
std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error);

}  // namespace switchyard
