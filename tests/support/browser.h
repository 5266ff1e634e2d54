#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace switchyard::test {

/// Holds what a browser saw of a report.
struct ReportView {
  std::string no_browser = {};             ///< why none works here; empty where one does
  int charts = 0;                          ///< charts that the page says it has drawn
  std::vector<std::string> problems = {};  ///< one line each, with the width at which it was seen
};

/// Opens a report in headless Chromium as on a phone (375 pixels wide), on a screen (1280) and on
/// paper. A problem is a console message, a page or table wider than its window, a chart without
/// image role, title or description or without any mark, text cut off at a chart's edge, and two
/// texts over each other. The browser is SWITCHYARD_BROWSER, else Chromium or Chrome in PATH.
/// Throws Error where it opens an empty page but gives no answer to this one.
ReportView open_report(const std::filesystem::path& report);

/// Holds what a browser saw of any page.
struct PageView {
  std::string no_browser = {};             ///< why none works here; empty where one does
  nlohmann::json answer = {};              ///< what the inspection put there
  std::vector<std::string> problems = {};  ///< what it said, and console messages
};

/// Opens a page as open_report() does, in a frame for each width, and runs `inspection`: JavaScript
/// that defines inspect(name, frame, say, answer), where `frame` is the iframe and say(text) notes
/// a problem. It may be asynchronous, and wait for frames.
PageView open_page(const std::filesystem::path& page, const std::string& inspection);

}  // namespace switchyard::test
