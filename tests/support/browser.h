#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace switchyard::test {

/// What a browser saw of a report.
struct ReportView {
  int charts = 0;                     ///< charts that the page says it has drawn
  std::vector<std::string> problems;  ///< one line each, with the width at which it was seen
};

/// Why reports cannot be opened here; empty where they can. Looks for SWITCHYARD_BROWSER, then for
/// Chromium or Chrome in PATH, and opens an empty page with it.
std::string why_no_browser();

/// Opens a report in headless Chromium as on a phone (375 pixels wide), on a screen (1280) and on
/// paper. A problem is a console message, a page wider than its window, a chart without image role,
/// title or description or without any mark, text cut off at a chart's edge, and two texts over
/// each other. Throws Error where the browser gives no answer.
ReportView open_report(const std::filesystem::path& report);

}  // namespace switchyard::test
