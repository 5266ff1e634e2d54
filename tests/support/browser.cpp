#include "tests/support/browser.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/core/check.h"
#include "kernels/api/temporary_directory.h"

namespace switchyard::test {
namespace {

namespace fs = std::filesystem;

std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw Error("cannot run: " + command);
  std::string text;
  std::array<char, 4096> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe))
    text.append(buffer.data(), n);
  pclose(pipe);
  return text;
}

std::string find_browser() {
  if (const char* browser = std::getenv("SWITCHYARD_BROWSER")) return browser;
  const std::string found = output_of(
      "for b in chromium chromium-browser google-chrome google-chrome-stable; do"
      " command -v $b && break; done");
  return found.substr(0, found.find('\n'));
}

// This is far more than a page takes, so that a busy machine is not taken for a broken page.
constexpr int kBrowserSeconds = 240;

/// The page's document after loading, followed by the browser's log.
std::string dump_page(const std::string& browser, const std::string& html) {
  const TemporaryDirectory scratch;
  std::ofstream(scratch / "page.html") << html;
  return output_of("timeout " + std::to_string(kBrowserSeconds) + " '" + browser +
                   "' --headless --no-sandbox --disable-gpu --disable-dev-shm-usage"
                   " --enable-logging=stderr --window-size=1400,1000 --user-data-dir='" +
                   (scratch / "profile").string() + "' --dump-dom 'file://" +
                   (scratch / "page.html").string() + "' 2>&1");
}

/// Shows the page in frames of several widths: headless Chromium has no window below 500 pixels.
/// The answer stands in the document as ANSWER{...}END, without characters that HTML escapes. The
/// browser prints the document once it is loaded, which it is when the frame `hold` is closed.
constexpr const char* kHarness = R"~(<!DOCTYPE html><meta charset="utf-8"><body>
<script type="application/json" id="page">%PAGE%</script>
<script>
const page = JSON.parse(document.getElementById("page").textContent);
const hold = document.createElement("iframe");
hold.style.display = "none";
document.body.append(hold);
hold.contentDocument.open();
const views = [["375 px", 375], ["1280 px", 1280], ["paper", 794]].map(([name, width]) => {
  const frame = document.createElement("iframe");
  frame.style.cssText = "border:0;height:800px;width:" + width + "px";
  frame.srcdoc = page;
  const loaded = new Promise(done => frame.onload = done);
  document.body.append(frame);
  return {name, frame, loaded};
});
%INSPECTION%
(async () => {
  const answer = {}, problems = [];
  await Promise.all(views.map(view => view.loaded));
  for (const {name, frame} of views) {
    const say = text => problems.push(name + ": " + text);
    try { await inspect(name, frame, say, answer); } catch (error) { say("the inspection threw " + error); }
    const root = frame.contentDocument.documentElement;
    if (root.scrollWidth > root.clientWidth) say("page is " + root.scrollWidth + " wide");
    if (frame.contentWindow.injected) say("a string of the data was executed");
  }
  document.body.textContent = "ANSWER" + JSON.stringify({answer, problems}).replace(/[<>&]/g, " ") + "END";
  hold.remove();
})();
</script></body>)~";

/// Looks at the charts of a report.
constexpr const char* kReportInspection = R"~(
function overlap(a, b) {  // more than 2 pixels both ways: line boxes are taller than letters
  return Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
         Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
}

function inspectChart(svg, say) {
  const title = svg.querySelector("title"), desc = svg.querySelector("desc");
  if (svg.getAttribute("role") !== "img") say("chart without role img");
  if (!title || !title.textContent || !desc || !desc.textContent) say("chart without title or description");
  const name = title ? title.textContent : "?";
  const box = svg.getBoundingClientRect();
  if (!svg.querySelector("path.line, rect, circle")) say(name + ": no mark");
  const texts = [...svg.querySelectorAll("text")].filter(t => t.textContent).map(t => ({t: t.textContent, r: t.getBoundingClientRect()}));
  if (texts.length < 4) say(name + ": only " + texts.length + " texts");
  texts.forEach((a, i) => {
    if (a.r.left < box.left - 1 || a.r.right > box.right + 1 || a.r.top < box.top - 2 || a.r.bottom > box.bottom + 2) {
      say(name + ": cut off: " + a.t);
    }
    texts.slice(i + 1).forEach(b => { if (overlap(a.r, b.r)) say(name + ": overlap: " + a.t + " / " + b.t); });
  });
}

function inspect(name, frame, say, answer) {
  const view = frame.contentDocument;
  if (name === "paper") frame.contentWindow.dispatchEvent(new Event("beforeprint"));
  const charts = Number(view.documentElement.dataset.charts || 0);
  if (answer.charts === undefined) answer.charts = charts;
  const drawn = [...view.querySelectorAll("div.chart svg")];
  if (charts !== answer.charts || drawn.length !== charts) say(drawn.length + " charts drawn of " + charts);
  drawn.forEach(svg => inspectChart(svg, say));
  view.querySelectorAll(".scroll").forEach(t => {
    if (!t.closest("details") && t.scrollWidth > t.clientWidth) say("table is " + t.scrollWidth + " wide: " + t.textContent.slice(0, 40));
  });
}
)~";

std::string harness(const fs::path& file, const std::string& inspection) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  std::string json;
  for (const char c : nlohmann::json(text.str()).dump()) {
    if (c == '<') {
      json += "\\u003c";
    } else {
      json += c;
    }
  }
  std::string page = kHarness;
  const auto put = [&](const std::string& mark, const std::string& part) {
    page.replace(page.find(mark), mark.size(), part);
  };
  put("%INSPECTION%", inspection);
  put("%PAGE%", json);
  return page;
}

void collect_console(const std::string& output, std::vector<std::string>& problems) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(":CONSOLE") != std::string::npos) problems.push_back("console: " + line);
  }
}

}  // namespace

PageView open_page(const fs::path& page, const std::string& inspection) {
  const std::string browser = find_browser();
  if (browser.empty()) return {.no_browser = "no Chromium or Chrome in PATH"};
  const std::string output = dump_page(browser, harness(page, inspection));
  const size_t begin = output.find("ANSWER{");
  const size_t end = output.find("}END", begin);
  if (begin == std::string::npos || end == std::string::npos) {
    const std::string trial = dump_page(browser, "<p>it works</p>");
    check(trial.find("<p>it works</p>") == std::string::npos, "the browser gave no answer: {}",
          output.substr(0, 2000));
    return {.no_browser = browser + " opens no page: " + trial.substr(0, 300)};
  }
  const auto seen = nlohmann::json::parse(output.substr(begin + 6, end + 1 - (begin + 6)));
  PageView view{.answer = seen.at("answer"),
                .problems = seen.at("problems").get<std::vector<std::string>>()};
  collect_console(output, view.problems);
  return view;
}

ReportView open_report(const fs::path& report) {
  const PageView view = open_page(report, kReportInspection);
  if (!view.no_browser.empty()) return {.no_browser = view.no_browser};
  return {.charts = view.answer.at("charts").get<int>(), .problems = view.problems};
}

}  // namespace switchyard::test
