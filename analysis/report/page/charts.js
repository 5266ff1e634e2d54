// Charts as SVG and tables: line chart, horizontal bars, heat map, legend. They know nothing of studies.
// A chart is drawn at its container's width, so that text keeps its size on a phone and on paper.

const LABEL_WEIGHT = 600;
const charts = [];  // {container, draw(svg, width) -> height, spec}

// Adds a place for a chart to `parent`; drawCharts() draws it, and draws it again when the width changes.
function addChart(parent, draw, spec) {
  const chart = {container: parent.append("div").attr("class", "chart"), draw, spec, number: charts.length};
  charts.push(chart);
  return chart;
}

function drawChart(chart) {
  const box = chart.container;
  const width = Math.max(240, Math.floor(box.node().getBoundingClientRect().width));
  const title = "title-" + chart.number, desc = "desc-" + chart.number;
  box.select("svg").remove();
  const svg = box.append("svg").attr({role: "img", "aria-labelledby": title + " " + desc});
  svg.append("title").attr("id", title).text(chart.spec.title);
  svg.append("desc").attr("id", desc).text(chart.spec.description);
  const height = chart.draw(svg, width, chart.spec);
  svg.attr({viewBox: "0 0 " + width + " " + height, width, height});
}

function drawCharts() {
  charts.forEach(drawChart);
  document.documentElement.dataset.charts = charts.length;
}

// Width in pixels of the widest of `texts` as the SVG's text.
function textWidth(svg, texts, weight) {
  const probe = svg.append("text").style("font-weight", weight || 400);
  const widths = texts.map(text => probe.text(text).node().getComputedTextLength());
  probe.remove();
  return Math.ceil(d3.max(widths) || 0);
}

// `text`, shortened with an ellipsis to `room` pixels.
function fitText(svg, text, room, weight) {
  if (textWidth(svg, [text], weight) <= room) return text;
  let length = text.length;
  while (length > 1 && textWidth(svg, [text.slice(0, length) + "…"], weight) > room) length -= 1;
  return text.slice(0, length) + "…";
}

// Moves `positions` (sorted) apart to at least `gap`, staying between `low` and `high`.
function spread(positions, gap, low, high) {
  const placed = positions.slice();
  for (let i = 0; i < placed.length; i += 1) placed[i] = Math.max(placed[i], i ? placed[i - 1] + gap : low);
  for (let i = placed.length - 1; i >= 0; i -= 1) {
    placed[i] = Math.min(placed[i], i < placed.length - 1 ? placed[i + 1] - gap : high);
  }
  return placed;
}

function logTicks(domain) {
  const decades = Math.log10(domain[1] / domain[0]);
  const steps = decades > 2.5 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(domain[0])); power <= Math.log10(domain[1]); power += 1) {
    steps.forEach(s => ticks.push(Number((s * 10 ** power).toPrecision(1))));  // 0.3, not 0.30000000000000004
  }
  return ticks.filter(t => t >= domain[0] && t <= domain[1]);
}

// d3's ticks, the domain's ends included: rounding may put an end just outside.
function linearTicks([low, high]) {
  const slack = 1e-9 * (high - low);
  return d3.scale.linear().domain([low - slack, high + slack]).ticks(5);
}

// A quiet label centred at `x`, moved and shortened so that it stays within the SVG.
function axisLabel(svg, text, x, y, width) {
  const label = fitText(svg, text, width - 2);
  const half = textWidth(svg, [label]) / 2;
  svg.append("text").attr({class: "quiet", x: Math.max(half, Math.min(width - half, x)), y, "text-anchor": "middle"}).text(label);
}

// --- lines ---------------------------------------------------------------------------------------

function lineDomain(spec, axis) {
  const values = [];
  spec.series.forEach(s => s.points.forEach(p => {
    (axis === "x" ? [p.x] : [p.y, p.low, p.high]).filter(isNumber).forEach(v => values.push(v));
  }));
  if (axis === "y") (spec.references || []).forEach(r => values.push(r.y));
  const extent = values.length ? d3.extent(values) : [0, 1];
  return extent[0] === extent[1] ? [extent[0] - 0.5, extent[1] + 0.5] : extent;
}

