// What a study measures of the Hessian beyond its largest eigenvalue and its trace (`spectra` of results.json), and the three
// error bars of those two. Of several seeds, lines are drawn for each and bars are means with one standard deviation.

const WHOLE = "all";
const LOG_FLOOR = 1e-7;  // of a curve's maximum: below it a density is the tail of its smoothing
const NORMAL_95 = 1.96;
const BARS = ["probe", "iteration", "data", "total"];

const setOf = (measurement, set) => measurement.sets[set];
// Of the Hessian: a study may measure other matrices beside it, which these charts do not speak of.
const measurementsOf = run => (run.results.spectra ? run.results.spectra.measurements : []).filter(m => m.operator === "hessian");
const firstOf = (list, read) => list.map(read).find(x => x !== undefined && x !== null);

// The block of all parameters on a set of images; null where none was measured. `quantity`: that has this field.
const wholeOf = (run, set, quantity) => firstOf(measurementsOf(run), m =>
  setOf(m, set).blocks.find(b => b.name === WHOLE && (!quantity || b[quantity]))) || null;
const blocksWith = (run, set, quantity) => [].concat(...measurementsOf(run).map(m => setOf(m, set).blocks.filter(b => b[quantity])));
const ofSet = (run, set, field) => firstOf(measurementsOf(run), m => setOf(m, set)[field]) || null;

const measuredIn = (groups, read) => groups.filter(g => g.runs.every(run => SETS.every(([set]) => read(run, set))));
const lineStyle = (group, held) => ({color: group.color, dash: held ? null : DASH, width: group.runs.length > 1 ? 1 : held ? 2.5 : 1.5});

// A line per run; the first of the group has its name.
const linesOf = (groups, held, pointsOf) => [].concat(...groups.map(g => g.runs.map((run, i) =>
  Object.assign({label: i === 0 && held ? g.label : null, points: pointsOf(run, g)}, lineStyle(g, held)))));

// A bar of values over seeds, with `error` of the only one.
function seedBar(values, error, color, kind) {
  const s = summarise(values);
  const width = s.count > 1 ? s.deviation : error;
  return {value: s.mean, low: isNumber(width) && s.mean !== null ? s.mean - width : null, high: isNumber(width) && s.mean !== null ? s.mean + width : null,
          color, kind: kind || "bar", text: formatNumber(s.mean)};
}

function spectraSection(root, groups) {
  const measured = groups.filter(g => g.has("spectra") && g.runs.every(run => measurementsOf(run).length));
  const withBars = groups.filter(g => g.has("curvature") && SETS.every(([set]) => QUANTITIES.every(([quantity]) => g.runs.every(run => estimateOf(run, set, quantity).error))));
  if (measured.length === 0 && withBars.length === 0) return;
  const section = addSection(root, measured.length ? "Spectra and error bars" : "Error bars", "What the largest eigenvalue and the trace do not say: how the eigenvalues are spread, which parts of the " +
    "model they belong to, and how far each number can be trusted.");
  if (withBars.length) threeBarsTable(section, withBars);
  if (measured.length === 0) return;
  [densityFigure, eigenvaluesFigure, sharesFigure, expertsFigure, boundaryFigure, exactFigure, convergenceFigure].forEach(figure => figure(section, measured));
}

// --- three error bars ----------------------------------------------------------------------------

function threeBarsTable(section, groups) {
  const rows = [];
  QUANTITIES.forEach(([quantity, name]) => SETS.forEach(([set, images]) => {
    rows.push([name + ", " + images]);
    groups.forEach(g => {
      const mean = read => { const values = g.runs.map(read); return values.every(isNumber) ? formatNumber(d3.mean(values)) : "unknown"; };
      const estimate = run => estimateOf(run, set, quantity);
      rows.push([g.label, mean(run => quantity === "lambda" ? estimate(run).value : estimate(run).mean)].concat(BARS.map(bar => mean(run => estimate(run).error[bar]))));
    });
  }));
  const figure = section.append("figure");
  addTable(figure, {columns: ["", "Estimate", "Vectors", "Iteration", "Images", "Sum"], rows});
  addCaption(figure, "Half-widths of 95 % intervals" + (seedsOf(groups) > 1 ? ", means over seeds" : "") + ": how far the estimate would move with other random vectors, with more " +
    "iterations (a bound), and with other images from the same source. The sum takes the first and the last as independent.");
}

