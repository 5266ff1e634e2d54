// The report's figures: what each section shows of the groups of runs (see statistics.js).
// Solid lines are always held-out images (validation, test), dashed lines training images.

const DASH = "5 4";

function addSection(root, title, text) {
  const section = root.append("section");
  section.append("h2").text(title);
  if (text) section.append("p").text(text);
  return section;
}

function addPanel(panels, heading, draw, spec) {
  const panel = panels.append("div");
  panel.append("h3").text(heading);
  addChart(panel, draw, spec);
}

function addCaption(figure, text) {
  figure.append("figcaption").text(text);
}

function addPublished(figure, text) {
  const note = figure.append("p").attr("class", "published");
  note.append("b").text("Published: ");
  note.append("span").text(text);
}

const headItems = groups => groups.map(g => ({label: g.title, color: g.color, kind: "bar"}));
const splitItems = held => [{label: held, color: "#1b1b1b", kind: "line", width: 2.5},
                            {label: "training images", color: "#1b1b1b", kind: "line", width: 1.5, dash: DASH}];

const seedsOf = groups => d3.max(groups, g => g.runs.length);
const bandNote = groups => seedsOf(groups) > 1 ? " Lines are means over seeds, bands one standard deviation." : "";

// --- learning curves -----------------------------------------------------------------------------

function learningSeries(group, split, field) {
  const epochs = d3.set([].concat(...group.runs.map(r => r.metrics.map(m => m.epoch)))).values().map(Number).sort(d3.ascending);
  const points = epochs.map(epoch => {
    const rows = group.runs.map(r => r.metrics.find(m => m.epoch === epoch)).filter(Boolean);
    const s = summarise(rows.map(m => m[split][field]));
    return {x: epoch, y: s.mean, low: s.deviation === null ? null : s.mean - s.deviation,
            high: s.deviation === null ? null : s.mean + s.deviation};
  });
  const held = split === "validation";
  return {label: held ? group.label : null, color: group.color, points, width: held ? 2.5 : 1.5, dash: held ? null : DASH};
}

function learningFigure(root, groups) {
  const section = addSection(root, "Learning curves");
  const figure = section.append("figure");
  addLegend(figure, headItems(groups).concat(splitItems("validation images")));
  const panels = figure.append("div").attr("class", "panels");
  const series = field => [].concat(...groups.map(g => [learningSeries(g, "train", field), learningSeries(g, "validation", field)]));
  addPanel(panels, "Loss", drawLines, {
    title: "Cross-entropy by epoch", description: "Training and validation cross-entropy of each head over the epochs.",
    x: {label: "Epoch", integer: true}, y: {label: "Cross-entropy (nats)", min: 0}, series: series("cross_entropy")});
  addPanel(panels, "Accuracy", drawLines, {
    title: "Accuracy by epoch", description: "Training and validation accuracy of each head over the epochs.",
    x: {label: "Epoch", integer: true}, y: {label: "Accuracy (%)", format: x => Math.round(100 * x)}, series: series("accuracy")});
  addCaption(figure, "Cross-entropy without balance losses. Training values are running means over an epoch's steps in training mode " +
    "(dropout, gate noise), so they may lie above validation early on." + bandNote(groups));
  const known = groups.filter(g => g.published);
  if (known.length) {
    addPublished(figure, "best validation accuracy after 50 epochs " +
      listOf(known.map(g => g.label + " " + formatPercent(g.published.validation, 2) + " (here " +
        percentWithError(g.values(r => r.results.best_validation_accuracy)) + ")")) + ".");
  }
  addData(figure, [learningTable(groups)]);
}

function learningTable(groups) {
  const rows = [];
  groups.forEach(g => g.runs.forEach(run => {
    rows.push([g.label + ", seed " + run.config.seed]);
    run.metrics.forEach(m => rows.push([String(m.epoch), formatNumber(m.train.cross_entropy), formatNumber(m.validation.cross_entropy),
      formatNumber(m.train.balance_loss), formatPercent(m.train.accuracy), formatPercent(m.validation.accuracy),
      formatNumber(m.learning_rate), formatNumber(m.seconds)]));
  }));
  return {columns: ["Epoch", "Train CE", "Val. CE", "Balance loss", "Train acc.", "Val. acc.", "Learning rate", "Time (s)"], rows};
}

// --- routing -------------------------------------------------------------------------------------

// Experts have no common order between seeds, so every run has a panel of its own.
function routedRuns(groups) {
  const runs = [];
  groups.filter(g => g.experts > 0).forEach(g => g.runs.forEach(run => runs.push({
    group: g, run, gate: run.results.test.gate, heading: runName(g, run)})));
  return runs;
}

const experts = count => d3.range(count).map(String);

