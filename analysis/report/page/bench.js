// Builds the page about a benchmark of routing or of the MoE layer from results in Google Benchmark's format.

const FACTORS = [["tokens", "Tokens"], ["experts", "Experts"], ["k", "Experts per token (k)"]];
const SIZES = ["tokens", "width", "hidden", "out", "experts", "k"];
const SETTING = ["benchmark", "order", "dtype", "device", "activation", "distribution"].concat(SIZES);
const VARIANT_COLORS = ["#D55E00", "#E69F00", "#56B4E9", "#0072B2", "#009E73", "#CC79A7", "#000000", "#7F7F7F"];
const NAIVE_COLOR = "#F2C9A8";  // the naive rung is faster here

const variantOf = row => row.stage === "layer" || row.variant.indexOf(row.stage) === 0 ? row.variant : row.stage + " " + row.variant;
const orDash = (x, format) => isNumber(x) ? format(x) : "–";  // a figure that the device does not have is absent
const unique = values => values.filter((value, i) => values.indexOf(value) === i);
const settingOf = (row, without) => SETTING.filter(f => f !== without).map(f => row[f]).join("/");
const log2 = x => Math.log(x) / Math.LN2;

// The unit that suits the times of these rows: {of: nanoseconds -> number, label, short}.
function timeUnit(rows) {
  const small = d3.median(rows, row => row.real_time) < 1e6;
  return {of: small ? ns => ns * 1e-3 : ns => ns * 1e-6, label: small ? "Microseconds" : "Milliseconds", short: small ? "µs" : "ms"};
}

function colorsOf(rows) {
  const colors = {};
  unique(rows.map(variantOf)).forEach((variant, i) => { colors[variant] = VARIANT_COLORS[i % VARIANT_COLORS.length]; });
  return colors;
}

function buildReport(root, data) {
  const timed = data.benchmarks.filter(row => !row.error_occurred);
  benchHeadline(root, data, timed);
  if (timed.length) {
    const colors = colorsOf(timed);
    const first = timed.filter(row => settingOf(row) === settingOf(timed[0]));
    sideBySide(root, first, colors, first.length < timed.length);
    shares(root, first, colors);
    FACTORS.forEach(([factor, label]) => byFactor(root, timed, factor, label, colors));
    bySkew(root, timed, colors);
    breakEven(root, timed);
    benchTable(root, timed);
  }
  failures(root, data.benchmarks.filter(row => row.error_occurred));
  root.append("footer").append("p").text("Written by Switchyard " + data.context.machine.version +
    ". Charts: d3 3.5 (BSD licence, Michael Bostock).");
}

function benchHeadline(root, data, timed) {
  const machine = data.context.machine;
  const isRouting = data.benchmarks.length > 0 && data.benchmarks[0].benchmark === "routing";
  root.append("h1").text(isRouting ? "Routing, from gate logits to slots and back" : "The experts of a mixture-of-experts layer");
  root.append("p").attr("class", "byline").text([machine.cpu, machine.threads + " threads", "device " + machine.device,
    data.context.date.replace("T", " ").replace("+00:00", " UTC")].join(" · "));
  root.append("p").attr("class", "summary").text(timed.length + " of " + data.benchmarks.length + " rows agree with the float64 reference and are timed. " +
    "Times are medians; bands reach from the 20th to the 80th percentile. Bytes are those that the kernels declare to move; the least is every operand " +
    "read once and every result written once, matrices of experts without tokens left out." +
    (timed.some(hasCold) ? " Times on a GPU are between two events, each call right after one of the same; cold: after its L2 cache was overwritten." : ""));
  const verdict = verdictOf(timed.filter(row => row.stage === "layer"));
  if (verdict) root.append("p").attr("class", "summary").text(verdict);
}

const hasCold = row => isNumber(row.cold_time_ns);

// In words: where the naive rung, the first of the ladder, wins, and what the fastest other is worth against it.
function verdictOf(layer) {
  if (layer.length === 0) return "";
  const naive = layer[0].variant;
  const races = d3.nest().key(row => settingOf(row)).entries(layer).map(set => {
    const own = set.values.find(row => row.variant === naive);
    const other = set.values.filter(row => row.variant !== naive).sort((a, b) => a.real_time - b.real_time)[0];
    return own && other ? {ratio: own.real_time / other.real_time, variant: other.variant} : null;
  }).filter(Boolean);
  if (races.length === 0) return "";
  const count = races.filter(race => race.ratio < 1).length;
  const most = races.reduce((a, b) => b.ratio > a.ratio ? b : a);
  const least = races.reduce((a, b) => b.ratio < a.ratio ? b : a);
  const times = race => formatNumber(race.ratio) + " times as fast (" + race.variant + ")";
  if (races.length === 1) return "The fastest other variant is " + times(most) + " as " + naive + ".";
  return naive + " is the fastest in " + count + " of " + races.length + " workloads. The fastest other variant is at best " + times(most) + " and at worst " + times(least) + ".";
}