// --- density -------------------------------------------------------------------------------------

function densityPoints(run, set) {
  const curve = wholeOf(run, set, "density").density.curve;
  if (!curve) return [];
  const floor = LOG_FLOOR * d3.max(curve.density);
  return curve.x.map((x, i) => ({x, y: curve.density[i] > floor ? curve.density[i] : null}));
}

function densityFigure(section, all) {
  const groups = measuredIn(all, (run, set) => wholeOf(run, set, "density"));
  if (groups.length === 0) return;
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  SETS.forEach(([set, images]) => addPanel(panels, "Spectral density, " + images, drawLines, {
    title: "Spectral density, " + images, description: "Density of the Hessian's eigenvalues for each head, on a logarithmic scale.",
    x: {label: "Eigenvalue"}, y: {label: "Density", log: true, format: formatPower}, series: linesOf(groups, true, run => densityPoints(run, set))}));
  addCaption(figure, "Share of all eigenvalues per unit, by stochastic Lanczos quadrature, widened to what it resolves. The peak at 0 has nearly all of them; " +
    "the far bumps on the right are the few steep directions.");
  addData(figure, [{columns: ["Head", "Images", "Parameters", "Resolution", "Smallest point", "Largest point", "Products"], rows: [].concat(...groups.map(g => [].concat(...g.runs.map(run =>
    SETS.map(([set]) => { const whole = wholeOf(run, set, "density"), d = whole.density; const x = [].concat(...d.points).map(p => p[0]);
      return [runName(g, run), set, formatCount(whole.parameters), formatNumber(d.resolution), formatNumber(d3.min(x)), formatNumber(d3.max(x)), String(d.products)]; })))))}]);
}

// Ticks of a logarithmic axis: 0.3, 100, 10⁻⁵. Where values span little, the axis is linear and may have 0 and less.
function formatPower(x) {
  if (x <= 0) return formatNumber(x);
  const power = Math.round(Math.log10(x));
  const isPower = Math.abs(x / 10 ** power - 1) < 1e-9;
  if (Math.abs(power) <= 3) return d3.format(",")(Number(x.toPrecision(2)));
  return (isPower ? "" : formatNumber(x / 10 ** Math.floor(Math.log10(x))) + " × ") + "10" + superscript(isPower ? power : Math.floor(Math.log10(x)));
}

// --- largest eigenvalues -------------------------------------------------------------------------

const pairsOf = (run, set) => wholeOf(run, set, "top").top.pairs;

function eigenvaluesFigure(section, all) {
  const groups = measuredIn(all, (run, set) => wholeOf(run, set, "top"));
  if (groups.length === 0) return;
  const figure = section.append("figure");
  addLegend(figure, headItems(groups));
  const panels = figure.append("div").attr("class", "panels");
  SETS.forEach(([set, images]) => {
    const count = d3.max(groups, g => d3.max(g.runs, run => pairsOf(run, set).length));
    const bar = (g, i) => { const pairs = g.runs.map(run => pairsOf(run, set)[i]).filter(Boolean);
      return pairs.length ? seedBar(pairs.map(p => p.value), pairs[0].error.total, g.color) : {value: null}; };
    addPanel(panels, "Largest eigenvalues, " + images, drawBars, {title: "Largest eigenvalues, " + images, description: "The largest eigenvalues of each head with error bars.",
      x: {label: "Eigenvalue of the Hessian"}, rows: d3.range(count).map(i => ({label: "λ" + subscript(i + 1), bars: groups.map(g => bar(g, i))}))});
  });
  cosinesPanel(panels, groups);
  addCaption(figure, "Lanczos with pairs locked one after the other. " + (seedsOf(groups) > 1 ? "Error bars: one standard deviation over seeds." :
    "Error bars: half-widths of 95 % intervals, iteration and images together.") + " Principal cosines say how far the steepest directions of the training images are those of the test images: 1 is the same direction, 0 a right angle.");
  addData(figure, [eigenvaluesTable(groups)]);
}

