// Numbers for the page: groups of runs, means over seeds, number formats, the published figures.
// No drawing here.

const PAPER = {
  name: "Mixture-of-Experts Models in Vision: Routing, Optimization, and Generalization",
  source: "arXiv 2601.15021",
  setting: {backbone: "resnet18", epochs: 50, batchSize: 128, schedule: "multi_step", images: 1000},
  heads: {
    dense: {validation: 0.8786, test: 0.8644, lambda: {train: 2.38, test: 63.9}, trace: {train: 22.7, test: 1180}},
    soft_moe: {validation: 0.8824, test: 0.8723, lambda: {train: 1.10, test: 92.2}, trace: {train: 19.9, test: 1455}},
    sparse_moe: {validation: 0.8816, test: 0.8717, lambda: {train: 0.72, test: 68.7}, trace: {train: 15.2, test: 1148}}
  }
};

// Okabe and Ito's colours: told apart with every common form of colour blindness.
const HEADS = {
  dense: {label: "Dense", color: "#0072B2"},
  soft_moe: {label: "Soft MoE", color: "#D55E00"},
  sparse_moe: {label: "Sparse MoE", color: "#009E73"},
  hard_moe: {label: "Hard MoE", color: "#CC79A7"},
  patch_moe: {label: "Patch MoE", color: "#E69F00"}  // an MoE block in the backbone, a dense head behind it
};
const SPARE_COLORS = ["#56B4E9", "#882255", "#999933", "#332288", "#7F7F7F"];  // of further models of a kind
const EXPERT_COLORS = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#7F7F7F"];

const isNumber = x => typeof x === "number" && isFinite(x);

// {mean, deviation (sample, null for one value), count}; mean is null where a value is not finite.
function summarise(values) {
  const n = values.length;
  if (n === 0 || !values.every(isNumber)) return {mean: null, deviation: null, count: n};
  const mean = d3.sum(values) / n;
  if (n < 2) return {mean, deviation: null, count: n};
  return {mean, deviation: Math.sqrt(d3.sum(values, x => (x - mean) ** 2) / (n - 1)), count: n};
}

function publishedOf({backbone, head}) {
  if (backbone.moe) return null;
  const figures = PAPER.heads[head.name];
  const same = head.name === "dense" || (head.experts === 8 && (head.expert_width || 64) === 64 && (head.name !== "sparse_moe" || head.top_k === 2));
  return figures && same ? figures : null;
}

// "4096" of {field: "expert_width", value: "4096"}; a switch is named, for its value would say nothing.
const shortDifference = d => (/^(true|false|none)$/.test(d.value) ? d.field + " " + d.value : d.value).replace(/_/g, " ");

// Where there is little room: "Sparse MoE 4096" of a model that differs from the first of its kind in one field, else "Sparse MoE 3",
// the third one.
function shortLabel(model, models) {
  const twins = models.filter(other => other.kind === model.kind);
  const text = other => other.differences.length === 1 ? shortDifference(other.differences[0]) : String(twins.indexOf(other) + 1);
  if (model === twins[0]) return HEADS[model.kind].label;
  const taken = twins.slice(1).filter(other => text(other) === text(model)).length > 1;
  return HEADS[model.kind].label + " " + (taken ? twins.indexOf(model) + 1 : text(model));
}

// "expert width 4096, load estimator smooth"; empty for the first of a kind.
const differenceText = model => model.differences.slice(0, 4).map(d => (d.field + " " + d.value).replace(/_/g, " ")).join(", ") +
  (model.differences.length > 4 ? ", …" : "");

// The models of a study: {name, kind, title: "Sparse MoE, expert width 4096", label: "Sparse MoE 4096", differences: "expert
// width 4096", color, head, runs, experts, published}. Those after the first of a kind are told by the fields in which they differ from it.
function groupRuns(runs, models) {
  const spare = SPARE_COLORS.slice();
  return models.map((model, place) => {
    const {backbone, head} = runs.find(run => run.name === model.runs[0]).config.model;
    const gated = backbone.moe || head;
    const first = models.findIndex(other => other.kind === model.kind) === place;
    const group = {name: model.name, kind: model.kind, head, color: first ? HEADS[model.kind].color : spare.shift() || "#7F7F7F",
      title: [HEADS[model.kind].label, differenceText(model)].filter(Boolean).join(", "), label: shortLabel(model, models),
      differences: differenceText(model), runs: model.runs.map(name => runs.find(run => run.name === name)),
      published: publishedOf({backbone, head}), experts: gated.experts && gated.name !== "dense" ? gated.experts : 0};
    group.values = read => summarise(group.runs.map(read));
    group.has = section => group.runs.every(run => run.results[section]);
    return group;
  });
}

