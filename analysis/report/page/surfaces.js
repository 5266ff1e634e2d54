// What lies around the trained parameters beyond the loss along lines: accuracy and changed experts there, surfaces over planes,
// the worst case in balls, the average under noise. Files of earlier versions have none of it, and then nothing is drawn.

// --- along lines ---------------------------------------------------------------------------------

const LINE_DIRECTIONS = DIRECTIONS.concat([
  {heading: "Along the second eigenvector", label: "Step α along the unit vector", curves: p => (p.lower_eigenvectors || []).slice(0, 1)},
  {heading: "Along the gradient", label: "Step α along the unit gradient (α > 0: uphill)", curves: p => p.gradient ? [p.gradient] : []}
]);

// A curve of `quantity`, "accuracy" or "changed", in the place of the losses; null where the file lacks it.
const quantityCurve = (curve, quantity) => curve[quantity] ? {alphas: curve.alphas, train: curve[quantity].train, test: curve[quantity].test} : null;

// The figure of one quantity along every direction of which it was measured.
function lineFigure(section, groups, directions, quantity, spec) {
  const measured = directions.map(direction => {
    const of = g => [].concat(...g.runs.map(r => direction.curves(r.results.perturbation))).map(spec.read).filter(Boolean);
    return {direction, of, groups: groups.filter(g => of(g).length)};
  }).filter(m => m.groups.length);
  if (measured.length === 0) return;
  section.append("h3").text(spec.heading);
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  measured.forEach(m => addPanel(panels, m.direction.heading, drawLines, {
    title: quantity + " " + m.direction.heading.toLowerCase(), description: spec.description,
    x: {label: m.direction.label}, y: spec.y,
    series: [].concat(...m.groups.map(g => perturbationSeries(g, m.of(g), "train").concat(perturbationSeries(g, m.of(g), "test"))))}));
  addCaption(figure, spec.caption);
  addData(figure, measured.map(m => lineTable(m, quantity, spec.format)));
}

function lineFigures(section, groups) {
  const percent = {min: 0, format: x => Math.round(100 * x)};
  lineFigure(section, groups, LINE_DIRECTIONS.slice(DIRECTIONS.length), "Cross-entropy", {heading: "Further directions", read: c => c,
    description: "Training and test cross-entropy of each head by the step.", y: {label: "Cross-entropy (nats)", log: true, min: 0}, format: formatNumber,
    caption: "The second vector is orthogonal to the first and has the second largest curvature that the iteration found. Both point where the gradient does, α > 0."});
  lineFigure(section, groups, LINE_DIRECTIONS, "Accuracy", {heading: "Accuracy along the same lines", read: c => quantityCurve(c, "accuracy"),
    description: "Training and test accuracy of each head by the step.", y: Object.assign({label: "Accuracy (%)"}, percent), format: formatPercent,
    caption: "Dashed: training images, solid: test images, as above."});
  lineFigure(section, groups.filter(g => g.experts > 0), LINE_DIRECTIONS, "Changed experts", {heading: "Images that change their expert", read: c => quantityCurve(c, "changed"),
    description: "Share of the images whose experts are others than at the trained parameters.", y: Object.assign({label: "Changed experts (%)"}, percent), format: formatPercent,
    caption: "Share of the images with another set of chosen experts than at α = 0; of soft heads with another expert of the greatest weight" +
      (groups.some(g => g.kind === "patch_moe") ? "; of patches where the backbone routes" : "") + ". The Hessian holds routing fixed, these steps do not."});
}

// --- surfaces ------------------------------------------------------------------------------------

const AXES = {"eigenvector 1": "top eigenvector", "eigenvector 2": "second eigenvector", "filter 1": "random direction 1", "filter 2": "random direction 2",
              gradient: "gradient, the part across the eigenvector"};
const SURFACE_COLORS = d3.scale.linear().domain([0, 0.25, 0.5, 0.75, 1])
  .range(["#fffbe0", "#c7e4b0", "#5fb8a6", "#2c6f96", "#1d2a5e"]).interpolate(d3.interpolateLab);

// The mean over seeds of grids of one size, element by element; null where one is not finite.
function meanGrid(grids) {
  return grids[0].map((row, j) => row.map((_, i) => summarise(grids.map(grid => grid[j][i])).mean));
}

