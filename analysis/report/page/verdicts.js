// What the runs say of each published claim (analysis/verdicts judges; this only shows).

const FINDINGS = {
  supports: {text: "supported", color: "#00664a"},
  contradicts: {text: "contradicted", color: "#9a3d00"},
  "cannot tell": {text: "cannot tell", color: "#595959"}
};

function verdictsSection(root, verdicts) {
  const judged = (verdicts || []).filter(v => v.comparisons.length);
  if (judged.length === 0) return;
  const section = addSection(root, "Verdicts", "What these runs say of each claim of " + PAPER.source + ". Models are paired by seed; intervals are Student's " +
    "of the mean over seeds, together 95 % per claim. A claim about several models is supported where each of them supports it, contradicted where one contradicts it.");
  judged.forEach(verdict => verdictFigure(section, verdict));
}

function verdictFigure(section, verdict) {
  const figure = section.append("figure");
  const finding = FINDINGS[verdict.finding];
  const heading = figure.append("h3").text(verdict.statement + " ");
  heading.append("span").style("color", finding.color).text(finding.text.charAt(0).toUpperCase() + finding.text.slice(1) + ".");
  addTable(figure, {columns: ["", "Estimate", "Finding"], rows: verdict.comparisons.map(comparisonRow)});
  addCaption(figure, verdict.rule);
}

const modelName = name => name.replace(/_/g, " ").replace("moe", "MoE");

function comparisonRow(c) {
  const format = x => c.scale === "ratio" ? "× " + formatNumber(x) : formatNumber(x);
  const beside = modelName(c.model) + (c.baseline ? (c.scale === "ratio" ? " over " : " less ") + modelName(c.baseline) : "");
  const seeds = c.seeds.length === 0 ? "" : "; " + c.seeds.length + (c.seeds.length === 1 ? " seed" : " seeds");
  const published = isNumber(c.published) ? "; published: " + format(c.published) : "";
  return [beside + ": " + c.quantity + " (" + c.setting + seeds + published + ")",
    isNumber(c.mean) ? {text: format(c.mean), was: formatNumber(c.low) + " to " + formatNumber(c.high)} : "–",
    FINDINGS[c.finding].text + (c.reason ? ": " + c.reason : "")];
}
