// Whether routing makes inference faster: whole models, heads alone and a token layer beside the dense one of each, the
// sparse ones with the published loop over experts and with fused kernels. Every sentence follows from the figures.

const GAIN_SCOPES = {model: "Whole models", head: "Heads alone", layer: "Token layer"};
const GAIN_LAYERS = {
  dense_all: {label: "Dense, 8 experts' units", color: HEADS.dense.color},
  dense_active: {label: "Dense, 2 experts' units", color: "#56B4E9"},
  soft_slots: {label: "Soft slots", color: HEADS.soft_moe.color},
  sparse: {label: "Sparse MoE", color: HEADS.sparse_moe.color}
};
const GAIN_VARIANTS = {mask_loop: "naive", fused: "fused"};

// {heading, base, entries: [{label, color, dash, variant, share, multiplyAdds, at: {batch: latency_ms}}], sizes}; entries of
// runs that the report does not show are left out. `base` is the dense entry that the others are compared with.
function gainScope(scope, groups) {
  const styleOf = name => {
    if (scope.scope === "layer") return Object.assign({dense: name === "dense_all"}, GAIN_LAYERS[name]);
    const group = groups.find(g => g.runs.some(run => run.name === name));
    return group ? {label: group.label, color: group.color, dense: group.kind === "dense"} : null;
  };
  const entries = scope.entries.map(entry => {
    const style = styleOf(entry.name);
    const at = {};
    entry.inference.forEach(batch => { at[batch.batch_size] = batch.latency_ms; });
    return style && {label: style.label + (entry.variant ? ", " + GAIN_VARIANTS[entry.variant] : ""), color: style.color, dense: style.dense,
      variant: entry.variant, dash: entry.variant === "mask_loop" ? DASH : null, share: entry.routed_share, multiplyAdds: entry.multiply_adds, at};
  }).filter(Boolean);
  const base = entries.find(entry => entry.dense) || entries[0];
  return {name: scope.scope, heading: GAIN_SCOPES[scope.scope], base, entries,
          sizes: base ? Object.keys(base.at).map(Number).sort(d3.ascending) : []};
}

// How many times as fast as the dense one; null where one of the two has no time.
const gainOf = (scope, entry, size) => entry.at[size] && scope.base.at[size] ? scope.base.at[size].median / entry.at[size].median : null;

// Whether the middle 60 % of the calls lie below those of the dense one.
const isFaster = (scope, entry, size) => Boolean(entry.at[size] && scope.base.at[size]) && entry.at[size].p80 < scope.base.at[size].p20;

// "Sparse MoE, naive: faster than Dense at 0 of 3 batch sizes (0.93 to 1.01 times as fast)".
function gainClause(scope, entry) {
  const sizes = scope.sizes.filter(size => isNumber(gainOf(scope, entry, size)));
  const [low, high] = d3.extent(sizes, size => gainOf(scope, entry, size));
  const count = sizes.filter(size => isFaster(scope, entry, size)).length;
  return entry.label + ": faster than " + scope.base.label + " at " + count + " of " + sizes.length + (sizes.length === 1 ? " batch size (" : " batch sizes (") +
    formatNumber(low) + (sizes.length > 1 ? " to " + formatNumber(high) : "") + " times as fast)";
}

function gainSentence(scope) {
  const routed = scope.entries.filter(entry => entry.variant);
  if (routed.length === 0) return "";
  const [low, high] = d3.extent(routed, entry => entry.share);
  const share = formatShare(low) + (high > low ? " to " + formatShare(high) : "");
  return scope.heading + " (\u03c1 " + share + "). " + routed.map(entry => gainClause(scope, entry)).join("; ") + ".";
}

// A share with two significant digits: 0.014 %, 19 %.
const formatShare = x => !isNumber(x) ? NOT_FINITE : x === 0 ? "0 %" : formatPercent(x, Math.max(0, 1 - Math.floor(Math.log10(100 * x))));