function routingSection(root, groups) {
  const routed = routedRuns(groups);
  if (routed.length === 0) return;
  const section = addSection(root, "Routing", "How the gate spreads images over experts. Dense heads have no gate. An even share is 1/E for E experts; " +
    "experts have no common order between heads or seeds.");
  utilisationFigure(section, routed);
  specialisationFigure(section, routed);
  loadFigure(section, routed);
}

function utilisationFigure(section, routed) {
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  const top = d3.max(routed, r => d3.max(r.run.metrics, m => d3.max(m.validation.gate.mean_probability)));
  routed.forEach(r => {
    const share = (m, e) => m.validation.gate.mean_probability[e];
    const common = {title: "Expert utilisation over epochs, " + r.heading,
      description: "Mean gate probability of each of " + r.group.experts + " experts on the validation images, by epoch."};
    if (r.group.experts > EXPERT_COLORS.length) {
      addPanel(panels, "Utilisation over epochs: " + r.heading, drawHeat, Object.assign(common, {
        x: {label: "Epoch"}, y: {label: "Expert"}, rows: experts(r.group.experts), columns: r.run.metrics.map(m => String(m.epoch)),
        values: experts(r.group.experts).map(e => r.run.metrics.map(m => share(m, e))), max: heatMax(top), format: percentDigits}));
      return;
    }
    addPanel(panels, "Utilisation over epochs: " + r.heading, drawLines, Object.assign(common, {
      x: {label: "Epoch", integer: true}, y: {label: "Mean gate probability (%)", min: 0, max: top, format: x => d3.round(100 * x, 1) + ""},
      references: [{y: 1 / r.group.experts}],
      series: experts(r.group.experts).map(e => ({label: e, color: EXPERT_COLORS[e],
        points: r.run.metrics.map(m => ({x: m.epoch, y: share(m, e)}))}))}));
  });
  addCaption(figure, "Mean weight that the gate gives each expert on the validation images, in evaluation mode." +
    (routed.some(r => r.group.experts <= EXPERT_COLORS.length) ? " Experts are numbered at the lines' ends; dotted: the even share." : ""));
  addData(figure, [{columns: ["Head", "Epoch"].concat("Gate entropy (nats)", "Least used", "Most used", "Least load in training"), rows: [].concat(...routed.map(r =>
    r.run.metrics.map(m => { const p = m.validation.gate.mean_probability, trained = m.train.gate;
      return [r.heading, String(m.epoch), formatNumber(m.validation.gate.entropy), formatPercent(d3.min(p)), formatPercent(d3.max(p)),
        trained ? formatPercent(d3.min(trained.load)) : "not recorded"]; })))}]);
}

const heatMax = top => isNumber(top) ? Math.max(0.05, Math.ceil(top * 20 - 1e-9) / 20) : 1;

function specialisationFigure(section, routed) {
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  const top = d3.max(routed, r => d3.max(r.gate.class_by_expert, row => d3.max(row)));
  routed.forEach(r => addPanel(panels, "Class by expert: " + r.heading, drawHeat, {
    title: "Mean gate probability by class and expert, " + r.heading,
    description: "One row per class, one column per expert; each row sums to 100 %. The numbers are in the table below the figure.",
    x: {label: "Expert"}, y: {label: "Class"}, rows: r.run.results.data_set.classes, columns: experts(r.group.experts),
    values: r.gate.class_by_expert, max: heatMax(top), format: percentDigits}));
  addCaption(figure, "Mean gate probability in % over the test images of each class; rows sum to 100. A row with one dark cell is a class with its own expert.");
  addData(figure, routed.map(r => ({caption: r.heading + ", %; columns are experts", columns: ["Class"].concat(experts(r.group.experts)),
    rows: r.gate.class_by_expert.map((row, c) => [r.run.results.data_set.classes[c]].concat(row.map(v => formatPercent(v).replace(" %", ""))))})));
}

