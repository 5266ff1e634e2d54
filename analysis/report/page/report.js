// Builds the page from the data of a study: summary, figures, tables (start.js calls it).

function buildReport(root, data) {
  const study = data.study;
  const groups = groupRuns(data.runs, data.models);
  headline(root, study, groups);
  resultsTable(root, groups);
  verdictsSection(root, data.verdicts);
  learningFigure(root, groups);
  routingSection(root, groups);
  curvatureSection(root, groups);
  spectraSection(root, groups);
  perturbationSection(root, groups);
  routedShareSection(root, data.routed_share, groups);
  efficiencySection(root, study, groups);
  settingSection(root, study, groups);
  root.append("footer").append("p").text("Written by Switchyard " + study.machine.version +
    ". Published figures: " + PAPER.name + ", " + PAPER.source + ". Charts: d3 3.5 (BSD licence, Michael Bostock).");
}

function headline(root, study, groups) {
  root.append("h1").text(study.title);
  const runs = d3.sum(groups, g => g.runs.length);
  const parts = [study.preset ? "Preset " + study.preset : null, runs + (runs === 1 ? " run" : " runs"),
                 study.created ? study.created.replace("T", " ").replace("Z", " UTC") : null,
                 isNumber(study.seconds) ? formatDuration(study.seconds) + " in all" : null];
  root.append("p").attr("class", "byline").text(parts.filter(Boolean).join(" · "));
  root.append("p").attr("class", "summary").text(summarySentences(study, groups).filter(Boolean).join(" "));
  if (study.status === "interrupted") {
    root.append("p").attr("class", "setting").text("The study was interrupted; this report shows the runs that were finished.");
  }
  const stopped = [].concat(...groups.map(g => g.runs)).filter(r => r.results.status === "interrupted").map(r => r.name);
  if (stopped.length) {
    root.append("p").attr("class", "setting").text("Training was stopped early: " + listOf(stopped) + ". Figures are of the weights until then.");
  }
  root.append("p").attr("class", "setting").text(settingSentence(study, groups));
}

function resultsTable(root, groups) {
  const section = addSection(root, "Results and published figures");
  const row = (name, read, published, digits = 1) => [name].concat(groups.map(g => ({
    text: inPercent(g.values(read).mean, digits), error: errorPoints(g.values(read), digits), was: published && g.published ? "publ. " + inPercent(published(g.published), 2) : ""})));
  const rows = trainingRows(groups, row).concat([row("Test accuracy (%)", r => r.results.test.accuracy, p => p.test),
                row("Best validation accuracy (%)", r => r.results.best_validation_accuracy, p => p.validation),
                ["Test cross-entropy (nats)"].concat(groups.map(g => formatNumber(g.values(r => r.results.test.loss).mean)))]);
  if (groups.some(g => g.has("curvature"))) rows.push(...curvatureRows(groups));
  const routed = groups.map(g => g.runs[0].results.routed_share);  // the same for every seed
  if (routed.some(isNumber)) {
    rows.push(["Routed share of the multiply-adds, \u03c1"].concat(routed.map(x => isNumber(x) ? formatPercent(x, 3) : "–")));
  }
  rows.push(["Seeds"].concat(groups.map(g => String(g.runs.length))));
  rows.push(["Training time, all epochs"].concat(groups.map(g => formatDuration(g.values(r => r.results.training_seconds).mean))));
  addTable(section, {columns: [""].concat(groups.map(g => g.label)), rows});
  const further = groups.filter(g => g.differences);
  if (further.length) section.append("p").text("Of several models of a kind the first has the kind's name. " + further.map(g => g.label + ": " + g.differences).join("; ") + ".");
  section.append("p").text((seedsOf(groups) > 1 ? "After ±: one sample standard deviation over seeds. " : "") + weightsSentence(groups));
}

// A run whose training accuracy is at least this fits its training images: it is at convergence.
const FITS = 0.99;

// Accuracy on all training images in evaluation mode; studies of earlier versions did not measure it.
function trainingRows(groups, row) {
  const measured = groups.filter(g => g.has("train"));
  if (measured.length === 0) return [];
  const accuracy = r => r.results.train ? r.results.train.accuracy : null;
  const fits = g => g.runs.filter(r => accuracy(r) >= FITS).length + " of " + g.runs.length;
  return [measured.length === groups.length ? row("Training accuracy (%)", accuracy, null, 2)
    : ["Training accuracy (%)"].concat(groups.map(g => g.has("train") ? inPercent(g.values(accuracy).mean, 2) : "not measured")),
  ["Runs that fit their training images (" + formatPercent(FITS, 0) + " or more)"].concat(groups.map(g => g.has("train") ? fits(g) : "–"))];
}

