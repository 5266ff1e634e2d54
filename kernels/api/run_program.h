#pragma once

#include <optional>
#include <string>
#include <vector>

namespace switchyard {

/// Runs another program to its end, without a shell: nothing in its arguments is read as anything
/// else. It finds no input; its output and messages go to the file `log`. `command` is the program,
/// looked for in PATH if its name has no slash, and its arguments. Returns its exit code, -1 where
/// a signal ended it, nothing where there is no such program. Errors: Error where it cannot be
/// started although it is there.
std::optional<int> run_program(const std::vector<std::string>& command, const std::string& log);

}  // namespace switchyard