function loadFigure(section, routed) {
  const figure = section.append("figure");
  addLegend(figure, routed.map(r => r.group).filter((g, i, all) => all.indexOf(g) === i).map(g => ({label: "load, " + g.title, color: g.color, kind: "bar"}))
    .concat({label: "mean gate probability", kind: "dot"}));
  const panels = figure.append("div").attr("class", "panels");
  routed.forEach(r => addPanel(panels, "Load on the test set: " + r.heading, drawBars, {
    title: "Load of each expert on the test set, " + r.heading, description: "Fraction of routed assignments by expert, and mean gate probability as a dot.",
    x: {label: "Share of the assignments (%)", format: x => d3.round(100 * x, 1) + ""},
    reference: {x: 1 / r.group.experts, label: "even share"}, thickness: r.group.experts > 16 ? 11 : 14,
    rows: experts(r.group.experts).map(e => ({label: e, bars: [
      {value: r.gate.load[e], color: r.group.color, kind: "bar"},
      {value: r.gate.mean_probability[e], kind: "dot"},
    ]}))}));
  addCaption(figure, "Share of the " + formatCount(routed[0].run.results.test.images) + " test images' assignments by expert (vertical axis): top-k choices of sparse heads, arg-max of the soft head." +
    (routed.some(r => r.group.kind === "patch_moe") ? " An MoE block in the backbone routes patches: their assignments stand in the place of the images'." : ""));
  addPublished(figure, "utilisation stays balanced and no expert collapses. There are no published numbers to set beside the three figures of this section.");
  addData(figure, [{columns: ["Head", "Expert", "Load", "Mean gate probability"], rows: [].concat(...routed.map(r =>
    r.gate.load.map((load, e) => [r.heading, String(e), formatPercent(load), formatPercent(r.gate.mean_probability[e])])))}]);
}

// --- curvature -----------------------------------------------------------------------------------

const SETS = [["train", "training images"], ["test", "test images"]];
const QUANTITIES = [["lambda", "Largest eigenvalue"], ["trace", "Trace"]];

function curvatureSection(root, allGroups) {
  const groups = allGroups.filter(g => g.has("curvature"));
  if (groups.length === 0) return;
  const first = groups[0].runs[0].results.curvature;
  const section = addSection(root, "Curvature", "Hessian of the mean cross-entropy with respect to all parameters, exact Hessian-vector products in " + first.dtype +
    ", " + first.mode + " mode, on " + formatCount(first.train.images) + " training and " + formatCount(first.test.images) +
    " test images. A large value is a sharp minimum.");
  const figure = section.append("figure");
  const shown = groups.some(g => g.published);
  addLegend(figure, headItems(groups).concat(shown ? {label: "published, same head", color: "#595959", kind: "outline"} : []));
  const panels = figure.append("div").attr("class", "panels");
  QUANTITIES.forEach(([quantity, name]) => SETS.forEach(([set, images]) =>
    addPanel(panels, name + ", " + images, drawBars, curvatureBars(groups, quantity, set, name + ", " + images))));
  addCaption(figure, seedsOf(groups) > 1 ? "Bars are means over seeds; error bars are one sample standard deviation over seeds (where a head has one seed: as measured on it)."
    : "One seed. Error bars: " + (first.train.trace.error ? "half-widths of 95 % intervals over random vectors, iteration and images together. They do not say how another seed would differ."
      : "of the trace, its standard error over " + first.train.trace.samples + " random vectors; of the eigenvalue, the residual of Lanczos. " +
        "Neither says how another seed would differ."));
  addPublished(figure, shown ? "outlined bars. The paper finds the soft head the sharpest on test images, dense and sparse alike." : "no figures for these heads.");
  addData(figure, [{columns: ["Quantity"].concat(groups.map(g => g.label)), rows: curvatureRows(groups).concat(errorBarRows(groups), marginRows(groups))}]);
}

function curvatureBars(groups, quantity, set, title) {
  return {title, description: "One bar per head with its error bar; outlined bars are the published figures.", x: {label: quantity === "trace" ? "Trace of the Hessian" : "Eigenvalue of the Hessian"},
    rows: groups.map(g => {
      const s = curvatureOf(g, set, quantity);
      const bars = [{value: s.mean, low: isNumber(s.error) ? s.mean - s.error : null, high: isNumber(s.error) ? s.mean + s.error : null,
                     color: g.color, kind: "bar", text: formatNumber(s.mean)}];
      if (g.published) bars.push({value: g.published[quantity][set], color: g.color, kind: "outline", text: formatCount(g.published[quantity][set])});
      return {label: g.label, bars};
    })};
}

function curvatureCell(group, quantity, set) {
  const s = curvatureOf(group, set, quantity);
  return Object.assign(withError(s.mean, s.error), {was: group.published ? "publ. " + formatCount(group.published[quantity][set]) : ""});
}

// Rows of head columns: ours with its error, the published figure below.
function curvatureRows(groups) {
  return [].concat(...QUANTITIES.map(([quantity, name]) => SETS.map(([set, images]) => [name + ", " + images].concat(groups.map(g =>
    g.has("curvature") ? curvatureCell(g, quantity, set) : "not measured")))));
}

