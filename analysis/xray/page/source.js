// The source, each line shaded by what it costs. A line opens to its numbers, its PTX and its film.

const AROUND = 6;  // lines shown before and behind one that was counted

// The lines of each file to show: {file, rows: [{number, text, line: what was counted there or null} or {gap: true}]}.
function sourceFiles(data, one, metric) {
  const files = d3.nest().key(line => line.file).entries(one.lines);
  files.sort((a, b) => d3.sum(b.values, line => metric.of(line.counts)) - d3.sum(a.values, line => metric.of(line.counts)));
  return files.map(({key, values}) => {
    const counted = new Map(values.map(line => [line.line, line]));
    const known = (data.sources || []).find(source => source.file === key);
    const texts = new Map(values.map(line => [line.line, line.text]));
    (known ? known.parts : []).forEach(part => part.text.split("\n").forEach((text, i) => {
      const number = part.line + i;
      if (values.some(line => Math.abs(line.line - number) <= AROUND)) texts.set(number, text);
    }));
    const rows = [];
    [...texts.keys()].sort((a, b) => a - b).forEach(number => {
      if (rows.length > 0 && rows[rows.length - 1].number !== number - 1) rows.push({gap: true});
      rows.push({number, text: texts.get(number), line: counted.get(number) || null});
    });
    return {file: key, rows};
  });
}

class SourcePane {
  constructor(parent, data) {
    this.box = parent.append("div").attr("class", "source");
    this.data = data;
    this.film = new FilmPane(parent);
    this.open = null;
    this.box.on("keydown", () => this.key(d3.event));
  }

  // Draws the lines of a launch, and opens the one that costs most unless one is open already.
  show(one, metric) {
    this.one = one;
    this.metric = metric;
    this.film.leave();
    this.box.html("");
    const most = d3.max(one.lines, line => metric.of(line.counts)) || 0;
    sourceFiles(this.data, one, metric).forEach(({file, rows}) => {
      this.box.append("p").attr("class", "file").call(breakable, file);
      rows.forEach(row => this.row(row, most));
    });
    const worst = one.lines.reduce((a, b) => metric.of(b.counts) > metric.of(a.counts) ? b : a, one.lines[0]);
    const open = one.lines.find(line => line.key === this.open) || worst;
    this.open = null;
    if (open) this.toggle(open);
  }

  row(row, most) {
    if (row.gap) { this.box.append("div").attr("class", "gap").text("⋯"); return; }
    const {line} = row;
    const used = line ? this.metric.of(line.counts) : 0, share = most > 0 ? used / most : 0;
    const element = line ? this.box.append("button").attr({type: "button", class: "line", "aria-expanded": "false", "data-key": line.key}) : this.box.append("div").attr("class", "line");
    element.style("background-color", used > 0 ? "rgba(213,94,0," + (0.06 + 0.44 * share).toFixed(3) + ")" : null);
    element.append("span").attr("class", "number").text(row.number);
    element.append("span").attr("class", "value").text(used > 0 ? shortCount(used) : "");
    element.append("span").attr("class", "excess").text(line ? excessText(this.metric, line.counts) : "");
    element.append("span").attr("class", "code").text(row.text || " ");
    if (line) element.on("click", () => this.toggle(line));
  }

  button(line) {
    return this.box.selectAll("button.line").filter(function () { return this.dataset.key === line.key; });
  }

  toggle(line) {
    const wasOpen = this.open === line.key;
    this.film.leave();
    this.box.selectAll(".panel").remove();
    this.box.selectAll("button.line").attr("aria-expanded", "false");
    this.open = wasOpen ? null : line.key;
    if (wasOpen) return;
    const button = this.button(line).attr("aria-expanded", "true").node();
    const panel = document.createElement("div");
    panel.className = "panel";
    button.parentNode.insertBefore(panel, button.nextSibling);
    this.fill(d3.select(panel), line);
  }

  fill(panel, line) {
    const frames = this.one.frames[line.key] || [];
    if (frames.length > 0) this.film.enter(panel, frames, this.one.launch.film);
    const numbers = METRICS.filter(metric => metric.of(line.counts) > 0).map(metric => {
      const ideal = metric.ideal(line.counts);
      return formatCount(metric.of(line.counts)) + " " + metric.unit + (ideal ? " (ideal " + formatCount(Math.round(ideal)) + ")" : "");
    });
    panel.append("p").attr("class", "numbers").text(numbers.join(" · "));
    if (line.ptx.length > 0) this.ptx(panel, line);
  }

  ptx(panel, line) {
    const details = panel.append("details");
    details.append("summary").text("PTX: " + plural(line.ptx.length, "instruction"));
    const columns = METRICS.filter(metric => line.ptx.some(row => metric.of(row.counts) > 0));
    const table = details.append("div").attr("class", "scroll").append("table").attr("class", "ptx");
    const head = table.append("thead").append("tr");
    ["Line", "Instruction"].concat(columns.map(metric => metric.label)).forEach(name => head.append("th").attr("scope", "col").text(name));
    const body = table.append("tbody");
    line.ptx.forEach(row => {
      const tr = body.append("tr");
      tr.append("td").text(row.line);
      tr.append("td").attr("class", "instruction").text(row.text);
      columns.forEach(metric => tr.append("td").text(metric.of(row.counts) > 0 ? shortCount(metric.of(row.counts)) : ""));
    });
  }