// Routing has no hidden units, results or activation.
const describe = row => (row.benchmark === "routing" ? ["tokens", "width", "experts", "k"] : SIZES).map(f => f + " " + formatCount(row[f]))
  .concat(row.benchmark === "routing" ? [] : [row.activation], [row.distribution]).join(", ") + "; " + row.order + ", " + row.dtype + " on " + row.device;

// --- one workload --------------------------------------------------------------------------------

function sideBySide(root, rows, colors, more) {
  const section = addSection(root, "Side by side", (more ? "The first workload: " : "") + describe(rows[0]) + ".");
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  const unit = timeUnit(rows);
  const bars = (value, band) => rows.map(row => ({label: variantOf(row), bars: [Object.assign({value: value(row), color: colors[variantOf(row)],
    text: orDash(value(row), formatNumber)}, band ? {low: unit.of(row[band[0]]), high: unit.of(row[band[1]])} : {})]}));
  const time = (heading, field, band) => addPanel(panels, heading, drawBars, {title: heading + " of a call by variant", description: "Median time of every variant.",
    x: {label: unit.label}, rows: bars(row => unit.of(row[field]), band)});
  time("Time", "real_time", ["p20_ns", "p80_ns"]);
  if (rows.every(hasCold)) time("Time, cold L2 cache", "cold_time_ns", ["cold_p20_ns", "cold_p80_ns"]);
  addPanel(panels, "Bytes moved, in units of the least", drawBars, {title: "Bytes moved by variant", description: "Bytes moved over compulsory bytes.",
    x: {label: "Bytes moved / least bytes"}, reference: {x: 1, label: "least"}, rows: bars(row => row.bytes_ratio)});
  addCaption(figure, "Launches, host waits and all other figures stand in the table below.");
}

function shares(root, rows, colors) {
  if (!rows.some(row => row.share_of_product > 0 || row.share_of_copy > 0)) return;
  const product = rows.some(row => row.share_of_product > 0);
  const section = addSection(root, "Share of what the device reaches", "A copy moves " + formatNumber(rows[0].copy_bytes_per_second * 1e-9) + " GB/s" + (product ?
    " and a dense product of as many flops reaches " + formatNumber(rows[0].product_flops_per_second * 1e-9) + " GFLOP/s" : "") + ", measured in the same run.");
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  [["share_of_copy", "Of the copy's rate"], ["share_of_product", "Of the dense product's rate"]].forEach(([field, heading]) => {
    if (!rows.some(row => row[field] > 0)) return;  // routing has no flops
    addPanel(panels, heading, drawBars, {title: heading, description: heading + ", by variant.", x: {label: "Percent", format: x => Math.round(100 * x)},
      reference: {x: 1, label: "100 %"}, rows: rows.map(row => ({label: variantOf(row), bars: [{value: row[field], color: colors[variantOf(row)], text: formatPercent(row[field], 0)}]}))});
  });
  addCaption(figure, "Above 100 % of a copy: the operands fit a cache, the copy's do not.");
}

// --- one factor ----------------------------------------------------------------------------------

// The rows that differ in `factor` alone, of the setting for which it takes the most values; none for a single value.
function rowsAlong(timed, factor) {
  const sets = d3.nest().key(row => settingOf(row, factor)).entries(timed);
  const count = set => unique(set.values.map(row => row[factor])).length;
  const best = sets.sort((a, b) => count(b) - count(a))[0];
  return best && count(best) > 1 ? best.values : [];
}

// With `band`, the 20th and 80th percentile in the same unit around each point.
function seriesAlong(rows, factor, colors, value, band) {
  return unique(rows.map(variantOf)).map(variant => ({label: variant, color: colors[variant],
    points: rows.filter(row => variantOf(row) === variant).sort((a, b) => a[factor] - b[factor]).map(row => Object.assign(
      {x: log2(row[factor]), y: value(row)}, band ? {low: band(row.p20_ns), high: band(row.p80_ns)} : {}))}));
}

