#pragma once

#include <optional>
#include <string>

namespace switchyard {

/// Begins to measure every kernel (--profile). A timeline goes to `trace` (--trace), which is
/// created at once. Errors: Error where that file cannot be written.
void begin_profile(const std::optional<std::string>& trace);

/// Ends the profile that a command began: prints the table on stdout, or gives it to the JSON
/// document, and writes the timeline. Says on stderr for which calls a --variant was not used since
/// it does not take their sizes.
void finish_profile();

}  // namespace switchyard
