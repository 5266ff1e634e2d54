// The figures beside the source: runs side by side, a launch's counts against the ideal, its mix, caches, bounds, findings.

const USED_COLOR = "#0072B2", WASTED_COLOR = "#D55E00";

// A chart of bars whose rows change; without rows it takes no room.
const drawBarsIfAny = (svg, width, spec) => spec.rows.length > 0 ? drawBars(svg, width, spec) : 0;

function barsSpec(title, unit, rows) {
  return {title, description: rows.map(row => row.label + ": " + row.bars[0].text).join("; "), rows, thickness: 14,
          x: {label: unit, format: shortCount}};
}

// A bar for what was used and a dot for the ideal.
function metricBars(metric, counts) {
  const ideal = metric.ideal(counts), used = metric.of(counts);
  const excess = excessText(metric, counts);
  const bars = [{value: used, color: excess ? WASTED_COLOR : USED_COLOR, kind: "bar", text: shortCount(used) + (excess ? ", " + excess : "")}];
  if (ideal !== null) bars.push({value: ideal, kind: "dot"});
  return bars;
}

function compareSpec(runs, metric) {
  const rows = runs.filter(run => run.counts).map(run => ({label: run.label, bars: metricBars(metric, run.counts)}));
  return barsSpec(metric.label + " of each run", metric.unit, rows);
}

function mixSpec(one) {
  const kinds = one.launch.total.kinds || {};
  const rows = Object.keys(kinds).map(kind => ({label: kind, bars: [{value: kinds[kind], color: USED_COLOR, kind: "bar",
    text: formatPercent(kinds[kind] / one.counts.warps, 0)}]}));
  rows.sort((a, b) => b.bars[0].value - a.bars[0].value);
  return barsSpec("Warp instructions by kind", "warp instructions", rows.slice(0, 12));
}

// A table: each metric that the launch has, used, ideal, and the share of what was used that the ideal needs.
function idealTable(parent, one) {
  const rows = METRICS.filter(metric => metric.of(one.counts) > 0).map(metric => {
    const used = metric.of(one.counts), ideal = metric.ideal(one.counts);
    return [metric.label, formatCount(used), ideal === null ? "–" : formatCount(Math.round(ideal)),
            ideal === null ? "–" : formatPercent(ideal / used, 0)];
  });
  const compulsory = one.run.compulsory;
  if (compulsory && isNumber(compulsory.bytes) && isNumber(one.run.total.moved_bytes)) {
    rows.push(["Bytes, whole run", formatCount(one.run.total.moved_bytes), formatCount(compulsory.bytes),
               formatPercent(compulsory.bytes / one.run.total.moved_bytes, 0)]);
  }
  addTable(parent, {columns: ["", "Used", "Ideal", "Ideal / used"], rows});
}

// DRAM traffic for every size of the cache, of the launch or else of its run or document.
function cacheSpec(data, one) {
  const cache = one.launch.cache || one.run.cache || data.cache || {curve: []};
  const curve = cache.curve.filter(p => p.cache_bytes > 0);
  const series = (label, color, bytes, dash) => ({label, color, dash, points: curve.map(p => ({x: Math.log2(p.cache_bytes), y: bytes(p)}))});
  return {title: "DRAM bytes by size of the L2 cache", points: curve,
          description: curve.map(p => sizeText(p.cache_bytes) + ": " + sizeText(p.read_bytes) + " read, " + sizeText(p.written_bytes) + " written").join("; "),
          x: {label: "Size of the cache, bytes", format: power => sizeText(Math.pow(2, power)).replace("iB", ""), integer: true},
          y: {label: "DRAM bytes", min: 0, format: shortCount},
          series: [series("read", USED_COLOR, p => p.read_bytes), series("written", WASTED_COLOR, p => p.written_bytes, "5 4")]};
}

const drawCache = (svg, width, spec) => spec.points.length > 0 ? drawLines(svg, width, spec) : 0;

const milliseconds = seconds => formatNumber(1e6 * seconds) + " µs";

// The lower bounds of a launch on a named GPU, none of them measured.
function boundTable(parent, one) {
  const bound = one.launch.bound || one.run.bound;
  if (!bound || !bound.parts) return false;
  const rows = Object.keys(bound.parts).filter(part => isNumber(bound.parts[part]))
    .sort((a, b) => bound.parts[b] - bound.parts[a]).map(part => [part.replace(/_/g, " "), milliseconds(bound.parts[part])]);
  rows.push(["at least, by " + String(bound.limited_by).replace(/_/g, " "), milliseconds(bound.seconds)]);
  addTable(parent, {columns: ["", "Time"], rows});
  return true;
}

// Each finding, with a button that opens its line where that is shown: open(launch, line).
function findingsSection(root, data, launches, open) {
  const all = [].concat(data.findings || [], ...data.ladder.map(run => run.findings || []), ...launches.map(one => one.launch.findings || []));
  if (all.length === 0) return;
  const section = addSection(root, all.length === 1 ? "One finding" : all.length + " findings", "");
  all.forEach(finding => {
    const told = section.append("p").attr("class", "failure");
    told.append("span").text(findingText(finding) + " ");
    const one = launches.find(launch => launch.lines.some(line => line.key === keyOf(finding)));
    if (one) told.append("button").attr("type", "button").text("Show the line").on("click", () => open(one, one.lines.find(line => line.key === keyOf(finding))));
  });
}

// What did not run, and why.
function failuresOf(root, data) {
  data.ladder.filter(run => run.status && run.status !== "ran").forEach(run => {
    root.append("p").attr("class", "setting").text(run.name + " " + run.status + (run.reason ? ": " + run.reason : "."));
  });
}