function byFactor(root, timed, factor, label, colors) {
  const rows = rowsAlong(timed, factor).filter(row => row[factor] > 0);
  if (rows.length === 0) return;
  const layer = rows.filter(row => row.stage === "layer" || row.stage === "slots_and_back");
  const shown = layer.length ? layer : rows;
  const unit = timeUnit(shown);
  const section = addSection(root, "By " + label.toLowerCase(), describe(rows[0]).replace(factor + " " + formatCount(rows[0][factor]) + ", ", "") + ".");
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  const x = {label: label + ", log scale", integer: true, format: t => formatCount(Math.round(2 ** t))};
  addPanel(panels, "Time", drawLines, {title: "Time by " + factor, description: "Time of each variant by " + factor + ".",
    x, y: {label: unit.label, min: 0, log: true}, series: seriesAlong(shown, factor, colors, row => unit.of(row.real_time), unit.of)});
  const least = {label: "least", color: "#7F7F7F", dash: DASH, points: seriesAlong(shown, factor, colors, row => row.compulsory_bytes * 1e-6)[0].points};
  addPanel(panels, "Bytes moved", drawLines, {title: "Bytes moved by " + factor, description: "Bytes moved by each variant by " + factor + ".",
    x, y: {label: "MB", min: 0, log: true}, series: seriesAlong(shown, factor, colors, row => row.bytes_moved * 1e-6).concat([least])});
}

function bySkew(root, timed, colors) {
  const rows = rowsAlong(timed, "distribution");
  if (rows.length === 0) return;
  const unit = timeUnit(rows);
  const section = addSection(root, "By skew", describe(rows[0]).replace(", " + rows[0].distribution, "") + ".");
  const figure = section.append("figure");
  addLegend(figure, unique(rows.map(variantOf)).map(variant => ({label: variant, color: colors[variant], kind: "bar"})));
  const panels = figure.append("div").attr("class", "panels");
  const bars = value => unique(rows.map(row => row.distribution)).map(distribution => ({label: distribution,
    bars: rows.filter(row => row.distribution === distribution).map(row => ({value: value(row), color: colors[variantOf(row)], text: formatNumber(value(row))}))}));
  addPanel(panels, "Time", drawBars, {title: "Time by distribution", description: "Time of each variant by distribution.",
    x: {label: unit.label}, rows: bars(row => unit.of(row.real_time))});
  addPanel(panels, "Bytes moved", drawBars, {title: "Bytes by distribution", description: "Bytes moved by each variant by distribution.",
    x: {label: "MB"}, rows: bars(row => row.bytes_moved * 1e-6)});
}

// --- break-even map ------------------------------------------------------------------------------

// For each distribution the time of the naive rung, the first of the ladder, over that of the fastest other.
function breakEven(root, timed) {
  const layer = timed.filter(row => row.stage === "layer");
  const sets = d3.nest().key(row => [row.order, row.dtype, row.device, row.distribution].join("/")).entries(layer)
    .filter(set => isMap(set.values));
  if (sets.length === 0) return;
  const naive = layer[0].variant;
  const section = addSection(root, "Break-even map", "Time of " + naive + " over the time of the fastest other variant: above 1 the other wins. Shaded: " +
    naive + " wins.");
  const figure = section.append("figure");
  addLegend(figure, [{label: naive + " wins", color: NAIVE_COLOR, kind: "bar"}, {label: "the fastest other wins", color: HEAT(0.5), kind: "bar"}]);
  const panels = figure.append("div").attr("class", "panels");
  sets.forEach(set => addPanel(panels, set.values[0].distribution, drawMap, mapOf(set.values, naive)));
}

// Whether tokens and experts were combined rather than varied one at a time.
function isMap(rows) {
  const count = read => unique(rows.map(read)).length;
  const tokens = count(row => row.tokens);
  const experts = count(row => row.experts);
  return tokens > 1 && experts > 1 && count(row => row.tokens + "/" + row.experts) > tokens * experts / 2;
}

function mapOf(rows, naive) {
  const sorted = field => unique(rows.map(row => row[field])).sort((a, b) => a - b);
  const tokens = sorted("tokens");
  const experts = sorted("experts");
  const cells = experts.map(e => tokens.map(t => {
    const here = rows.filter(row => row.tokens === t && row.experts === e);
    const own = here.find(row => row.variant === naive);
    const others = here.filter(row => row.variant !== naive).sort((a, b) => a.real_time - b.real_time);
    return own && others.length ? {ratio: own.real_time / others[0].real_time, winner: others[0].variant} : null;
  }));
  return {title: "Break-even map, " + rows[0].distribution, description: "Ratio of times by tokens and experts.", tokens, experts, cells, naive};
}