function lineScales(spec) {
  const y = lineDomain(spec, "y");
  // A log axis where losses span more than 30-fold: else the lower curves would lie on the floor.
  const log = spec.y.log && y[0] > 0 && y[1] > 30 * y[0];
  const scale = log ? d3.scale.log().domain([y[0] * 0.9, y[1] * 1.1])
    : d3.scale.linear().domain([isNumber(spec.y.min) ? Math.min(spec.y.min, y[0]) : y[0],
                               isNumber(spec.y.max) ? Math.max(spec.y.max, y[1]) : y[1]]).nice(5);
  const ticks = log ? logTicks(scale.domain()) : linearTicks(scale.domain());
  // Enough digits to tell the ticks apart.
  return {x: d3.scale.linear().domain(lineDomain(spec, "x")), y: scale, ticks,
          format: spec.y.format || (log ? d3.format(",") : scale.tickFormat(5)), log};
}

// spec: {title, description, x: {label, integer, format}, y: {label, format, min, max, log},
//   series: [{label, name at the line's end, color, dash, width, points: [{x, y, low, high}]}],
//   references: [{y, label}]}
function drawLines(svg, width, spec) {
  const s = lineScales(spec);
  const ends = spec.series.filter(line => line.label && line.points.some(p => isNumber(p.y)));
  const margin = {top: 26, bottom: 40, left: textWidth(svg, s.ticks.map(s.format)) + 8,
                  right: ends.length ? Math.min(textWidth(svg, ends.map(e => e.label), LABEL_WEIGHT) + 20, Math.round(width * 0.4)) : 10};
  const height = Math.round(Math.max(220, Math.min(300, width * 0.6)));
  const inner = {width: width - margin.left - margin.right, height: height - margin.top - margin.bottom};
  const x = s.x.range([0, inner.width]);
  const y = s.y.range([inner.height, 0]);
  const plot = svg.append("g").attr("transform", "translate(" + margin.left + "," + margin.top + ")");
  drawAxes(plot, s, inner, spec);
  svg.append("text").attr({class: "quiet", x: 0, y: 12}).text(spec.y.label + (s.log ? ", log scale" : ""));
  axisLabel(svg, spec.x.label, margin.left + inner.width / 2, height - 6, width);
  (spec.references || []).forEach(r => {
    plot.append("line").attr({class: "base", x1: 0, x2: inner.width, y1: y(r.y), y2: y(r.y), "stroke-dasharray": "2 4"});
  });
  spec.series.forEach(line => drawSeries(plot, line, x, y));
  drawEndLabels(plot, ends, x, y, inner, margin.right - 16);
  return height;
}

function drawAxes(plot, s, inner, spec) {
  const count = Math.max(2, Math.floor(inner.width / 56));
  const xTicks = s.x.ticks(count).filter(t => !spec.x.integer || Number.isInteger(t));
  plot.append("g").attr("class", "axis").call(
    d3.svg.axis().scale(s.y).orient("left").tickValues(s.ticks).tickFormat(s.format).tickSize(-inner.width).tickPadding(6));
  const bottom = plot.append("g").attr({class: "axis", transform: "translate(0," + inner.height + ")"}).call(
    d3.svg.axis().scale(s.x).orient("bottom").tickValues(xTicks).tickFormat(spec.x.format || (t => minus(d3.round(t, 6) + ""))).tickSize(4).tickPadding(4));
  bottom.append("line").attr({class: "base", x2: inner.width}).style("stroke", "#8a8a8a");
}

function drawSeries(plot, line, x, y) {
  const valid = line.points.filter(p => isNumber(p.y));
  const path = d3.svg.line().defined(p => isNumber(p.y)).x(p => x(p.x)).y(p => y(p.y));
  if (valid.length > 1 && valid.some(p => isNumber(p.low))) {
    const band = d3.svg.area().defined(p => isNumber(p.low) && isNumber(p.high)).x(p => x(p.x)).y0(p => y(p.low)).y1(p => y(p.high));
    plot.append("path").attr({d: band(line.points), fill: line.color, "fill-opacity": 0.15});
  }
  plot.append("path").attr({class: "line", d: path(line.points), stroke: line.color, "stroke-width": line.width || 2,
                            "stroke-dasharray": line.dash || null});
  if (valid.length === 1) plot.append("circle").attr({cx: x(valid[0].x), cy: y(valid[0].y), r: 3.5, stroke: line.color,
                                                            "stroke-width": 1.5, fill: line.dash ? "#fff" : line.color});
}