// {group, surfaces: of each seed} of the heads that have the plane, all seeds of a head on the same grid.
function surfacesOf(groups, x, y) {
  const same = (a, b) => JSON.stringify([a.x_steps, a.y_steps]) === JSON.stringify([b.x_steps, b.y_steps]);
  return groups.map(group => ({group, surfaces: group.runs.map(r => (r.results.perturbation.surfaces || []).find(s => s.x === x && s.y === y))}))
    .filter(entry => entry.surfaces.every(s => s && same(s, entry.surfaces[0])));
}

// Segments of the line on which a grid has the value `level`, in units of its cells, by marching squares. Saddles are cut by the
// mean of their corners; cells with a corner that is not a number have no line.
function contour(grid, level) {
  const segments = [];
  const between = (a, b) => (level - a) / (b - a);
  for (let j = 0; j + 1 < grid.length; j += 1) {
    for (let i = 0; i + 1 < grid[j].length; i += 1) {
      const [a, b, c, d] = [grid[j][i], grid[j][i + 1], grid[j + 1][i + 1], grid[j + 1][i]];  // round the cell
      if (![a, b, c, d].every(isNumber)) continue;
      const cuts = [];
      if (a < level !== b < level) cuts.push([i + between(a, b), j]);
      if (b < level !== c < level) cuts.push([i + 1, j + between(b, c)]);
      if (c < level !== d < level) cuts.push([i + 1 - between(c, d), j + 1]);
      if (d < level !== a < level) cuts.push([i, j + 1 - between(d, a)]);
      if (cuts.length === 2) segments.push(cuts);
      if (cuts.length === 4) {
        const joined = ((a + b + c + d) / 4 < level) === (a < level);
        segments.push(joined ? [cuts[0], cuts[1]] : [cuts[0], cuts[3]], joined ? [cuts[2], cuts[3]] : [cuts[1], cuts[2]]);
      }
    }
  }
  return segments;
}

// {at: value -> 0..1, levels for contours and ticks}: logarithmic for losses that span more than threefold, else linear.
function surfaceScale(values, log) {
  const extent = d3.extent(values.filter(isNumber));
  if (!isNumber(extent[0])) return null;
  const high = extent[1] > extent[0] ? extent[1] : extent[0] + 1;
  if (log && extent[0] > 0 && high > 3 * extent[0]) {
    const span = Math.log(high / extent[0]);
    return {at: v => Math.log(v / extent[0]) / span, levels: logTicks([extent[0], high]), log: true};
  }
  return {at: v => (v - extent[0]) / (high - extent[0]), levels: d3.scale.linear().domain([extent[0], high]).ticks(6), log: false};
}

// spec: {title, description, maps: [[{heading, grid}], ...] rows of maps, x: {label, steps}, y, scales: a scale with its format for each row}
function drawSurfaces(svg, width, spec) {
  const yTicks = [spec.y.steps[0], 0, spec.y.steps[spec.y.steps.length - 1]];
  const xTicks = [spec.x.steps[0], 0, spec.x.steps[spec.x.steps.length - 1]];
  const tick = t => minus(String(d3.round(t, 3)));
  const left = textWidth(svg, yTicks.map(tick)) + 8;
  const gap = 14, columns = spec.maps[0].length;
  const side = Math.min(230, Math.floor((width - left - gap * (columns - 1) - 8) / columns));
  svg.append("text").attr({class: "quiet", x: 0, y: 12}).text(fitText(svg, "Up: " + spec.y.label + "; across: " + spec.x.label, width - 2));
  let top = 38;
  spec.maps.forEach((row, r) => {
    row.forEach((map, c) => {
      const x = left + c * (side + gap);
      svg.append("text").attr({x, y: top - 6}).text(fitText(svg, map.heading, side));
      drawMap(svg.append("g").attr("transform", "translate(" + x + "," + top + ")"), side, map.grid, spec.scales[r]);
      xTicks.forEach((t, i) => svg.append("text").attr({class: "quiet", x: x + side * i / 2, y: top + side + 14,
        "text-anchor": ["start", "middle", "end"][i]}).text(tick(t)));
    });
    yTicks.forEach((t, i) => svg.append("text").attr({class: "quiet", x: left - 5, y: top + side * (1 - i / 2), dy: ["0em", "0.35em", "0.75em"][i],
      "text-anchor": "end"}).text(tick(t)));
    top = drawScale(svg, left, width, top + side + 24, spec.scales[r]) + 30;
  });
  return top - 26;
}

