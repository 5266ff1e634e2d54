// Builds the page from the inlined data with buildReport() and draws its charts, again where the width changes.

(function start() {
  const root = d3.select("#report");
  try {
    buildReport(root, JSON.parse(document.getElementById("data").textContent));
    drawCharts();
  } catch (error) {
    console.error("report: " + error.message + "\n" + error.stack);
    root.append("p").attr("class", "failure").text("This report could not be drawn: " + error.message);
    return;
  }
  let width = window.innerWidth;
  let timer = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(drawCharts, 120);
  });
  // Paper is narrower than most windows: draw for A4's width between the margins, then go back.
  window.addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    drawCharts();
    document.documentElement.classList.remove("paper");
  });
  window.addEventListener("afterprint", drawCharts);
})();
