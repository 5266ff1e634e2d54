// Opens the page of every example in a real browser; skipped with the reason where there is none.

#include <gtest/gtest.h>

#include <fmt/ranges.h>

#include "analysis/graph/document.h"
#include "analysis/graph/examples.h"
#include "analysis/graph/model_problem.h"
#include "engine/core/random.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "tests/support/browser.h"
#include "tests/support/scratch_directory.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

/// Goes through the births, chooses nodes, opens and closes boxes and moves the second slider, as a
/// reader does with keys and pointer, and notes what a page must not do.
constexpr const char* kInspection = R"~(
function inspect(name, frame, say, answer) {
  const view = frame.contentDocument, window = frame.contentWindow;
  const count = Number(view.documentElement.dataset.ready || 0);
  if (count === 0) { say("the page was not drawn"); return; }
  answer.nodes = count;
  const graph = view.getElementById("graph");
  const items = () => [...graph.querySelectorAll(".item")];
  answer.boxes = items().length;
  answer.grey = graph.querySelectorAll(".edge.grey").length;
  const key = text => graph.dispatchEvent(new window.KeyboardEvent("keydown", {key: text, bubbles: true}));
  const birth = view.getElementById("birth");
  const at = time => { birth.value = time; birth.dispatchEvent(new window.Event("input")); };
  at(0);
  const unborn = () => graph.querySelectorAll(".item.unborn").length;
  if (unborn() !== items().length - 1) say("at the first birth " + unborn() + " of " + items().length + " boxes are unborn");
  let slowest = 0;
  for (let i = 0; i <= 20; i++) {
    const began = performance.now();
    at(Math.round((count - 1) * i / 20));
    slowest = Math.max(slowest, performance.now() - began);
  }
  answer.slowest = Math.max(answer.slowest || 0, slowest);
  if (unborn() !== 0) say("at the last birth " + unborn() + " boxes are unborn");
  key("Home");
  for (const text of ["ArrowDown", "ArrowRight", "ArrowUp", "+", "-", "Enter", "Enter", "End"]) key(text);
  if (graph.querySelectorAll(".item.chosen").length !== 1) say("the keyboard left no single chosen box");
  for (const pane of ["rule-pane", "numbers-pane", "ledger-pane"]) {
    if (view.getElementById(pane).textContent.length < 20) say(pane + " is empty");
  }
  const click = id => view.getElementById(id).click();
  const before = items().length;
  click("unfold");
  answer.unfolded = items().length;
  if (items().length < before) say("opening a level closed boxes");
  click("fold"); click("fit"); click("in"); click("out"); click("earlier"); click("later");
  const step = view.getElementById("step");
  answer.walk = Boolean(step);
  if (step) {
    step.value = 20; step.dispatchEvent(new window.Event("input"));
    if (!/off by/.test(view.getElementById("walk-pane").textContent)) say("the walk says nothing");
    answer.kinks = view.querySelectorAll(".kink").length;
    if (view.querySelectorAll(".chart").length !== 3) say("not three charts");
  }
  view.querySelectorAll("svg text").forEach(text => { if (/NaN|undefined/.test(text.textContent)) say("text " + text.textContent); });
  view.querySelectorAll("svg path").forEach(path => { if (/NaN|undefined/.test(path.getAttribute("d") || "")) say("path " + path.getAttribute("d").slice(0, 60)); });
}
)~";

PageView open_document(const nlohmann::json& document) {
  const ScratchDirectory scratch;
  write_file_atomic(scratch / "graph.html", graph::page(document));
  return open_page(scratch / "graph.html", kInspection);
}

TEST(GraphPage, OfEveryExampleWorksAtEveryWidth) {
  for (const graph::Example& example : graph::examples()) {
    const graph::Problem problem = example.make(Device::kCpu);
    const graph::TracedProblem traced = graph::trace(problem, 2);
    nlohmann::json document = graph::document(problem, 2, traced);
    graph::add_walk(document, problem, traced.product);
    graph::add_products(document, problem);
    const PageView view = open_document(document);
    if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
    EXPECT_TRUE(view.problems.empty()) << example.name << ": " << fmt::format("{}", view.problems);
    EXPECT_EQ(view.answer["nodes"], traced.trace.nodes.size()) << example.name;
    EXPECT_TRUE(view.answer["walk"]) << example.name;
    if (example.name == "moe") {
      EXPECT_GE(view.answer["grey"], 1);
      EXPECT_GE(view.answer["kinks"], 1);
    }
  }
}

TEST(GraphPage, OfADeepNetworkFoldsAndOpens) {
  const auto model = make_classifier(
      parse_model_config(
          parse_json(R"({"backbone": {"name": "resnet18"}, "head": {"name": "dense"}})", "test"),
          "test"),
      Generator(1));
  const Batch batch = {random_tensor({1, 8, 8, 3}, 2, DType::kFloat32),
                       Tensor::from<std::int64_t>({1}, {3})};
  const graph::Problem problem = graph::model_problem(*model, batch, {});
  const graph::TracedProblem traced = graph::trace(problem, 2, {.whole = 16, .cells = 0});
  const PageView view = open_document(graph::document(problem, 2, traced));
  if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
  EXPECT_TRUE(view.problems.empty()) << fmt::format("{}", view.problems);
  EXPECT_GT(view.answer["nodes"], 500);
  EXPECT_LE(view.answer["boxes"], 140);
  EXPECT_GT(view.answer["unfolded"], view.answer["boxes"]);
}

TEST(GraphPage, StringsOfAFileAreNeverExecuted) {
  graph::Problem problem = graph::find_example("cube", Device::kCpu);
  problem.title = "</script><script>window.injected = true</script>";
  problem.inputs[0].name = "<img src=x onerror='window.injected = true'>";
  const PageView view = open_document(graph::document(problem, 2, graph::trace(problem, 2)));
  if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
  EXPECT_TRUE(view.problems.empty()) << fmt::format("{}", view.problems);
}

}  // namespace
}  // namespace switchyard::test