// `room`: pixels for a label, which is shortened to them.
function drawEndLabels(plot, ends, x, y, inner, room) {
  const labels = ends.map(line => {
    const last = line.points.filter(p => isNumber(p.y)).pop();
    return {line, x: x(last.x), y: y(last.y)};
  }).sort((a, b) => a.y - b.y);
  const gap = Math.min(14, (inner.height + 12) / Math.max(1, labels.length));
  const places = spread(labels.map(l => l.y), gap, 0, inner.height);
  labels.forEach((label, i) => {
    plot.append("path").attr({class: "line", stroke: label.line.color, "stroke-width": 1,
      d: "M" + (label.x + 2) + "," + label.y + "L" + (inner.width + 12) + "," + places[i]});
    plot.append("text").attr({x: inner.width + 16, y: places[i], dy: "0.35em"}).style("fill", d3.rgb(label.line.color).darker(0.5))
      .style("font-weight", LABEL_WEIGHT).text(fitText(plot, label.line.label, room, LABEL_WEIGHT));
  });
}

// --- bars ----------------------------------------------------------------------------------------

// Horizontal bars, so that names and values always have room.
// spec: {title, description, x: {label, format}, reference: {x, label}, thickness,
//   rows: [{label, bars: [{value, low, high, color, kind: "bar"|"outline"|"dot", text}]}]}
function drawBars(svg, width, spec) {
  const bars = [].concat(...spec.rows.map(r => r.bars));
  const thickness = spec.thickness || 15;
  const left = Math.min(textWidth(svg, spec.rows.map(r => r.label)) + 8, width * 0.35);
  const right = Math.max(16, textWidth(svg, bars.map(b => b.text || "")) + 10);  // a tick's half at least
  const values = [].concat(...bars.map(b => [b.value, b.low, b.high])).concat(spec.reference ? spec.reference.x : []).filter(isNumber);
  const x = d3.scale.linear().domain([Math.min(0, d3.min(values)), Math.max(0, d3.max(values)) || 1]).range([left, width - right]);
  const offsets = rowOffsets(spec.rows, thickness);
  const top = spec.reference ? 22 : 6;
  const bottom = top + offsets.total;
  const ticks = x.ticks(Math.max(2, Math.floor((width - left - right) / 64)));
  const axis = svg.append("g").attr({class: "axis", transform: "translate(0," + bottom + ")"}).call(
    d3.svg.axis().scale(x).orient("bottom").tickValues(ticks).tickFormat(spec.x.format || x.tickFormat(ticks.length)).tickSize(-(bottom - top)).tickPadding(6));
  axis.append("line").attr({class: "base", x1: x(0), x2: x(0), y2: -(bottom - top)}).style("stroke", "#8a8a8a");
  spec.rows.forEach((row, i) => {
    const middle = top + offsets.starts[i] + offsets.sizes[i] / 2;
    svg.append("text").attr({x: left - 8, y: middle, dy: "0.35em", "text-anchor": "end"}).text(fitText(svg, row.label, left - 8));
    drawRow(svg, row, x, top + offsets.starts[i], thickness);
  });
  if (spec.reference) {
    const at = x(spec.reference.x);
    svg.append("line").attr({class: "base", x1: at, x2: at, y1: top - 4, y2: bottom, "stroke-dasharray": "3 3"}).style("stroke", "#1b1b1b");
    axisLabel(svg, spec.reference.label, at, 12, width);
  }
  axisLabel(svg, spec.x.label, (left + width - right) / 2, bottom + 36, width);
  return bottom + 44;
}

// A dot shares the bar before it; every other bar has a line of its own.
function rowOffsets(rows, thickness) {
  const sizes = rows.map(r => Math.max(1, r.bars.filter(b => b.kind !== "dot").length) * (thickness + 2));
  const gap = rows.some(r => r.bars.filter(b => b.kind !== "dot").length > 1) ? 12 : 4;
  let total = gap / 2;
  const starts = sizes.map(size => { const start = total; total += size + gap; return start; });
  return {sizes, starts, total};
}