const subscript = n => String(n).replace(/./g, c => "₀₁₂₃₄₅₆₇₈₉"["0123456789".indexOf(c)]);
const cosinesOf = run => firstOf(measurementsOf(run).filter(m => m.principal_cosines), m => m.principal_cosines.find(b => b.block === WHOLE));

function cosinesPanel(panels, all) {
  const groups = all.filter(g => g.runs.every(cosinesOf));
  if (groups.length === 0) return;
  const count = d3.max(groups, g => d3.max(g.runs, run => cosinesOf(run).cosines.length));
  addPanel(panels, "Steepest directions, training against test images", drawBars, {title: "Principal cosines of the top eigenvectors of training and test images",
    description: "Cosines of the principal angles between the spans of the top eigenvectors on training and on test images.", x: {label: "Cosine of the principal angle"},
    rows: d3.range(count).map(i => ({label: String(i + 1), bars: groups.map(g => seedBar(g.runs.map(run => cosinesOf(run).cosines[i]).filter(x => x !== undefined), null, g.color))}))});
}

function eigenvaluesTable(groups) {
  const rows = [];
  groups.forEach(g => g.runs.forEach(run => SETS.forEach(([set, images]) => {
    rows.push([runName(g, run) + ", " + images + (wholeOf(run, set, "top").top.converged ? "" : " (not converged)")]);
    pairsOf(run, set).forEach((pair, i) => rows.push(["λ" + subscript(i + 1), formatNumber(pair.value), formatNumber(pair.residual)].concat(["data", "total"].map(bar =>
      isNumber(pair.error[bar]) ? formatNumber(pair.error[bar]) : "unknown"))));
  })));
  return {columns: ["", "Eigenvalue", "Residual", "± images", "± sum"], rows};
}

// --- shares of modules ---------------------------------------------------------------------------

const expertOf = module => { const found = /^head\.experts\.(\d+)$/.exec(module); return found ? Number(found[1]) : null; };
const shortModule = module => module.replace(/^backbone\.backbone\./, "").replace(/^head\./, "head: ").replace("head: experts.", "expert ");

// {label: share} of a run's modules. Experts have no common order between seeds: of several seeds they come by rank.
function sharesOf(run, set, read, ranked) {
  const block = wholeOf(run, set, "shares");
  const found = {};
  const experts = [];
  block.shares.forEach(share => {
    const value = read(share, block);
    if (ranked && expertOf(share.module) !== null) experts.push(value);
    else found[shortModule(share.module)] = value;
  });
  experts.sort((a, b) => b - a).forEach((value, i) => { found["expert, rank " + (i + 1)] = value; });
  return found;
}

const SHARES = [
  ["Share of the trace", (share, block) => share.trace === undefined ? null : share.trace / block.trace.mean],
  ["Share of the top eigenvector", share => share.top_eigenvector === undefined ? null : share.top_eigenvector]
];

