#include "tests/support/xray_page.h"

namespace switchyard::test {
namespace {

constexpr const char* kInspection = R"~(
// What the page draws of each frame is what the executor counted.
function inspectFrames(window, data, say) {
  data.ladder.forEach(run => run.launches.forEach(launch => (launch.film || {frames: []}).frames.forEach(frame => {
    const drawn = frame.space === "shared" ? window.bankWords(frame).turns : window.sectorsOf(frame).length;
    const counted = frame.space === "shared" ? frame.turns : frame.sectors;
    if (drawn !== counted) say("PTX line " + frame.ptx + ": " + drawn + " drawn, " + counted + " counted");
  })));
}

// Goes through the film of the line that is open.
function inspectFilm(view, window, say, answer) {
  const film = view.querySelector(".panel .film");
  if (!film) return;
  const slider = film.querySelector("input"), stage = film.querySelector(".stage");
  const count = Number(slider.max) + 1, at = () => Number(slider.value);
  const told = () => film.querySelector(".told").textContent;
  const key = name => stage.dispatchEvent(new window.KeyboardEvent("keydown", {key: name, bubbles: true}));
  for (let i = 0; i < count; i += 1) {
    slider.value = i; slider.dispatchEvent(new window.Event("input"));
    answer.frames = (answer.frames || 0) + 1;
    const arrows = film.querySelectorAll(".arrow").length, targets = film.querySelectorAll(".sector, .word").length;
    if (arrows === 0 || targets === 0) say("frame " + i + " has " + arrows + " arrows and " + targets + " targets");
    if (!told().startsWith("Access " + (i + 1) + " of " + count)) say("frame " + i + " is told as " + told());
    const box = film.querySelector(".chart svg").getBoundingClientRect();
    film.querySelectorAll(".chart text, .chart rect, .chart line").forEach(mark => {
      const r = mark.getBoundingClientRect();
      if (r.left < box.left - 1 || r.right > box.right + 1 || r.bottom > box.bottom + 1) say("frame " + i + ": a mark is cut off");
    });
  }
  const expect = (what, value) => { if (at() !== Math.max(0, Math.min(count - 1, value))) say(what + " leads to frame " + at()); };
  key("Home"); expect("Home", 0);
  key("ArrowRight"); expect("right", 1);
  key("End"); expect("End", count - 1);
  key("ArrowLeft"); expect("left", count - 2);
  film.querySelectorAll(".controls button")[1].click(); expect("the button", count - 1);
  const swipe = (from, to) => [["pointerdown", from], ["pointerup", to]].forEach(([type, x]) => stage.dispatchEvent(new window.PointerEvent(type, {clientX: x, bubbles: true})));
  swipe(50, 150); expect("a swipe to the right", count - 2);
  swipe(150, 50); expect("a swipe to the left", count - 1);
  swipe(50, 55); expect("a tap", count - 1);
  key("ArrowDown"); key("ArrowDown");
  const quiet = film.querySelectorAll(".arrow[opacity='0.12']").length;
  if (quiet >= film.querySelectorAll(".arrow").length && quiet > 0 && !/takes no part/.test(film.textContent)) say("no lane is followed");
  if (!/Lane 1[: ]/.test(film.textContent)) say("lane 1 is not told of");
  film.querySelector(".lane").dispatchEvent(new window.MouseEvent("click", {bubbles: true}));
  if (!/Lane 0[: ]/.test(film.textContent)) say("a tap chooses no lane");
  answer.lanes = film.querySelectorAll(".lane").length;
}

function inspectSource(view, window, say, answer) {
  const lines = () => [...view.querySelectorAll("button.line")];
  answer.lines = lines().length;
  if (view.querySelectorAll(".panel").length !== 1) say("no line is open at first");
  lines().forEach((line, i) => {
    if (line.getAttribute("aria-expanded") !== "true") line.click();
    if (view.querySelectorAll(".panel").length !== 1 || line.getAttribute("aria-expanded") !== "true") say("line " + i + " does not open");
    inspectFilm(view, window, say, answer);
    view.querySelectorAll(".panel details").forEach(details => { details.open = true; });
  });
  view.querySelectorAll(".line").forEach(line => { if (line.scrollWidth > line.clientWidth) say("cut off: " + line.textContent); });
  const press = name => view.activeElement.dispatchEvent(new window.KeyboardEvent("keydown", {key: name, bubbles: true}));
  lines()[0].focus();
  press("ArrowDown");
  if (lines().length > 1 && view.activeElement !== lines()[1]) say("down does not lead to the next line");
  press("ArrowUp");
  if (view.activeElement !== lines()[0]) say("up does not lead back");
  press("Escape");
  if (view.querySelectorAll(".panel").length !== 0) say("Escape leaves a line open");
}

function inspect(name, frame, say, answer) {
  const view = frame.contentDocument, window = frame.contentWindow;
  if (name === "paper") return;
  const ready = view.documentElement.dataset.ready;
  if (ready === undefined) { say("the page was not drawn"); return; }
  answer.launches = Number(ready);
  const data = JSON.parse(view.getElementById("data").textContent);
  inspectFrames(window, data, say);
  const shades = () => [...view.querySelectorAll("button.line")].map(line => line.style.backgroundColor).join();
  const select = view.querySelector("select");
  for (let i = 0; i < (select ? select.querySelectorAll("option").length : 1); i += 1) {
    if (select) { select.value = i; select.dispatchEvent(new window.Event("change")); }
    view.querySelectorAll("input[name=metric]").forEach(metric => {
      metric.click();
      if (!metric.checked) say("a metric cannot be chosen");
    });
    const metrics = [...view.querySelectorAll("input[name=metric]")];
    metrics[0].click();
    const first = shades();
    metrics[metrics.length - 1].click();
    if (metrics.length > 1 && first === shades()) say("another metric shades no other lines");
    metrics[0].click();
    inspectSource(view, window, say, answer);
  }
  view.querySelectorAll(".worst button").forEach(button => button.click());
  view.querySelectorAll(".failure").forEach(finding => {
    const button = finding.querySelector("button"), place = /:(\d+): /.exec(finding.textContent);
    if (!button) { say("a finding leads nowhere"); return; }
    button.click();
    const open = view.querySelector("button.line[aria-expanded=true]");
    if (!open || !open.dataset.key.endsWith(":" + place[1])) say("a finding leads to another line");
    answer.findings = (answer.findings || 0) + 1;
  });
  view.querySelectorAll("div.chart svg").forEach(svg => {
    if (svg.getAttribute("role") !== "img" || !svg.querySelector("title") || !svg.querySelector("desc")) say("a chart says nothing to a screen reader");
  });
  const text = [...view.querySelectorAll("#report *")].filter(e => e.children.length === 0).map(e => e.textContent).join(" ");
  const wrong = /.{0,30}(NaN|undefined|Infinity|\[object).{0,30}/.exec(text);
  if (wrong) say("the page says " + wrong[0]);
  view.querySelectorAll("svg *").forEach(mark => [...mark.attributes].forEach(a => { if (/NaN|undefined/.test(a.value)) say(mark.tagName + " " + a.name + "=" + a.value); }));
}
)~";

}  // namespace

PageView open_xray_page(const std::filesystem::path& page) { return open_page(page, kInspection); }

}  // namespace switchyard::test