  // Up and down go from one counted line to the next, Escape closes the open one.
  key(event) {
    const lines = [...this.box.node().querySelectorAll("button.line")];
    const at = lines.indexOf(document.activeElement);
    if (at < 0) return;
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1}[event.key];
    if (event.key === "Escape" && this.open) this.toggle({key: this.open});
    if (to === undefined || !lines[to]) return;
    event.preventDefault();
    lines[to].focus();
  }
}

// Steps through the frames of the open line.
class FilmPane {
  constructor(parent) {
    const pane = parent.append("div").attr("class", "film");
    this.home = parent;
    this.pane = pane;
    this.heading = pane.append("h3");
    const controls = pane.append("div").attr("class", "controls");
    this.button(controls, "◀", "One access back", () => this.go(this.at - 1));
    this.slider = controls.append("input").attr({type: "range", min: 0, step: 1, "aria-label": "Access shown"}).on("input", () => this.go(Number(this.slider.node().value)));
    this.button(controls, "▶", "One access on", () => this.go(this.at + 1));
    this.text = pane.append("p").attr({class: "told", role: "status"});
    this.spec = {title: "Where the lanes of one access reach", description: "", frame: null, lane: null, choose: lane => this.choose(lane)};
    const stage = pane.append("div").attr({class: "stage", tabindex: 0, role: "group", "aria-label": "Film: left and right go through accesses, up and down through lanes"});
    this.chart = addChart(stage, drawFilm, this.spec);
    this.stage = stage;
    stage.on("keydown", () => this.key(d3.event));
    this.swipe(stage.node());
    this.lane = pane.append("p").attr("class", "told quiet-text");
    this.legend = pane.append("div");
    this.leave();
  }

  button(parent, text, label, act) {
    parent.append("button").attr({type: "button", "aria-label": label}).text(text).on("click", act);
  }

  enter(panel, frames, film) {
    this.frames = frames;
    this.spec.lane = null;
    panel.node().appendChild(this.pane.node());
    this.pane.style("display", null);
    this.heading.text("Film: warp " + film.warp + " of block (" + film.block.join(", ") + ")");
    this.slider.attr("max", frames.length - 1);
    const worst = frames.reduce((a, b) => excessOf(b) > excessOf(a) ? b : a);
    this.go(frames.indexOf(worst));
  }

  leave() {
    this.spec.frame = null;
    this.home.node().appendChild(this.pane.node());
    this.pane.style("display", "none");
  }

  go(at) {
    this.at = Math.max(0, Math.min(this.frames.length - 1, at));
    this.slider.node().value = this.at;
    const frame = this.frames[this.at];
    this.spec.frame = frame;
    this.spec.description = frameText(frame);
    this.text.html("");
    this.text.append("b").text("Access " + (this.at + 1) + " of " + this.frames.length + ". ");
    this.text.append("span").text(frameText(frame) + " ");
    this.text.append("code").text(frame.text);
    this.draw();
    this.legend.html("");
    addLegend(this.legend, frame.space === "shared"
      ? [{label: "handed out in the first turn", color: GOOD, kind: "bar"}, {label: "has to wait: another word of its bank comes first", color: BAD, kind: "bar"}]
      : [{label: "asked for; sector used whole", color: GOOD, kind: "bar"}, {label: "sector used by half or more", color: FAIR, kind: "bar"},
         {label: "by less", color: BAD, kind: "bar"}, {label: "bytes moved that nobody asked for", color: "#f7d9c8", kind: "bar"}]);
  }

  choose(lane) {
    this.spec.lane = lane === this.spec.lane || lane < 0 || lane > 31 ? null : lane;
    this.draw();
  }

  draw() {
    this.lane.text(this.spec.lane === null ? "Tap a lane to follow it alone." : laneText(this.spec.frame, this.spec.lane));
    drawChart(this.chart);
  }

  key(event) {
    const lane = this.spec.lane;
    const act = {ArrowLeft: () => this.go(this.at - 1), ArrowRight: () => this.go(this.at + 1), Home: () => this.go(0),
                 End: () => this.go(this.frames.length - 1), ArrowDown: () => this.choose(lane === null ? 0 : lane + 1),
                 ArrowUp: () => this.choose(lane === null ? 31 : lane - 1)}[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  // A finger that moves sideways by more than a tap does steps on or back.
  swipe(stage) {
    let from = null;
    stage.addEventListener("pointerdown", event => { from = event.clientX; });
    stage.addEventListener("pointerup", event => {
      const moved = from === null ? 0 : event.clientX - from;
      from = null;
      if (Math.abs(moved) > 30) this.go(this.at + (moved < 0 ? 1 : -1));
    });
  }
}
