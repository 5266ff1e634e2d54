// Builds the page of an X-ray: what the target is, findings, runs side by side, and one launch with its source.

function buildReport(root, data) {
  const launches = readLaunches(data), runs = readRuns(data);
  heading(root, data, launches);
  failuresOf(root, data);
  let page = null;
  findingsSection(root, data, launches, (one, line) => { page.show(one); page.open(line); });
  if (launches.length > 0) page = new XrayPage(root, data, launches, runs);
  root.append("footer").append("p").text("Written by Switchyard. Counts are those of the compiled kernel's PTX, run on the host; no time was measured. " +
    "Charts: d3 3.5 (BSD licence, Michael Bostock).");
  document.documentElement.dataset.ready = launches.length;
}

function heading(root, data, launches) {
  root.append("h1").call(breakable, data.target.name);
  root.append("p").attr("class", "byline").text(["X-ray", plural(data.ladder.length, "run"), plural(launches.length, "launch").replace("launchs", "launches")]
    .concat(data.checked ? ["checked for races"] : [], data.gpu && data.gpu.name ? ["bounds for " + data.gpu.name] : []).join(" · "));
  if (data.left_out) root.append("p").attr("class", "setting").text("To keep this page small, " + data.left_out + " are left out: X-ray fewer runs to see them.");
}

class XrayPage {
  constructor(root, data, launches, runs) {
    this.data = data;
    this.launches = launches;
    this.runs = runs;
    this.metrics = METRICS.filter(metric => launches.some(one => metric.of(one.counts) > 0));
    this.metric = this.metrics[0];
    this.controls(root.append("div").attr("class", "choices"));
    if (runs.length > 1) this.sideBySide(root);
    this.counts = addSection(root, "What it used", "");
    this.source = addSection(root, "Source", "A line's colour says how much of the chosen metric is its own; the number behind it, how many times the ideal that is. Open a line for its film and its PTX.");
    this.worst = this.source.append("p").attr("class", "worst");
    this.pane = new SourcePane(this.source, data);
    this.more(root, data);
    this.show(launches[0]);
  }

  controls(parent) {
    const set = parent.append("fieldset");
    set.append("legend").text("Shade and compare by");
    this.metrics.forEach(metric => {
      const label = set.append("label");
      label.append("input").attr({type: "radio", name: "metric", value: metric.key}).property("checked", metric === this.metric)
        .on("change", () => { this.metric = metric; this.show(this.one); });
      label.append("span").text(metric.label);
    });
    if (this.launches.length < 2) return;
    const label = parent.append("label").attr("class", "launch");
    label.append("span").text("Launch");
    this.select = label.append("select").on("change", () => this.show(this.launches[Number(this.select.node().value)]));
    this.data.ladder.forEach(run => {
      const own = this.launches.filter(one => one.run === run);
      if (own.length === 0) return;
      const group = this.data.ladder.length > 1 ? this.select.append("optgroup").attr("label", run.name) : this.select;
      own.forEach(one => group.append("option").attr("value", one.number).text(launchTitle(one)));
    });
  }

  sideBySide(root) {
    const section = addSection(root, "Side by side", "A bar is what a run used, a dot the ideal.");
    this.compare = addChart(section, drawBarsIfAny, compareSpec(this.runs, this.metric));
    const buttons = section.append("p").attr("class", "worst");
    buttons.append("span").text("Show: ");
    this.runs.forEach(({run, label}) => {
      const first = this.launches.find(one => one.run === run);
      if (first) buttons.append("button").attr("type", "button").call(breakable, label).on("click", () => this.show(first));
    });
  }

  // What not every document has: the mix is always there, caches and bounds where they were asked for.
  more(root, data) {
    const mix = addSection(root, "Instructions by kind", "");
    this.mix = addChart(mix, drawBarsIfAny, mixSpec(this.launches[0]));
    this.cacheSection = addSection(root, "Caches", "DRAM traffic for every size of an L2 cache that keeps the sectors used last, in the order in which the blocks ran here.");
    this.cache = addChart(this.cacheSection, drawCache, cacheSpec(data, this.launches[0]));
    this.boundSection = addSection(root, "Lower bounds", "The time that each part alone needs at the machine's best rate. No measurement backs them.");
    this.bounds = this.boundSection.append("div");
  }

  show(one) {
    this.one = one;
    if (this.select) this.select.node().value = one.number;
    const {launch} = one;
    this.counts.selectAll("p, .scroll").remove();
    this.counts.append("p").call(breakable, launchTitle(one));
    this.counts.append("p").text(plural(launch.threads, "thread") + " in " + plural(launch.warps, "warp") + "; on average " +
      (one.counts.warps > 0 ? one.counts.lanes / one.counts.warps : 0).toFixed(1) + " of 32 lanes active.");
    idealTable(this.counts, one);
    this.showWorst();
    this.pane.show(one, this.metric);
    if (this.compare) this.compare.spec = compareSpec(this.runs, this.metric);
    this.mix.spec = mixSpec(one);
    this.cache.spec = cacheSpec(this.data, one);
    this.cacheSection.style("display", this.cache.spec.points.length > 0 ? null : "none");
    this.bounds.html("");
    this.boundSection.style("display", boundTable(this.bounds, one) ? null : "none");
    drawCharts();
  }

  // Links to the lines that cost most.
  showWorst() {
    const {metric, one} = this;
    const worst = one.lines.filter(line => metric.of(line.counts) > 0).sort((a, b) => metric.of(b.counts) - metric.of(a.counts)).slice(0, 4);
    this.worst.html("");
    this.worst.append("span").text(worst.length > 0 ? "Most " + metric.unit + ": " : "No line has " + metric.unit + ".");
    worst.forEach(line => {
      const share = metric.of(line.counts) / metric.of(one.counts);
      this.worst.append("button").attr("type", "button").text(baseName(line.file) + ":" + line.line + " (" + formatPercent(share, 0) + ")").on("click", () => this.open(line));
    });
  }

  // Opens a line of the launch that is shown, and goes there.
  open(line) {
    if (this.pane.open !== line.key) this.pane.toggle(line);
    this.pane.button(line).node().scrollIntoView({block: "start"});
    this.pane.button(line).node().focus({preventScroll: true});
  }
}