// Which weights all figures are of, and whether they are at convergence.
function weightsSentence(groups) {
  const runs = [].concat(...groups.map(g => g.runs));
  const last = runs.filter(r => r.results.weights === "last").length;
  const which = {best: "the epoch that did best on the validation images", last: "the last epoch, without early stopping"};
  const text = "All figures are of the weights of " + (last === 0 ? which.best : last === runs.length ? which.last
    : "either " + which.best + " (" + (runs.length - last) + " runs), or " + which.last + " (" + last + " runs): they do not compare") + ".";
  const measured = runs.filter(r => r.results.train);
  if (measured.length === 0) return text;
  const fit = measured.filter(r => r.results.train.accuracy >= FITS).length;
  return text + " " + (fit === measured.length ? "Every run fits its" : fit + " of " + measured.length + " runs fit their") + " training images with them (" +
    formatPercent(FITS, 0) + " or more, evaluation mode, no augmentation): " + (fit === measured.length ? "curvature is that at convergence."
    : "elsewhere curvature is not that at convergence.");
}

const inPercent = (x, digits) => formatPercent(x, digits).replace(" %", "");
const errorPoints = (s, digits) => s.deviation === null ? "" : "± " + (100 * s.deviation).toFixed(digits);

function efficiencySection(root, study, allGroups) {
  const groups = allGroups.filter(g => g.has("efficiency"));
  if (groups.length === 0) return;
  const read = f => groups.map(g => f(g.runs.map(r => r.results.efficiency)));
  const mean = (list, f) => summarise(list.map(f)).mean;
  const section = addSection(root, "Efficiency", "Inference on this machine, evaluation mode, " + groups[0].runs[0].results.efficiency.threads + " threads. Latency of one batch.");
  const rows = [["Parameters"].concat(read(list => formatCount(list[0].parameters))),
                ["Peak resident memory"].concat(read(list => formatBytes(d3.max(list, e => e.peak_resident_bytes))))];
  const sizes = d3.set([].concat(...read(list => list[0].inference.map(b => b.batch_size)))).values().map(Number).sort(d3.ascending);
  sizes.forEach(size => {
    const batch = e => e.inference.find(b => b.batch_size === size);
    const cells = f => read(list => list.every(batch) ? f(list.map(batch)) : "–");
    rows.push(["Batch of " + size + (size === 1 ? " image" : " images")]);
    rows.push(["Latency, median (ms)"].concat(cells(list => ({text: formatNumber(mean(list, b => b.latency_ms.median)),
      was: formatNumber(mean(list, b => b.latency_ms.p20)) + "–" + formatNumber(mean(list, b => b.latency_ms.p80))}))));
    rows.push(["Latency, mean ± deviation (ms)"].concat(cells(list => withError(mean(list, b => b.latency_ms.mean),
      mean(list, b => b.latency_ms.standard_deviation)))));
    rows.push(["Throughput (images/s)"].concat(cells(list => formatNumber(mean(list, b => b.throughput)))));
  });
  const figure = section.append("figure");
  addTable(figure, {columns: [""].concat(groups.map(g => g.label)), rows});
  addCaption(figure, "Below each median: the 20th to 80th percentile.");
  if (!study.routing_gain) {
    addPublished(figure, "naive conditional routing gives no inference speed-up at this scale. There are no published numbers to set beside this table.");
  }
  gainFigure(section, study, allGroups);
}

// --- setting -------------------------------------------------------------------------------------

function flatten(value, path, out) {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    Object.keys(value).forEach(key => flatten(value[key], path ? path + "." + key : key, out));
  } else {
    out[path] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return out;
}

function settingSection(root, study, groups) {
  const section = addSection(root, "Setting");
  const data = study.data_set;
  const source = {given: "directory given by the user", fetched: "fetched from its home", "built-in": "built-in data set of the system"};
  section.append("h3").text("Data set");
  addTable(section, {kind: "fields", rows: [
    ["Name", data.name], ["Directory", data.directory], ["Source", source[data.source]], ["Images", formatCount(data.images)],
    ["Training / validation / test", [data.train, data.validation, data.test].map(formatCount).join(" / ")],
    ["Augmentation", data.augmentation ? "random crop and flip" : "off"], ["Classes", data.classes.join(", ")]]});
  section.append("h3").text("Machine");
  const machine = study.machine;
  addTable(section, {kind: "fields", rows: [
    ["Processor", machine.cpu], ["Cores / threads used", machine.cores + " / " + machine.threads], ["Memory", formatBytes(machine.memory_bytes)],
    ["Device", machine.device], ["System", machine.os], ["Compiler", machine.compiler], ["oneDNN", machine.onednn],
    ["Switchyard", machine.version + (machine.git_commit ? ", commit " + machine.git_commit : "")]]});
  if (study.command) {
    section.append("h3").text("Command");
    section.append("p").append("code").text(study.command);
  }
  section.append("h3").text("Configuration");
  addTable(section, {kind: "fields", columns: ["Field"].concat(groups.map(g => g.label)), rows: configurationRows(groups)});
}

// Every field of the configurations; a value that all heads share is written once.
function configurationRows(groups) {
  const flat = groups.map(g => flatten(g.runs[0].config, "", {}));
  const fields = [];
  flat.forEach(f => Object.keys(f).forEach(key => { if (fields.indexOf(key) < 0) fields.push(key); }));
  return fields.sort().map(field => {
    const values = flat.map((f, i) => field === "seed" ? groups[i].runs.map(r => r.config.seed).join(", ") : field in f ? f[field] : "–");
    return [field].concat(values.every(v => v === values[0]) ? {text: values[0], span: groups.length} : values);
  });
}