function sharesFigure(section, all) {
  const groups = measuredIn(all, (run, set) => wholeOf(run, set, "shares"));
  if (groups.length === 0) return;
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  const ranked = seedsOf(groups) > 1;
  const tables = [];
  SETS.forEach(([set, images]) => SHARES.forEach(([heading, read]) => {
    const columns = groups.map(g => g.runs.map(run => sharesOf(run, set, read, ranked)));
    const modules = d3.set([].concat(...columns.map(runs => [].concat(...runs.map(Object.keys))))).values();
    const cell = (runs, module) => { const values = runs.map(run => run[module]); return values.every(isNumber) ? d3.mean(values) : null; };
    const values = modules.map(module => columns.map(runs => cell(runs, module)));
    addPanel(panels, heading + ", " + images, drawHeat, {title: heading + " by module, " + images, description: "One row per module, one column per head; a column sums to 100 %.",
      x: {label: "Head"}, y: {label: "Module"}, rows: modules, columns: groups.map(g => g.label), values, max: heatMax(d3.max([].concat(...values).filter(isNumber))), format: x => minus(d3.round(100 * x, 1) + "")});
    tables.push({caption: heading + ", " + images + ", %", columns: ["Module"].concat(groups.map(g => g.label)),
      rows: modules.map((module, i) => [module].concat(values[i].map(v => v === null ? "–" : minus((100 * v).toFixed(2)))))});
  }));
  addCaption(figure, "In %. The trace of each module's own block from the probes of the whole, and the squared length of the top eigenvector's part in it. Grey: the head has no such module." +
    (ranked ? " Means over seeds; experts of a run by rank, for they have no common order between seeds." : "") + " Shares of the trace are estimates and may fall below 0.");
  addData(figure, tables);
}

// --- experts on their own images -----------------------------------------------------------------

const expertsOf = (run, set) => { const list = ofSet(run, set, "experts"); return list && list.some(e => e.curvature && e.curvature.top && e.curvature.top.pairs.length) ? list : null; };
const expertLambda = expert => expert.curvature && expert.curvature.top && expert.curvature.top.pairs[0];

// For each run its experts' [label, pair]; by rank where there are several seeds.
function expertRows(group, set) {
  const several = group.runs.length > 1;
  const lists = group.runs.map(run => { const pairs = expertsOf(run, set).map(e => expertLambda(e)); return several ? pairs.filter(Boolean).sort((a, b) => b.value - a.value) : pairs; });
  return d3.range(group.experts).map(e => ({label: several ? "rank " + (e + 1) : String(e), pairs: lists.map(list => list[e]).filter(Boolean)}));
}

function expertsFigure(section, all) {
  const groups = measuredIn(all.filter(g => g.experts > 0), expertsOf);
  if (groups.length === 0) return;
  const figure = section.append("figure");
  addLegend(figure, headItems(groups).concat({label: "training images", color: "#595959", kind: "outline"}));
  const panels = figure.append("div").attr("class", "panels");
  const bar = (pairs, color, kind) => pairs.length ? seedBar(pairs.map(p => p.value), pairs[0].error.total, color, kind) : {value: null, color, kind, text: "no image"};
  groups.forEach(g => {
    const [train, test] = SETS.map(([set]) => expertRows(g, set));
    addPanel(panels, "Experts on their own images: " + g.label, drawBars, {title: "Largest eigenvalue of each expert on the images that it serves, " + g.label,
      description: "A solid bar for test images and an outlined one for training images, with error bars.", x: {label: "Largest eigenvalue of the expert's block"},
      thickness: 12, rows: test.map((row, e) => ({label: row.label, bars: [bar(row.pairs, g.color), bar(train[e].pairs, g.color, "outline")]}))});
  });
  addCaption(figure, "Hessian with respect to one expert's parameters, of the mean loss over the images that choose it; solid: test images. An expert that few images see looks flat on all images and cannot hide here." +
    (seedsOf(groups) > 1 ? " Experts of a run by rank; error bars: one standard deviation over seeds." : " Error bars: half-widths of 95 % intervals."));
  addData(figure, [{columns: ["Head", "Expert", "Images", "Largest eigenvalue", "± sum"], rows: [].concat(...groups.map(g => [].concat(...g.runs.map(run => [].concat(...SETS.map(([set]) =>
    expertsOf(run, set).map(e => { const pair = expertLambda(e); return [runName(g, run) + ", " + set, String(e.expert), formatCount(e.images), pair ? formatNumber(pair.value) : "–",
      pair && isNumber(pair.error.total) ? formatNumber(pair.error.total) : "–"]; })))))))}]);
}

