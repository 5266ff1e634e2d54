#pragma once

#include <filesystem>

#include "tests/support/browser.h"

namespace switchyard::test {

/// Opens the page of an X-ray at every width and goes through it as a reader does, with keys,
/// finger and pointer: metrics, launches, lines, films. Beyond open_page()'s, a problem is a film
/// that shows other sectors or turns than were counted, a control without effect, a line cut off,
/// and a number that is none. The answer holds `launches`, `frames` (stepped through), `lanes`,
/// `lines`.
PageView open_xray_page(const std::filesystem::path& page);

}  // namespace switchyard::test