function drawRow(svg, row, x, top, thickness) {
  let y = top - thickness - 2;
  row.bars.forEach(bar => {
    if (bar.kind !== "dot") y += thickness + 2;
    const middle = y + thickness / 2;
    if (isNumber(bar.value)) drawBar(svg, bar, x, y, thickness);
    if (!bar.text) return;
    const end = d3.max([0, bar.value, bar.high].filter(isNumber));
    svg.append("text").attr({class: bar.kind === "outline" ? "quiet" : "", x: x(end) + 5, y: middle, dy: "0.35em"}).text(bar.text);
  });
}

function drawBar(svg, bar, x, y, thickness) {
  const middle = y + thickness / 2;
  if (bar.kind === "dot") {
    svg.append("circle").attr({cx: x(bar.value), cy: middle, r: 4, fill: "#fff", stroke: "#1b1b1b", "stroke-width": 1.5});
    return;
  }
  const outline = bar.kind === "outline";
  svg.append("rect").attr({x: Math.min(x(0), x(bar.value)), y: outline ? y + 1 : y, height: outline ? thickness - 2 : thickness,
    width: Math.abs(x(bar.value) - x(0)), fill: outline ? "#fff" : bar.color, stroke: bar.color, "stroke-width": outline ? 1.5 : 0});
  if (!isNumber(bar.low) || bar.high - bar.low <= 0) return;
  svg.append("path").attr({class: "line", stroke: "#1b1b1b", "stroke-width": 1.5,
    d: "M" + x(bar.low) + "," + middle + "H" + x(bar.high) + "M" + x(bar.low) + "," + (middle - 4) + "v8M" + x(bar.high) + "," + (middle - 4) + "v8"});
}

// --- heat map ------------------------------------------------------------------------------------

const HEAT = d3.scale.linear().domain([0, 0.25, 0.5, 0.75, 1])
  .range(["#ffffff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"]).interpolate(d3.interpolateLab);

// spec: {title, description, rows: [label], columns: [label], values: [row][column], max,
//   x: {label}, y: {label}, format}
function drawHeat(svg, width, spec) {
  const left = Math.min(textWidth(svg, spec.rows) + 8, width * 0.35);
  const top = 40;
  const cell = {width: (width - left - 1) / spec.columns.length, height: spec.rows.length > 24 ? 14 : 22};
  const share = v => HEAT(Math.max(0, Math.min(1, v / spec.max)));
  const every = Math.ceil((textWidth(svg, spec.columns) + 6) / cell.width);
  svg.append("text").attr({class: "quiet", x: 0, y: 12}).text(spec.y.label);
  svg.append("text").attr({class: "quiet", x: width - 1, y: 12, "text-anchor": "end"}).text(spec.x.label);
  spec.columns.forEach((label, c) => {
    if (c % every) return;
    svg.append("text").attr({class: "quiet", x: left + (c + 0.5) * cell.width, y: top - 7, "text-anchor": "middle"}).text(label);
  });
  const texts = [].concat(...spec.values).filter(isNumber).map(spec.format);
  const numbered = cell.height >= 20 && textWidth(svg, texts) + 4 <= cell.width;
  spec.rows.forEach((label, r) => {
    const y = top + r * cell.height;
    svg.append("text").attr({x: left - 8, y: y + cell.height / 2, dy: "0.35em", "text-anchor": "end"}).text(fitText(svg, label, left - 8));
    spec.values[r].forEach((value, c) => {
      const rect = svg.append("rect").attr({x: left + c * cell.width, y, width: cell.width, height: cell.height,
        fill: isNumber(value) ? share(value) : "#dddddd", stroke: cell.width > 12 ? "#fff" : "none"});
      rect.append("title").text(label + ", " + spec.x.label.toLowerCase() + " " + spec.columns[c] + ": " + formatPercent(value));
      if (!numbered || !isNumber(value)) return;
      svg.append("text").attr({x: left + (c + 0.5) * cell.width, y: y + cell.height / 2, dy: "0.35em", "text-anchor": "middle"})
        .style("fill", value / spec.max > 0.5 ? "#fff" : "#1b1b1b").text(spec.format(value));
    });
  });
  const bottom = top + spec.rows.length * cell.height;
  svg.append("rect").attr({x: left, y: top, width: width - left - 1, height: bottom - top, fill: "none", stroke: "#b5b5b5"});
  return drawColorBar(svg, left, width, bottom + 12, spec.max) + 4;
}