// One square map: a cell around each point, those at the edge cut in half; contours through the points' values, a cross at the
// trained parameters.
function drawMap(plot, side, grid, scale) {
  const width = side / (grid[0].length - 1), height = side / (grid.length - 1);
  const within = v => Math.max(0, Math.min(side, v));
  const x = i => i * width, y = j => side - j * height;
  grid.forEach((row, j) => row.forEach((value, i) => {
    const [x0, x1, y0, y1] = [x(i - 0.5), x(i + 0.5), y(j + 0.5), y(j - 0.5)].map(within);
    const rect = plot.append("rect").attr({x: x0, y: y0, width: x1 - x0 + 0.4, height: y1 - y0 + 0.4,
      fill: scale && isNumber(value) ? SURFACE_COLORS(scale.at(value)) : "#dddddd"});
    if (scale) rect.append("title").text(scale.format(value));
  }));
  const shades = scale ? grid.map(row => row.map(v => isNumber(v) ? scale.at(v) : null)) : [];  // contours follow the colours
  (scale ? scale.levels : []).forEach(level => {
    const path = contour(shades, scale.at(level)).map(([a, b]) => "M" + x(a[0]).toFixed(1) + "," + y(a[1]).toFixed(1) + "L" + x(b[0]).toFixed(1) + "," + y(b[1]).toFixed(1));
    if (path.length) plot.append("path").attr({class: "line", d: path.join(""), stroke: scale.at(level) > 0.6 ? "#ffffff" : "#1b1b1b", "stroke-width": 0.8, "stroke-opacity": 0.75});
  });
  plot.append("rect").attr({width: side, height: side, fill: "none", stroke: "#b5b5b5"});
  const cross = "M" + (side / 2 - 4) + "," + side / 2 + "h8m-4,-4v8";
  plot.append("path").attr({class: "line", d: cross, stroke: "#ffffff", "stroke-width": 4});
  plot.append("path").attr({class: "line", d: cross, stroke: "#d55e00", "stroke-width": 1.8});
}

// The colour bar with the contours' levels; those that would touch the one before are left out. Returns where it ends.
function drawScale(svg, left, width, y, scale) {
  if (!scale) return y;
  const length = Math.min(320, width - left - 24);
  d3.range(64).forEach(i => svg.append("rect").attr({x: left + i * length / 64, y, width: length / 64 + 0.5, height: 10, fill: SURFACE_COLORS((i + 0.5) / 64)}));
  svg.append("rect").attr({x: left, y, width: length, height: 10, fill: "none", stroke: "#b5b5b5"});
  let end = -Infinity;
  scale.levels.forEach(level => {
    const text = scale.format(level), middle = left + scale.at(level) * length, half = textWidth(svg, [text]) / 2;
    if (middle - half < end + 6 || middle + half > width) return;
    svg.append("path").attr({class: "line", d: "M" + middle + "," + y + "v13", stroke: "#1b1b1b", "stroke-width": 1});
    svg.append("text").attr({class: "quiet", x: middle, y: y + 24, "text-anchor": "middle"}).text(text);
    end = middle + half;
  });
  return y + 26;
}

function surfaceFigures(section, groups) {
  const planes = [];
  groups.forEach(g => g.runs.forEach(r => (r.results.perturbation.surfaces || []).forEach(s => {
    if (!planes.some(p => p.x === s.x && p.y === s.y)) planes.push({x: s.x, y: s.y});
  })));
  planes.forEach(({x, y}) => {
    const entries = surfacesOf(groups, x, y);
    if (entries.length) surfaceFigure(section, entries, x, y);
  });
}