// What the figures say about the published conclusion, that routing done naively makes nothing faster.
function gainVerdict(scopes) {
  const verdicts = scopes.map(scope => {
    const naive = scope.entries.filter(entry => entry.variant === "mask_loop");
    const wins = d3.sum(naive, entry => scope.sizes.filter(size => isFaster(scope, entry, size)).length);
    return {scope, tried: d3.sum(naive, entry => scope.sizes.filter(size => isNumber(gainOf(scope, entry, size))).length), wins};
  }).filter(v => v.tried > 0);
  if (verdicts.length === 0) return "";
  const names = list => listOf(list.map(v => v.scope.heading.toLowerCase()));
  const holds = verdicts.filter(v => v.wins === 0);
  const fails = verdicts.filter(v => v.wins === v.tried);
  const mixed = verdicts.filter(v => v.wins > 0 && v.wins < v.tried);
  return "Here naive routing is clearly faster " + listOf([].concat(
    holds.length ? "at no batch size for the " + names(holds) : [],
    mixed.length ? "at some batch sizes for the " + names(mixed) : [],
    fails.length ? "at every batch size for the " + names(fails) : [])) + ".";
}

function gainFigure(section, study, groups) {
  if (!study.routing_gain) return;
  const scopes = study.routing_gain.scopes.map(scope => gainScope(scope, groups)).filter(scope => scope.entries.length > 1 && scope.sizes.length);
  if (scopes.length === 0) return;
  section.append("h3").text("What routing gains");
  section.append("p").text("The same work with and without routing, timed in turns. Naive is the published loop over the experts, fused reads each expert's " +
    "rows through the permutation. \u03c1 is the share of the multiply-adds that is routed: no routing can gain more than that share. " +
    "Faster means that the middle 60 % of the calls do not overlap.");
  scopes.map(gainSentence).filter(Boolean).forEach(sentence => section.append("p").text(sentence));
  const figure = section.append("figure");
  const panels = figure.append("div").attr("class", "panels");
  scopes.forEach(scope => addPanel(panels, scope.heading, drawLines, {title: scope.heading + ": speed by batch size",
    description: "How many times as fast as " + scope.base.label + ", by images a batch.",
    x: {label: "Images a batch, log scale", integer: true, format: t => formatCount(Math.round(2 ** t))},
    y: {label: "Times as fast as " + scope.base.label.toLowerCase(), min: 0, log: true}, references: [{y: 1}],
    series: scope.entries.filter(entry => entry !== scope.base).map(entry => ({label: entry.label, color: entry.color, dash: entry.dash,
      points: scope.sizes.map(size => ({x: Math.log(size) / Math.LN2, y: gainOf(scope, entry, size)}))}))}));
  addCaption(figure, "The token layer has random weights: 16 tokens of 256 numbers an image, 8 experts of 256 hidden units, 2 for each token.");
  addPublished(figure, "naive conditional routing gives no inference speed-up at this scale. " + gainVerdict(scopes));
  gainTable(section, scopes);
}

// At most three batch sizes, so that a phone has room: the first, the middle and the last.
function gainTable(section, scopes) {
  const all = d3.set([].concat(...scopes.map(scope => scope.sizes))).values().map(Number).sort(d3.ascending);
  const sizes = all.length <= 3 ? all : [all[0], all[Math.floor(all.length / 2)], all[all.length - 1]];
  const rows = [];
  scopes.forEach(scope => {
    rows.push([scope.heading]);
    scope.entries.forEach(entry => rows.push([entry.label, formatShare(entry.share)].concat(sizes.map(size => entry.at[size] ?
      {text: formatNumber(entry.at[size].median), was: entry === scope.base ? "" : formatNumber(gainOf(scope, entry, size)) + "x"} : "–"))));
  });
  addTable(section, {caption: "Median latency (ms) of a batch of so many images; below it, how many times as fast as the dense one",
    columns: ["", "\u03c1"].concat(sizes.map(formatCount)), rows});
}