// --- formats -------------------------------------------------------------------------------------

const percentDigits = x => String(Math.round(100 * x));
const NOT_FINITE = "not finite";

// Three significant digits, thousands separated: 0.0123, 1.20, 63.9, 1,180.
function formatNumber(x) {
  if (!isNumber(x)) return NOT_FINITE;
  const size = Math.abs(x);
  if (x === 0) return "0";
  if (size >= 1e7 || size < 1e-3) {
    const [digits, power] = x.toExponential(1).split("e");
    return minus(digits + " × 10") + superscript(Number(power));
  }
  if (size >= 100) return minus(d3.format(",.0f")(x));
  return minus(x.toFixed(Math.max(0, 2 - Math.floor(Math.log10(size)))));
}

const minus = text => text.replace("-", "\u2212");
const superscript = n => String(n).replace(/./g, c => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(c)]);
const formatCount = x => isNumber(x) ? d3.format(",")(x) : NOT_FINITE;
const formatPercent = (x, digits) => isNumber(x) ? (100 * x).toFixed(digits === undefined ? 1 : digits) + " %" : NOT_FINITE;
const formatBytes = x => !isNumber(x) ? NOT_FINITE
  : x >= 2 ** 30 ? (x / 2 ** 30).toFixed(1) + " GiB" : Math.round(x / 2 ** 20) + " MiB";

function formatDuration(seconds) {
  if (!isNumber(seconds)) return NOT_FINITE;
  if (seconds < 100) return seconds.toFixed(seconds < 10 ? 1 : 0) + " s";
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? minutes + " min" : Math.floor(minutes / 60) + " h " + (minutes % 60) + " min";
}

// "76.3 ± 0.4 %": the deviation over seeds where there are several.
function percentWithError(s) {
  if (s.mean === null) return NOT_FINITE;
  const error = s.deviation === null ? "" : " ± " + (100 * s.deviation).toFixed(1);
  return (100 * s.mean).toFixed(1) + error + " %";
}

// {text, error}: a mean to the decimals of its error's second digit, as in "21.4" and "± 1.7".
function withError(mean, error) {
  if (!isNumber(mean) || !isNumber(error) || error <= 0) return {text: formatNumber(mean), error: ""};
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(error)));
  if (decimals > 6 || Math.abs(mean) >= 1e6) return {text: formatNumber(mean), error: "± " + formatNumber(error)};
  const format = d3.format(",." + decimals + "f");
  return {text: minus(format(mean)), error: "± " + format(error)};
}

// --- curvature -----------------------------------------------------------------------------------

const estimateOf = (run, set, quantity) => run.results.curvature[set][quantity === "lambda" ? "largest_eigenvalue" : "trace"];

// {mean, error}: over seeds the deviation; of one seed the sum of its three error bars or, in files that lack
// them, the trace's standard error and the eigenvalue's residual.
function curvatureOf(group, set, quantity) {
  const read = run => estimateOf(run, set, quantity);
  const s = group.values(run => quantity === "lambda" ? read(run).value : read(run).mean);
  const only = read(group.runs[0]);
  const own = only.error ? only.error.total : quantity === "lambda" ? only.residual : only.standard_error;
  return {mean: s.mean, error: s.count > 1 ? s.deviation : own};
}

// --- words ---------------------------------------------------------------------------------------

const listOf = items => items.length < 2 ? items.join("") : items.slice(0, -1).join(", ") + " and " + items[items.length - 1];
const lastEpoch = run => run.metrics[run.metrics.length - 1].epoch;

// How this study's setting differs from the published one; empty where it does not.
function settingDifferences(study, groups) {
  const runs = [].concat(...groups.map(g => g.runs));
  const differences = [];
  const unlike = (read, expected, say) => {
    const others = d3.set(runs.map(read).filter(x => x !== expected && x !== undefined)).values();
    if (others.length) differences.push(say(listOf(others)));
  };
  const data = study.data_set;
  if (!/^cifar-?10$/i.test(data.name)) differences.push("the data set is " + data.name + " (published: CIFAR-10)");
  else if (data.train !== 45000) differences.push(formatCount(data.train) + " training images (published: 45,000)");
  if (data.augmentation) differences.push("training images are augmented (published: not)");
  unlike(r => r.config.model.backbone.name, PAPER.setting.backbone, x => "the backbone is \u201c" + x + "\u201d (published: ResNet-18)");
  unlike(lastEpoch, PAPER.setting.epochs, x => "training lasts " + x + (x === "1" ? " epoch" : " epochs") + " (published: 50)");
  unlike(r => r.config.batch_size, PAPER.setting.batchSize, x => "batches have " + x + " images (published: 128)");
  unlike(r => r.config.schedule && r.config.schedule.kind, PAPER.setting.schedule,
    x => "the learning rate follows " + x + " (published: 0.1, times 0.1 at epochs 30 and 40)");
  unlike(r => r.results.curvature && r.results.curvature.train.images, PAPER.setting.images,
    x => "curvature is measured on " + x + " images of each set (published: 1,000)");
  return differences;
}

