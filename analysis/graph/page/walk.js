// The walk along v: the loss, the gradient's slope, which is H v, and the error of finite differences.
// And what starts the page.

class Chart {
  constructor(parent, title, about) {
    this.size = {width: 360, height: 220, left: 52, right: 12, top: 26, bottom: 30};
    this.svg = svgElement("svg", {class: "chart", viewBox: `0 0 ${this.size.width} ${this.size.height}`, role: "img"}, parent);
    svgElement("title", {}, this.svg).textContent = title;
    svgElement("desc", {}, this.svg).textContent = about;
    svgElement("text", {x: this.size.left, y: 16}, this.svg).textContent = title;
  }

  scales(xs, ys) {
    const range = values => {
      const finite = values.filter(value => Number.isFinite(value));
      const low = Math.min(...finite), high = Math.max(...finite);
      return high > low ? [low, high] : [low - 1, high + 1];
    };
    const {width, height, left, right, top, bottom} = this.size;
    const [x0, x1] = range(xs), [y0, y1] = range(ys);
    this.x = x => left + (x - x0) / (x1 - x0) * (width - left - right);
    this.y = y => height - bottom - (y - y0) / (y1 - y0) * (height - top - bottom);
    svgElement("path", {class: "axis", d: `M${left},${top}V${height - bottom}H${width - right}`}, this.svg);
    return [x0, x1, y0, y1];
  }

  label(x, y, text, anchor) {
    svgElement("text", {x, y, "text-anchor": anchor}, this.svg).textContent = text;
  }

  axes(bounds, format) {
    const {width, height, left, right, top, bottom} = this.size;
    this.label(left, height - 12, format.x(bounds[0]), "start");
    this.label(width - right, height - 12, format.x(bounds[1]), "end");
    this.label(left - 4, height - bottom, format.y(bounds[2]), "end");
    this.label(left - 4, top + 8, format.y(bounds[3]), "end");
  }

  // `breaks`: numbers of points that are not joined to the one before.
  line(xs, ys, className, breaks) {
    let path = "", pen = "M";
    xs.forEach((x, i) => {
      if (breaks && breaks.includes(i)) pen = "M";
      if (!Number.isFinite(ys[i])) { pen = "M"; return; }
      path += `${pen}${this.x(x).toFixed(1)},${this.y(ys[i]).toFixed(1)}`;
      pen = "L";
    });
    return svgElement("path", {class: className, d: path}, this.svg);
  }
}

const short = value => String(Number(value.toPrecision(3)));
const power = value => "1e" + Math.round(value);

class Walk {
  constructor(walk, pane) {
    this.walk = walk;
    pane.hidden = false;
    pane.append(make("h2", {}, "A walk along v: x + t·v"));
    pane.append(make("p", {class: "soft"}, "H v is the slope of the gradient along v. A central difference takes it from two gradients, at +h and −h: too large an h sees the curve bend, too small an h sees only rounding. The product by the second pass has neither error."));
    this.slider = make("input", {type: "range", id: "step", min: 0, max: walk.steps.length - 1, step: 1, value: walk.steps.length - 1, "aria-label": "Distance h of the finite difference"});
    this.text = make("output", {for: "step"});
    pane.append(this.slider, make("p", {}, this.text));
    const charts = make("div", {class: "charts"});
    pane.append(charts);
    this.drawLoss(charts);
    this.drawSlope(charts);
    this.drawErrors(charts);
    this.kinks(pane);
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.show(walk.steps.length - 1);
  }

  drawLoss(parent) {
    const chart = this.lossChart = new Chart(parent, "loss(x + t·v)", "The loss along v");
    chart.axes(chart.scales(this.walk.t, this.walk.loss), {x: x => "t = " + short(x), y: short});
    this.changes().forEach(i => {
      const x = chart.x((this.walk.t[i - 1] + this.walk.t[i]) / 2);
      svgElement("path", {class: "kink", d: `M${x},${chart.size.top}V${chart.size.height - chart.size.bottom}`}, chart.svg);
    });
    chart.line(this.walk.t, this.walk.loss, "one", this.changes());
  }

  drawSlope(parent) {
    const {t, slope, curvature} = this.walk;
    const chart = this.slopeChart = new Chart(parent, "⟨gradient, v⟩, its tangent H v, and the secant", "The gradient along v");
    chart.axes(chart.scales(t, slope), {x: x => "t = " + short(x), y: short});
    chart.line(t, slope, "one", this.changes());
    const middle = slope[(slope.length - 1) / 2];
    const tangent = t.map(x => middle + curvature * x);
    const [low, high] = [Math.min(...slope), Math.max(...slope)];
    chart.line(t, tangent.map(y => y >= low && y <= high ? y : NaN), "two");
    this.secant = svgElement("path", {class: "one", stroke: "currentColor"}, chart.svg);
    this.secant.style.stroke = "var(--chosen)";
    this.dots = [0, 1].map(() => svgElement("circle", {class: "dot", r: 4}, chart.svg));
  }

  drawErrors(parent) {
    const {steps, errors} = this.walk;
    const chart = this.errorChart = new Chart(parent, "relative error of the difference, by h", "Error of the finite difference against its step, both logarithmic");
    this.logSteps = steps.map(Math.log10);
    this.logErrors = errors.map(error => error > 0 ? Math.log10(error) : NaN);
    chart.axes(chart.scales(this.logSteps, this.logErrors), {x: x => "h = " + power(x), y: power});
    chart.line(this.logSteps, this.logErrors, "one");
    this.errorDot = svgElement("circle", {class: "dot", r: 5}, chart.svg);
  }