// The three error bars and their sum, means over seeds; files of earlier versions have none.
function errorBarRows(groups) {
  const errors = (g, set, quantity) => g.runs.map(r => estimateOf(r, set, quantity).error);
  const known = g => g.has("curvature") && SETS.every(([set]) => QUANTITIES.every(([quantity]) => errors(g, set, quantity).every(e => e)));
  if (!groups.some(known)) return [];
  const text = values => values.every(isNumber) ? formatNumber(d3.mean(values)) : "unknown";
  return [].concat(...QUANTITIES.map(([quantity, name]) => SETS.map(([set, images]) =>
    [name + ", " + images + ": 95 % half-widths over random vectors, iteration, images; sum"].concat(groups.map(g => !known(g) ? "–"
      : ["probe", "iteration", "data"].map(bar => text(errors(g, set, quantity).map(e => e[bar]))).join(", ") + "; " +
        text(errors(g, set, quantity).map(e => e.total)))))));
}

function marginRows(groups) {
  const margins = r => r.results.curvature.test.routing_margin;
  if (!groups.some(g => g.runs.every(margins))) return [];
  return [["minimum", d3.min], ["median", d3.median]].map(([name, reduce]) => ["Routing margin (logits), test images, " + name].concat(groups.map(g =>
    g.runs.every(margins) ? formatNumber(reduce(g.runs, r => margins(r)[name])) : "–")));
}

// --- perturbation --------------------------------------------------------------------------------

const DIRECTIONS = [
  {heading: "Along the top eigenvector", label: "Step α along the unit eigenvector", curves: p => p.eigenvector ? [p.eigenvector] : []},
  {heading: "Along random directions, filter-normalised", label: "Step α (1 = each filter's own norm)", curves: p => p.random.filter(c => c.normalisation === "filter")},
  {heading: "Along random directions of unit length", label: "Step α along unit directions", curves: p => p.random.filter(c => c.normalisation === "none")}
];

// One line with the range over directions and seeds as band; where the steps differ, a line each.
function perturbationSeries(group, curves, set) {
  const held = set === "test";
  const style = {color: group.color, width: held ? 2.5 : 1.5, dash: held ? null : DASH};
  const line = (points, label) => Object.assign({points, label}, style);
  const name = held ? group.label : null;
  const alphas = curves[0].alphas;
  if (!curves.every(c => JSON.stringify(c.alphas) === JSON.stringify(alphas))) {
    return curves.map((c, i) => line(c.alphas.map((x, j) => ({x, y: c[set][j]})), i === 0 ? name : null));
  }
  return [line(alphas.map((x, j) => {
    const values = curves.map(c => c[set][j]);
    const mean = summarise(values).mean;
    const range = curves.length > 1 && mean !== null ? d3.extent(values) : [null, null];
    return {x, y: mean, low: range[0], high: range[1]};
  }), name)];
}

function perturbationSection(root, allGroups) {
  const groups = allGroups.filter(g => g.has("perturbation"));
  if (groups.length === 0) return;
  const section = addSection(root, "Perturbation", "Loss after moving all parameters by α along a direction d, on the images of the curvature section. " +
    "Curvature says what happens at α = 0; these curves say how far that holds.");
  const figure = section.append("figure");
  addLegend(figure, headItems(groups).concat(splitItems("test images")));
  const panels = figure.append("div").attr("class", "panels");
  const tables = [];
  DIRECTIONS.forEach(direction => {
    const of = g => [].concat(...g.runs.map(r => direction.curves(r.results.perturbation)));
    const measured = groups.filter(g => of(g).length);
    if (measured.length === 0) return;
    addPanel(panels, direction.heading, drawLines, {
      title: "Loss " + direction.heading.toLowerCase(), description: "Training and test cross-entropy of each head by the step along the direction.",
      x: {label: direction.label}, y: {label: "Cross-entropy (nats)", log: true, min: 0},
      series: [].concat(...measured.map(g => perturbationSeries(g, of(g), "train").concat(perturbationSeries(g, of(g), "test"))))});
    tables.push({direction, groups: measured, of});
  });
  const count = d3.max(groups, g => d3.max(g.runs, r => r.results.perturbation.random.length));
  addCaption(figure, "Eigenvector of the training images' Hessian." + (count ? " Random directions: line = mean, band = range over directions" +
    (seedsOf(groups) > 1 ? " and seeds." : ".") + " Filter-normalised as by Li et al. (2018)." : ""));
  addPublished(figure, "dense and MoE heads differ in their behaviour under finite steps. There are no published numbers to set beside these curves.");
  addData(figure, tables.map(t => lineTable(t, "Cross-entropy", formatNumber)));
  surroundingsFigures(section, groups);
}

function lineTable({direction, groups, of}, quantity, format) {
  const rows = [].concat(...groups.map(g => [].concat(...SETS.map(([set]) => perturbationSeries(g, of(g), set).map(line =>
    [[g.label + ", " + set]].concat(line.points.map(p => [minus(String(d3.round(p.x, 6))), format(p.y)])))))));
  return {caption: direction.heading, columns: ["α", quantity], rows: [].concat(...rows)};
}
