// Accuracy and curvature against the share of the multiply-adds that is routed (analysis/verdicts/routed_share.cpp computes;
// this only shows).

const SHARE_LABEL = "Routed share \u03c1 of the multiply-adds, log scale";

function routedShareSection(root, data, groups) {
  if (!data || data.figures.length === 0) return;
  const section = addSection(root, "Accuracy and curvature against the routed share", "The share \u03c1 of a model's multiply-adds that is routed says how " +
    "much of it is a mixture at all. Models without routing, \u03c1 = 0, are dashed lines across each chart.");
  shareFigure(section, data.figures, groups);
  data.verdicts.filter(v => v.trends.length).forEach(verdict => shareVerdict(section, verdict));
}

function shareFigure(section, figures, groups) {
  const figure = section.append("figure");
  const groupOf = model => groups.find(g => g.name === model.model);
  const shown = groups.filter(g => figures.some(f => f.models.some(m => m.model === g.name)));
  addLegend(figure, headItems(shown).concat({label: "one seed", kind: "dot"}));
  const panels = figure.append("div").attr("class", "panels");
  figures.forEach(f => addPanel(panels, capital(f.quantity), drawShares, {
    title: capital(f.quantity) + " by routed share", description: "One column per model that routes: a dot for each seed, the mean with its interval; the dense model as a line.",
    x: {label: SHARE_LABEL}, y: f.scale === "ratio" ? {label: "Log scale", log: true} : {label: "%", format: x => minus(d3.round(100 * x, 2) + "")},
    models: f.models.map(m => Object.assign({color: groupOf(m).color}, m))}));
  addCaption(figure, "Dots are seeds, ticks means over seeds (of curvature geometric ones) with Student's 95 % interval; the band is that of the dense model. " +
    "Models of nearly the same share are moved apart. Intervals of models do not say whether two differ: seeds share images and start, so pairs tell more (below).");
  addData(figure, figures.map(f => ({caption: capital(f.quantity), columns: ["Model", "\u03c1", "Mean", "95 % interval", "Seeds"], rows: f.models.map(m =>
    [groupOf(m).title, formatShare(m.share), isNumber(m.mean) ? formatNumber(m.mean) : "–", intervalText(m), m.values.map(formatNumber).join(", ")])})));
}

const capital = text => text.charAt(0).toUpperCase() + text.slice(1);
const intervalText = m => isNumber(m.low) && isNumber(m.high) ? formatNumber(m.low) + " to " + formatNumber(m.high) : "–";

// A statement about more routing, then each quantity's trend with the pairs that it is made of.
function shareVerdict(section, verdict) {
  const figure = section.append("figure");
  const finding = FINDINGS[verdict.finding];
  figure.append("h3").text(verdict.statement + " ").append("span").style("color", finding.color).text(capital(finding.text) + ".");
  const rows = [];
  verdict.trends.forEach(trend => {
    rows.push([capital(trend.quantity) + ": " + trendText(trend)]);
    trend.models.forEach(m => rows.push([comparedText(m), formatShare(m.share), pairCell(m)]));
  });
  addTable(figure, {columns: ["", "\u03c1", "Estimate"], rows});
  addCaption(figure, verdict.rule);
}

// "supported; rank correlation 0.62, p = 0.004, 12 runs".
function trendText(trend) {
  const runs = d3.sum(trend.models, m => m.values.length);
  const figures = isNumber(trend.correlation) ? "rank correlation " + minus(trend.correlation.toFixed(2)) + ", p = " + formatNumber(trend.p_value) +
    (trend.exact ? "" : " (sampled)") + ", " : "";
  return FINDINGS[trend.finding].text + "; " + figures + runs + (runs === 1 ? " run" : " runs") + (trend.reason ? "; " + trend.reason : "");
}

function comparedText(m) {
  return modelName(m.model) + (m.scale === "ratio" ? " over " : " less ") + modelName(m.baseline) + (m.reason ? " (" + m.reason + ")" : "");
}

function pairCell(m) {
  const format = x => m.scale === "ratio" ? formatNumber(x) : minus(d3.round(100 * x, 2) + "");
  const estimate = x => m.scale === "ratio" ? "× " + format(x) : format(x) + " points";
  if (!isNumber(m.mean)) return m.values.length === 1 && isNumber(m.values[0]) ? estimate(m.values[0]) : "–";
  return {text: estimate(m.mean), was: format(m.low) + " to " + format(m.high)};
}

// --- chart ---------------------------------------------------------------------------------------