function drawColorBar(svg, left, width, y, max) {
  const from = left + textWidth(svg, ["0 %"]) + 6;
  const length = Math.min(160, width - from - 60);
  const steps = 32;
  d3.range(steps).forEach(i => {
    svg.append("rect").attr({x: from + i * length / steps, y, width: length / steps + 0.5, height: 10, fill: HEAT((i + 0.5) / steps)});
  });
  svg.append("rect").attr({x: from, y, width: length, height: 10, fill: "none", stroke: "#b5b5b5"});
  svg.append("text").attr({class: "quiet", x: from - 6, y: y + 5, dy: "0.35em", "text-anchor": "end"}).text("0 %");
  svg.append("text").attr({class: "quiet", x: from + length + 6, y: y + 5, dy: "0.35em"}).text(formatPercent(max, 0));
  return y + 12;
}

// --- legend and tables ---------------------------------------------------------------------------

// items: [{label, color, kind: "line"|"bar"|"outline"|"dot", dash}]
function addLegend(parent, items) {
  const list = parent.append("ul").attr("class", "legend");
  items.forEach(item => {
    const entry = list.append("li");
    const svg = entry.append("svg").attr({viewBox: "0 0 26 12", "aria-hidden": "true"});
    if (item.kind === "dot") svg.append("circle").attr({cx: 13, cy: 6, r: 4, fill: "#fff", stroke: "#1b1b1b", "stroke-width": 1.5});
    else if (item.kind === "line") svg.append("line").attr({x1: 1, x2: 25, y1: 6, y2: 6, stroke: item.color, "stroke-width": item.width || 2, "stroke-dasharray": item.dash || null});
    else svg.append("rect").attr({x: 3, y: 1, width: 20, height: 10, fill: item.kind === "outline" ? "#fff" : item.color, stroke: item.color, "stroke-width": 1.5});
    entry.append("span").text(item.label);
  });
}

// Sets text that may break after dots and underscores, as in model.head.gate_input_dropout.
function breakable(selection, text) {
  text.split(/(?<=[._])(?=[a-z])/).forEach((part, i) => {
    if (i) selection.append("wbr");
    selection.node().appendChild(document.createTextNode(part));
  });
}

// columns: [text]; rows: [[first, cell...]] where a cell is text or {text, error, was (a muted second line), span};
// a row of one entry is a heading within the table. kind "fields": long names, cells of text.
function addTable(parent, spec) {
  const table = parent.append("div").attr("class", "scroll").append("table").classed("fields", spec.kind === "fields").classed("many", (spec.columns || []).length > 4);
  if (spec.caption) table.append("caption").text(spec.caption);
  if (spec.columns) {
    table.append("thead").append("tr").selectAll("th").data(spec.columns).enter().append("th").attr("scope", "col").text(c => c);
  }
  const body = table.append("tbody");
  spec.rows.forEach(row => {
    const line = body.append("tr").classed("part", row.length === 1);
    line.append("th").attr({scope: "row", colspan: row.length === 1 ? (spec.columns || [0, 0]).length : null}).call(breakable, row[0]);
    row.slice(1).forEach(cell => {
      const value = typeof cell === "string" ? {text: cell} : cell;
      const td = line.append("td").attr("colspan", value.span || null).call(breakable, value.text);
      if (value.error) td.append("span").attr("class", "error").text(" " + value.error);
      if (value.was) td.append("span").attr("class", "was").text(value.was);
    });
  });
}

// The numbers behind a figure, folded away: for screen readers and for copying.
function addData(parent, tables) {
  const details = parent.append("details");
  details.append("summary").text("Numbers of this figure");
  tables.forEach(table => addTable(details, table));
}