function settingSentence(study, groups) {
  const differences = settingDifferences(study, groups);
  if (differences.length === 0) {
    return "This study follows the published setting (ResNet-18, CIFAR-10, 50 epochs, curvature on 1,000 images of each set), " +
      "so the published figures can be compared directly. They are of one seed.";
  }
  return "This is not the published setting: " + listOf(differences) + ". The published figures are shown for orientation; " +
    "a difference from them neither confirms nor contradicts them.";
}

// The summary: which head is most accurate and by how much, which is flattest, how even the routing is.
function summarySentences(study, groups) {
  const sentences = [];
  const accuracy = groups.map(g => ({group: g, s: g.values(r => r.results.test.accuracy)}))
    .filter(a => a.s.mean !== null).sort((a, b) => b.s.mean - a.s.mean);
  if (accuracy.length) sentences.push(accuracySentence(study, accuracy));
  const curved = groups.filter(g => g.has("curvature"));
  if (curved.length > 1) sentences.push(curvatureSentence(curved));
  const gated = groups.filter(g => g.experts > 0);
  if (gated.length) sentences.push(routingSentence(gated));
  return sentences;
}

function accuracySentence(study, ranked) {
  const best = ranked[0];
  const images = best.group.runs[0].results.test.images;
  const start = "On " + formatCount(images) + " test images of " + study.data_set.name + ", " + best.group.label +
    (ranked.length > 1 ? " is the most accurate with " : " reaches ") + percentWithError(best.s);
  if (ranked.length < 2) return start + ".";
  const last = ranked[ranked.length - 1];
  const gap = best.s.mean - last.s.mean;
  // Standard error of a difference: over seeds where there are several, else sampling of the test set.
  const error = s => s.deviation !== null ? s.deviation ** 2 / s.count : s.mean * (1 - s.mean) / images;
  const noise = Math.sqrt(error(best.s) + error(last.s));
  const kind = best.s.deviation !== null && last.s.deviation !== null ? "over seeds" : "of a test set of this size";
  const others = ranked.slice(1).map(a => a.group.label + " " + percentWithError(a.s));
  return start + " (" + listOf(others) + "). The range between them, " + (100 * gap).toFixed(1) + " points, is " +
    (gap > 2 * noise ? "more" : "less") + " than two standard errors " + kind + " (" + (200 * noise).toFixed(1) + " points)" +
    (best.group.runs.length === 1 ? "; one seed does not show the spread over seeds." : ".");
}

function curvatureSentence(groups) {
  const order = of => of.slice().sort((a, b) => a.value - b.value).map(x => x.group.label).join(" < ");
  const ours = set => groups.map(g => ({group: g, value: curvatureOf(g, set, "lambda").mean}));
  if (["train", "test"].some(set => ours(set).some(x => x.value === null))) return "";
  const [train, test] = ["train", "test"].map(set => order(ours(set)));
  let text = "Ordered by the largest Hessian eigenvalue, " + (train === test ? train + " on training and test images alike"
    : train + " on training images and " + test + " on test images");
  if (groups.every(g => g.published)) {
    const theirs = set => groups.map(g => ({group: g, value: g.published.lambda[set]}));
    const same = ["train", "test"].filter(set => order(ours(set)) === order(theirs(set)));
    text += "; the published order is " + (same.length === 2 ? "the same on both"
      : same.length === 1 ? "the same on " + (same[0] === "train" ? "training" : "test") + " images only" : "another one on both");
  }
  return text + ".";
}

function routingSentence(groups) {
  const even = d3.set(groups.map(g => g.experts)).values();
  const parts = groups.map(g => formatPercent(d3.min(g.runs, r => d3.min(r.results.test.gate.load))) + " (" + g.label +
    (even.length > 1 ? ", even share " + formatPercent(1 / g.experts) : "") + ")");
  return "The least used expert gets " + listOf(parts) + " of the test images' assignments" +
    (even.length > 1 ? "." : "; an even share is " + formatPercent(1 / groups[0].experts) + ".");
}

// "Dense", or with several seeds "Dense, seed 2".
const runName = (group, run) => group.label + (group.runs.length > 1 ? ", seed " + run.config.seed : "");