function surfaceFigure(section, entries, x, y) {
  const maps = entries.map(({group, surfaces}) => ({group, surfaces, quantity: name => SETS.map(([set, images]) =>
    ({heading: (name === "loss" ? "Loss, " : "Accuracy, ") + images, grid: meanGrid(surfaces.map(s => s[set][name]))}))}));
  // One scale for all heads of a figure, so that colours can be compared.
  const all = name => [].concat(...maps.map(m => [].concat(...m.quantity(name).map(map => [].concat(...map.grid)))));
  const scaleOf = (name, log, format) => { const scale = surfaceScale(all(name), log); return scale && Object.assign(scale, {format}); };
  const scales = [scaleOf("loss", true, v => isNumber(v) && v >= 1e-3 ? d3.format(",")(d3.round(v, 3)) : formatNumber(v)), scaleOf("accuracy", false, v => formatPercent(v, 0))];
  const names = AXES[x] && AXES[y] ? [AXES[x], AXES[y]] : [x, y];
  section.append("h3").text("Surface over " + names[0] + " and " + names[1]);
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  maps.forEach(m => addPanel(panels, m.group.label, drawSurfaces, {title: m.group.label + ": surface over " + names.join(" and "),
    description: "Cross-entropy and accuracy on training and test images over the plane of two directions, as heat maps with contours.",
    maps: [m.quantity("loss"), m.quantity("accuracy")], scales, x: {label: names[0], steps: m.surfaces[0].x_steps}, y: {label: names[1], steps: m.surfaces[0].y_steps}}));
  addCaption(figure, "Cross: the trained parameters. Colours of the loss are " + (scales[0] && scales[0].log ? "on a log scale" : "linear") +
    ", the same for all heads; lines are contours at the bar's marks." + (seedsOf(entries.map(e => e.group)) > 1 ? " Means over seeds." : ""));
  addData(figure, maps.map(m => surfaceTable(m, names)));
}

function surfaceTable({group, surfaces, quantity}, names) {
  const steps = surfaces[0].x_steps;
  const rows = [].concat(...[["loss", formatNumber], ["accuracy", v => formatPercent(v, 0)]].map(([name, format]) => [].concat(...quantity(name).map(map =>
    [[map.heading]].concat(map.grid.map((row, j) => [minus(String(d3.round(surfaces[0].y_steps[j], 3)))].concat(row.map(format))))))));
  return {caption: group.label + "; columns: " + names[0] + ", rows: " + names[1], columns: [""].concat(steps.map(t => minus(String(d3.round(t, 3))))), rows};
}

// --- balls and noise -----------------------------------------------------------------------------

// The line of a quantity against the ball's radius or the noise's deviation: over seeds mean and deviation, of one seed its own error.
function radiusSeries(group, set, style, {list, at, value, error}) {
  const lists = group.runs.map(r => list(r.results.perturbation)[set]);
  const points = lists[0].map((entry, i) => {
    const of = lists.map(l => l[i]);
    const s = summarise(of.map(value));
    const half = s.deviation === null ? error(of[0]) : s.deviation;
    const known = s.mean !== null && isNumber(half);
    return {x: at(entry), y: s.mean, low: known ? s.mean - half : null, high: known ? s.mean + half : null};
  });
  return Object.assign({points, color: group.color, label: null, width: 2.5, dash: null}, style(group));
}

// Groups all of whose runs have the list at the same places.
function withRadii(groups, {list, at}) {
  const places = run => { const found = list(run.results.perturbation); return found ? JSON.stringify(found.train.map(at)) : ""; };
  return groups.filter(g => g.runs.every(run => places(run) !== "" && places(run) === places(g.runs[0])));
}

const WORST = {list: p => p.worst_case, at: e => e.radius};
const NOISE = {list: p => p.noise, at: e => e.sigma, value: e => e.rise, error: e => e.error.total};
const ascentOf = Object.assign({value: e => e.ascent.rise, error: e => e.ascent.data_error}, WORST);
const firstOrderOf = Object.assign({value: e => e.first_order.rise, error: () => null}, WORST);
const errorNote = (groups, one) => seedsOf(groups) > 1 ? "Lines are means over seeds, bands one standard deviation." : one;