// --- boundary mass -------------------------------------------------------------------------------

function boundaryFigure(section, all) {
  const groups = measuredIn(all, (run, set) => ofSet(run, set, "boundary_mass"));
  if (groups.length === 0) return;
  const figure = section.append("figure");
  addLegend(figure, headItems(groups).concat(splitItems("test images")));
  const panels = figure.append("div").attr("class", "panels");
  const points = set => (run, g) => { const mass = ofSet(run, set, "boundary_mass");
    const band = g.runs.length === 1;
    return mass.width.map((x, i) => ({x, y: mass.share[i], low: band ? Math.max(0, mass.share[i] - NORMAL_95 * mass.standard_error[i]) : null,
                                      high: band ? Math.min(1, mass.share[i] + NORMAL_95 * mass.standard_error[i]) : null})); };
  addPanel(panels, "Boundary mass", drawLines, {title: "Boundary mass", description: "Share of the images that would change an expert if gate logits moved by w.",
    x: {label: "Width w (logits)"}, y: {label: "Share of the images (%)", min: 0, max: 1, format: x => d3.round(100 * x, 1) + ""},
    series: linesOf(groups, false, points("train")).concat(linesOf(groups, true, points("test")))});
  addCaption(figure, "Share of the images whose last chosen and first refused expert are at most w apart: those would change an expert if the gate's logits moved by w. The Hessian holds the choice fixed and sees nothing of it." +
    (seedsOf(groups) > 1 ? " A line per seed." : " Bands: 95 %."));
  const at = [0.025, 0.125, 0.25, 0.5];
  addData(figure, [{columns: ["Head", "w", "Share", "±"], rows: [].concat(...groups.map(g => [].concat(...g.runs.map(run => [].concat(...SETS.map(([set]) => { const mass = ofSet(run, set, "boundary_mass");
    return at.map(part => { const i = Math.round(part * (mass.width.length - 1)); return [runName(g, run) + ", " + set, formatNumber(mass.width[i]), formatPercent(mass.share[i]), formatPercent(NORMAL_95 * mass.standard_error[i])]; }); }))))))}]);
}

// --- exact spectra -------------------------------------------------------------------------------

const EXACT_POINTS = 60;  // of a line: ranks are evenly spaced in their logarithm
const GATE_COLOR = "#1b1b1b";

// The positive eigenvalues by descending rank, down to rounding.
function exactPoints(values) {
  const sorted = values.filter(isNumber).sort((a, b) => b - a);
  const kept = sorted.filter(v => v > 1e-12 * sorted[0]);
  const ranks = d3.set(d3.range(EXACT_POINTS).map(i => Math.round(kept.length ** (i / (EXACT_POINTS - 1))))).values().map(Number).filter(r => r >= 1 && r <= kept.length);
  return ranks.map(r => ({x: Math.log(r) / Math.LN2, y: kept[r - 1]}));
}