  // Where the function becomes another one: numbers of the first points beyond.
  changes() {
    const pieces = this.walk.pieces || [];
    return pieces.map((piece, i) => i).filter(i => i > 0 && pieces[i] !== pieces[i - 1]);
  }

  kinks(pane) {
    for (const i of this.changes()) {
      const {t, pieces, loss} = this.walk;
      pane.append(make("p", {}, `Between t = ${short(t[i - 1])} and ${short(t[i])} the choice changes from ${pieces[i - 1]} to ${pieces[i]}: the loss goes from ${short(loss[i - 1])} to ${short(loss[i])} in that step. On either side it is smooth, and the Hessian is the one of that side.`));
    }
  }

  at(t) {
    const {t: ts, slope} = this.walk;
    const place = (t - ts[0]) / (ts[ts.length - 1] - ts[0]) * (ts.length - 1);
    const i = Math.min(ts.length - 2, Math.max(0, Math.floor(place)));
    return slope[i] + (slope[i + 1] - slope[i]) * (place - i);
  }

  show(index) {
    const h = this.walk.steps[index], chart = this.slopeChart;
    const ends = [-h, h].map(t => [chart.x(t), chart.y(this.at(t))]);
    this.secant.setAttribute("d", `M${ends[0]}L${ends[1]}`);
    this.dots.forEach((dot, i) => { dot.setAttribute("cx", ends[i][0]); dot.setAttribute("cy", ends[i][1]); });
    const error = this.logErrors[index];
    this.errorDot.style.display = Number.isFinite(error) ? "" : "none";
    if (Number.isFinite(error)) {
      this.errorDot.setAttribute("cx", this.errorChart.x(this.logSteps[index]));
      this.errorDot.setAttribute("cy", this.errorChart.y(error));
    }
    this.text.textContent = `h = ${h.toExponential(1)}: the difference is off by ${Number(this.walk.errors[index]).toExponential(1)} of ‖H v‖; ⟨v, H v⟩ = ${short(this.walk.curvature)}`;
  }
}

(function start() {
  const element = id => document.getElementById(id);
  const data = JSON.parse(element("data").textContent);
  element("about").textContent = data.about;
  const graph = new Graph(data);
  let view = null;
  const setTime = time => {
    const node = graph.nodes[time];
    element("birth").value = time;
    view.showUntil(time);
    element("moment").textContent = `birth ${time + 1} of ${graph.nodes.length}: ${nodeTitle(node)}, ${passName(node.pass)} pass` + (node.parent === undefined ? "" : `, made by the rule of #${node.parent + 1} ${nodeTitle(graph.nodes[node.parent])}`);
  };
  const go = index => {
    view.choose(index);
    if (index > view.time) setTime(index);
    view.reveal();
  };
  const panes = new Panes(graph, data, go);
  view = new View(graph, element("graph"), element("far"), index => panes.show(index));
  const redraw = () => {
    view.draw();
    panes.showLedger(view.layout);
    if (view.chosen !== null) panes.show(view.chosen);
  };
  view.toggle = (original => item => { original.call(view, item); panes.showLedger(view.layout); })(view.toggle);
  redraw();
  view.fit();

  const last = graph.nodes.length - 1;
  element("birth").max = last;
  element("birth").addEventListener("input", event => { setTime(Number(event.target.value)); view.choose(view.time); });
  const step = by => { setTime(Math.min(last, Math.max(0, view.time + by))); view.choose(view.time); view.reveal(); };
  element("earlier").addEventListener("click", () => step(-1));
  element("later").addEventListener("click", () => step(1));
  let timer = 0;
  element("play").addEventListener("click", () => {
    if (timer) { clearInterval(timer); timer = 0; element("play").textContent = "Play"; return; }
    if (view.time === last) setTime(0);
    element("play").textContent = "Stop";
    const pace = Math.max(40, Math.min(500, 20000 / graph.nodes.length));
    timer = setInterval(() => { if (view.time === last) element("play").click(); else step(1); }, pace);
  });
  element("fold").addEventListener("click", () => { graph.foldTo(40); redraw(); view.fit(); });
  element("unfold").addEventListener("click", () => { graph.openOneLevel(); redraw(); });
  element("in").addEventListener("click", () => view.camera.zoomAtCentre(1.25));
  element("out").addEventListener("click", () => view.camera.zoomAtCentre(0.8));
  element("fit").addEventListener("click", () => view.fit());
  for (let pass = 0; pass < graph.passes; pass++) element("legend").append(make("span", {class: "swatch pass" + pass}), passName(pass));
  setTime(last);
  const result = graph.nodes.findIndex(node => node.kind === "operation");
  view.choose(Math.max(0, result));
  if (data.walk) new Walk(data.walk, element("walk-pane"));
  if (!data.walk && data.no_walk) {
    element("walk-pane").hidden = false;
    element("walk-pane").append(make("p", {class: "soft"}, data.no_walk));
  }
  document.documentElement.dataset.ready = String(graph.nodes.length);
})();