function drawMap(svg, width, spec) {
  const left = textWidth(svg, spec.experts.map(formatCount)) + 10;
  const cell = {width: (width - left - 1) / spec.tokens.length, height: 24};
  const top = 34;
  svg.append("text").attr({class: "quiet", x: 0, y: 12}).text("Experts");
  svg.append("text").attr({class: "quiet", x: width - 1, y: 12, "text-anchor": "end"}).text("Tokens");
  const every = Math.ceil((textWidth(svg, spec.tokens.map(formatCount)) + 6) / cell.width);
  spec.tokens.forEach((t, c) => {
    if (c % every) return;
    svg.append("text").attr({class: "quiet", x: left + (c + 0.5) * cell.width, y: top - 7, "text-anchor": "middle"}).text(formatCount(t));
  });
  spec.experts.forEach((e, r) => {
    const y = top + r * cell.height;
    svg.append("text").attr({x: left - 8, y: y + cell.height / 2, dy: "0.35em", "text-anchor": "end"}).text(formatCount(e));
    spec.cells[r].forEach((value, c) => drawMapCell(svg, value, left + c * cell.width, y, cell, spec.naive));
  });
  return top + spec.experts.length * cell.height + 6;
}

function drawMapCell(svg, value, x, y, cell, naive) {
  const share = value ? Math.min(1, log2(value.ratio) / 5) : 0;  // darkest from 32 times
  const fill = !value ? "#dddddd" : value.ratio < 1 ? NAIVE_COLOR : HEAT(0.1 + 0.9 * share);
  const rect = svg.append("rect").attr({x, y, width: cell.width, height: cell.height, fill, stroke: "#fff"});
  if (!value) return;
  rect.append("title").text(value.ratio < 1 ? naive + " wins" : value.winner + " wins");
  const text = value.ratio < 10 ? value.ratio.toFixed(1) : value.ratio.toFixed(0);
  if (textWidth(svg, [text]) + 2 > cell.width) return;
  svg.append("text").attr({x: x + cell.width / 2, y: y + cell.height / 2, dy: "0.35em", "text-anchor": "middle"})
    .style("fill", value.ratio >= 1 && share > 0.5 ? "#fff" : "#1b1b1b").text(text);
}

// --- all figures ---------------------------------------------------------------------------------

function benchTable(root, timed) {
  const section = addSection(root, "All figures");
  const share = x => orDash(x || undefined, known => formatPercent(known, 0));
  const unit = timeUnit(timed);
  const time = (row, median, low, high) => isNumber(row[median]) ? {text: formatNumber(unit.of(row[median])),
    was: formatNumber(unit.of(row[low])) + "–" + formatNumber(unit.of(row[high]))} : "–";
  figureTable(section, timed, ["Time (" + unit.short + ")", "Of copy", "GFLOP/s", "Of dense", "Error"], row => [time(row, "real_time", "p20_ns", "p80_ns"),
    share(row.share_of_copy), orDash(row.flops_per_second * 1e-9 || undefined, formatNumber), share(row.share_of_product), row.error.toExponential(0)]);
  if (timed.some(hasCold)) {
    figureTable(section, timed, ["Cold L2 (" + unit.short + ")", "Of warm"], row => [time(row, "cold_time_ns", "cold_p20_ns", "cold_p80_ns"),
      share(row.cold_time_ns / row.real_time)]);
  }
  figureTable(section, timed, ["Kernels", "Grids", "Waits", "MB moved", "Least"], row => [
    formatCount(row.kernels), orDash(row.launches, formatCount), formatCount(row.host_waits), formatNumber(row.bytes_moved * 1e-6),
    formatNumber(row.compulsory_bytes * 1e-6)]);
  addCaption(section, "Grids are what a GPU launches; the host's kernels launch none. Waits: how often the host waits for a result within a call.");
}

// A line per row under a heading per workload.
function figureTable(section, timed, columns, cells) {
  const rows = [];
  d3.nest().key(row => settingOf(row)).entries(timed).forEach(set => {
    rows.push([describe(set.values[0]) + ", " + set.values[0].active_experts + " experts with tokens, tiles of 64 slots " +
      formatPercent(set.values[0].tile_padding, 0) + " empty"]);
    set.values.forEach(row => rows.push([variantOf(row)].concat(cells(row))));
  });
  addTable(section, {columns: ["Variant"].concat(columns), rows});
}

function failures(root, rows) {
  if (rows.length === 0) return;
  const section = addSection(root, "Without a time");
  addTable(section, {kind: "fields", columns: ["Row", "Reason"], rows: rows.map(row => [row.name, row.error_message])});
}