// spec: {title, description, x: {label}, y: {label, log, format}, models: [{share, values, mean, low, high, color}]}. Models of
// share 0 are lines with a band.
function drawShares(svg, width, spec) {
  const y = shareScale(spec);
  const margin = {top: 26, bottom: 40, left: textWidth(svg, y.ticks.map(y.format)) + 8, right: 14};
  const height = Math.round(Math.max(220, Math.min(300, width * 0.6)));
  const inner = {width: width - margin.left - margin.right, height: height - margin.top - margin.bottom};
  const routed = spec.models.filter(m => m.share > 0);
  const [low, high] = d3.extent(routed, m => m.share);
  const x = d3.scale.log().domain([low / 2, Math.min(1, high * 2)]).range([0, inner.width]);
  y.scale.range([inner.height, 0]);
  const plot = svg.append("g").attr("transform", "translate(" + margin.left + "," + margin.top + ")");
  drawShareAxes(plot, x, y, inner);
  svg.append("text").attr({class: "quiet", x: 0, y: 12}).text(spec.y.label);
  axisLabel(svg, spec.x.label, margin.left + inner.width / 2, height - 6, width);
  spec.models.filter(m => m.share === 0).forEach(m => drawDense(plot, m, y.scale, inner));
  sideBySide(routed, x).forEach(({model, at}) => drawSeeds(plot, model, at, y.scale));
  return height;
}

// Log only where every value and every interval is above zero.
function shareScale(spec) {
  const values = [].concat(...spec.models.map(m => m.values.concat([m.low, m.high]))).filter(isNumber);
  const [low, high] = values.length ? d3.extent(values) : [0, 1];
  const log = spec.y.log && low > 0;
  const pad = log ? 1.1 : (high - low || 1) * 0.06;
  const scale = log ? d3.scale.log().domain([low / pad, high * pad]) : d3.scale.linear().domain([low - pad, high + pad]);
  const powers = log ? logTicks(scale.domain()) : [];
  const ticks = powers.length > 2 ? powers : linearTicks(scale.domain());  // a short log axis has few round powers
  return {scale, ticks, format: spec.y.format || (log ? d3.format(",") : scale.tickFormat(5))};
}

// At most a tick for 64 pixels, for a share may be "0.014 %".
function drawShareAxes(plot, x, y, inner) {
  const all = logTicks(x.domain());
  const every = Math.ceil(all.length / Math.max(2, Math.floor(inner.width / 64)));
  plot.append("g").attr("class", "axis").call(
    d3.svg.axis().scale(y.scale).orient("left").tickValues(y.ticks).tickFormat(y.format).tickSize(-inner.width).tickPadding(6));
  const bottom = plot.append("g").attr({class: "axis", transform: "translate(0," + inner.height + ")"}).call(
    d3.svg.axis().scale(x).orient("bottom").tickValues(all.filter((t, i) => i % every === 0)).tickFormat(shareTick).tickSize(4).tickPadding(4));
  bottom.append("line").attr({class: "base", x2: inner.width}).style("stroke", "#8a8a8a");
}

const shareTick = x => Number((100 * x).toPrecision(2)) + " %";

function drawDense(plot, model, y, inner) {
  if (isNumber(model.low) && isNumber(model.high)) {
    plot.append("rect").attr({x: 0, width: inner.width, y: y(model.high), height: y(model.low) - y(model.high), fill: model.color, "fill-opacity": 0.12});
  }
  const level = isNumber(model.mean) ? model.mean : d3.mean(model.values.filter(isNumber));
  if (!isNumber(level)) return;
  plot.append("line").attr({x1: 0, x2: inner.width, y1: y(level), y2: y(level), stroke: model.color, "stroke-width": 1.5, "stroke-dasharray": DASH});
}

// Models, which come by ascending share, with their places in pixels: moved apart where they would cover each other.
function sideBySide(models, x) {
  const places = spread(models.map(model => x(model.share)), 18, 8, x.range()[1] - 10);
  return models.map((model, i) => ({model, at: places[i]}));
}

// Seeds on the left of the place, mean and interval on it.
function drawSeeds(plot, model, at, y) {
  model.values.filter(isNumber).forEach(value => plot.append("circle").attr({cx: at - 5, cy: y(value), r: 3, fill: "#fff", stroke: model.color, "stroke-width": 1.5}));
  if (!isNumber(model.mean)) return;
  plot.append("path").attr({class: "line", stroke: model.color, "stroke-width": 2,
    d: "M" + (at + 1) + "," + y(model.mean) + "h8M" + (at + 5) + "," + y(model.low) + "V" + y(model.high)});
}