function exactFigure(section, all) {
  const groups = measuredIn(all, (run, set) => blocksWith(run, set, "spectrum").length);
  if (groups.length === 0) return;
  const figure = section.append("figure");
  const isGate = block => /gate/.test(block.name);
  addLegend(figure, [{label: "gate", color: GATE_COLOR, kind: "line", width: 2.5}].concat(groups.map(g => ({label: "each expert, " + g.label, color: g.color, kind: "line", width: 1}))));
  const panels = figure.append("div").attr("class", "panels");
  groups.forEach(g => SETS.forEach(([set, images]) => addPanel(panels, "Exact spectra: " + g.label + ", " + images, drawLines, {
    title: "Exact eigenvalues of gate and experts, " + g.label + ", " + images, description: "Positive eigenvalues by rank, a line for the gate and for each expert's output layer.",
    x: {label: "Rank, log scale", integer: true, format: t => formatCount(Math.round(2 ** t))}, y: {label: "Eigenvalue", log: true, format: formatPower},
    series: [].concat(...g.runs.map(run => blocksWith(run, set, "spectrum").map(block => ({label: null, color: isGate(block) ? GATE_COLOR : g.color,
      width: isGate(block) ? (g.runs.length > 1 ? 1.5 : 2.5) : 1, points: exactPoints(block.spectrum.values)}))))})));
  addCaption(figure, "All positive eigenvalues of the Hessian's blocks, from dense matrices in float64: no estimator. Lines end where rounding begins." + (seedsOf(groups) > 1 ? " All seeds." : ""));
  addData(figure, [{columns: ["Block", "Parameters", "Largest", "± images", "Smallest", "Trace"], rows: [].concat(...groups.map(g => [].concat(...g.runs.map(run => [].concat(...SETS.map(([set, images]) =>
    [[runName(g, run) + ", " + images]].concat(blocksWith(run, set, "spectrum").map(block => [block.name.replace(/^head\./, ""), formatCount(block.parameters), formatNumber(d3.max(block.spectrum.values)),
      isNumber(block.spectrum.error.largest.data) ? formatNumber(block.spectrum.error.largest.data) : "unknown", formatNumber(d3.min(block.spectrum.values)), formatNumber(block.spectrum.trace)]))))))))}]);
}

// --- convergence ---------------------------------------------------------------------------------

function convergenceFigure(section, all) {
  const has = quantity => (run, set) => { const block = wholeOf(run, set, quantity); return block && block[quantity].convergence; };
  const top = measuredIn(all, has("top"));
  const trace = measuredIn(all, has("trace"));
  if (top.length + trace.length === 0) return;
  const figure = section.append("figure");
  addLegend(figure, headItems(all).concat(splitItems("test images")));
  const panels = figure.append("div").attr("class", "panels");
  const settled = (set, quantity, point) => run => { const c = has(quantity)(run, set); return c.products.map((n, i) => point(n, c.value[i], c.error[i], c.value[c.value.length - 1])); };
  const ritz = (n, value, error, last) => ({x: n, y: value / last});
  const residual = (n, value, error) => ({x: n, y: isNumber(error) && error > 0 ? error / Math.abs(value) : null});
  const mean = band => (n, value, error) => ({x: n, y: value, low: band && isNumber(error) ? value - error : null, high: band && isNumber(error) ? value + error : null});
  const both = (groups, quantity, point) => linesOf(groups, false, settled("train", quantity, point)).concat(linesOf(groups, true, settled("test", quantity, point)));
  if (top.length) {
    addPanel(panels, "Largest eigenvalue: Ritz value", drawLines, {title: "Ritz value by product", description: "The largest Ritz value of the Lanczos iteration after each product.",
      x: {label: "Hessian-vector products", integer: true}, y: {label: "Ritz value / last one"}, series: both(top, "top", ritz)});
    addPanel(panels, "Largest eigenvalue: residual", drawLines, {title: "Relative residual by product", description: "Residual of the largest Ritz pair over its value after each product.",
      x: {label: "Hessian-vector products", integer: true}, y: {label: "Residual / value", log: true, format: formatPower}, series: both(top, "top", residual)});
  }
  if (trace.length) SETS.forEach(([set, images]) => addPanel(panels, "Trace: running mean, " + images, drawLines, {title: "Running mean of the trace by sample, " + images,
    description: "Mean of the samples so far with its 95 % interval over random vectors.", x: {label: "Random vectors", integer: true}, y: {label: "Trace"},
    series: linesOf(trace, true, (run, g) => settled(set, "trace", mean(g.runs.length === 1))(run).slice(1))}));
  addCaption(figure, "How the estimates settled, product by product, until the first pairs were found." + (trace.length ? " Bands: 95 % intervals of the running mean over random vectors, from the second on." : "") + (seedsOf(all) > 1 ? " A line per seed." : ""));
}