function ballFigure(section, allGroups) {
  const groups = withRadii(allGroups, WORST);
  if (groups.length === 0) return;
  section.append("h3").text("Worst case in a ball");
  const figure = section.append("figure");
  addLegend(figure, headItems(groups).concat([{label: "projected gradient ascent", color: "#1b1b1b", kind: "line", width: 2.5},
                                              {label: "first order (SAM)", color: "#1b1b1b", kind: "line", width: 1.5, dash: DASH}]));
  const panels = figure.append("div").attr("class", "panels");
  SETS.forEach(([set, images]) => addPanel(panels, "Rise of the loss, " + images, drawLines, {title: "Worst case in a ball, " + images,
    description: "Greatest rise of the cross-entropy found within a distance of the trained parameters, by the distance.", x: {label: "Radius ρ of the ball, ‖d‖ ≤ ρ"},
    y: {label: "Rise of the cross-entropy (nats)", log: true, min: 0},
    series: [].concat(...groups.map(g => [radiusSeries(g, set, () => ({width: 1.5, dash: DASH}), firstOrderOf), radiusSeries(g, set, () => ({label: g.label}), ascentOf)]))}));
  addCaption(figure, "Both are lower bounds: losses that are reached in the ball, on the images that the displacement was fitted to. " +
    errorNote(groups, "Bands: 95 % intervals over images, of differences within batches."));
  addData(figure, SETS.map(([set, images]) => radiusTable(groups, set, images, "ρ", WORST.at, WORST.list, [["First order", e => withError(e.first_order.rise, e.first_order.data_error)],
    ["Ascent", e => withError(e.ascent.rise, e.ascent.data_error)], ["Accuracy there", e => formatPercent(e.ascent.accuracy)], ["Changed experts", e => "changed" in e.ascent ? formatPercent(e.ascent.changed) : "–"]])));
}

// σ²/2·tr H of a run, where its trace is known.
const secondOrder = (run, set, sigma) => run.results.curvature ? 0.5 * sigma * sigma * run.results.curvature[set].trace.mean : null;

function secondOrderSeries(group, set) {
  const sigmas = group.runs[0].results.perturbation.noise[set].map(NOISE.at);
  return {color: group.color, label: null, width: 1.5, dash: "1 4", points: sigmas.map(sigma => ({x: sigma, y: summarise(group.runs.map(r => secondOrder(r, set, sigma))).mean}))};
}

function noiseFigure(section, allGroups) {
  const groups = withRadii(allGroups, NOISE);
  if (groups.length === 0) return;
  const curved = groups.filter(g => g.has("curvature"));
  section.append("h3").text("Average under Gaussian noise");
  const figure = section.append("figure");
  addLegend(figure, headItems(groups).concat([{label: "measured", color: "#1b1b1b", kind: "line", width: 2.5}],
    curved.length ? [{label: "σ²/2 · trace", color: "#1b1b1b", kind: "line", width: 1.5, dash: "1 4"}] : []));
  const panels = figure.append("div").attr("class", "panels");
  SETS.forEach(([set, images]) => addPanel(panels, "Mean rise of the loss, " + images, drawLines, {title: "Average under Gaussian noise, " + images,
    description: "Mean rise of the cross-entropy when every parameter gets independent normal noise, by the noise's standard deviation.", x: {label: "Standard deviation σ of each parameter's noise"},
    y: {label: "Mean rise (nats)", log: true, min: 0},
    series: [].concat(...groups.map(g => (curved.indexOf(g) < 0 ? [] : [secondOrderSeries(g, set)]).concat(radiusSeries(g, set, () => ({label: g.label}), NOISE))))}));
  addCaption(figure, "Mean over " + groups[0].runs[0].results.perturbation.noise.pairs + " pairs of noise z and −z. " + (curved.length ? "Dotted: what the trace of the Hessian predicts; where the lines part, higher orders count. " : "") +
    errorNote(groups, "Bands: 95 % intervals over noise and images together."));
  addData(figure, SETS.map(([set, images]) => radiusTable(groups, set, images, "σ", NOISE.at, NOISE.list, [["Mean rise", e => withError(e.rise, e.error.total)],
    ["± noise; images", e => [e.error.probe, e.error.data].map(x => isNumber(x) ? formatNumber(x) : "unknown").join("; ")], ["σ²/2 · trace", (e, run) => curvatureText(run, set, e)], ["Accuracy there", e => formatPercent(e.accuracy)]])));
}

const curvatureText = (run, set, entry) => run.results.curvature ? formatNumber(secondOrder(run, set, entry.sigma)) : "–";

function radiusTable(groups, set, images, name, at, list, columns) {
  const rows = [].concat(...groups.map(g => [].concat(...g.runs.map(run => [[runName(g, run)]].concat(
    list(run.results.perturbation)[set].map(e => [String(at(e))].concat(columns.map(([, read]) => read(e, run)))))))));
  return {caption: images, columns: [name].concat(columns.map(([heading]) => heading)), rows};
}

function surroundingsFigures(section, groups) {
  lineFigures(section, groups);
  surfaceFigures(section, groups);
  ballFigure(section, groups);
  noiseFigure(section, groups);
}
