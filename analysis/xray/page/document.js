// Reads the X-ray's document (docs/design/xray.md): launches with their counts as flat rows of numbers, and the metrics
// that the page offers to shade and compare by.

// A metric: of(counts) is what was used, ideal(counts) the least that would have done, null where nobody can say.
const METRICS = [
  {key: "sectors", label: "Global sectors", unit: "sectors of 32 bytes", of: c => c.sectors, ideal: c => c.ideal_sectors},
  {key: "turns", label: "Shared turns", unit: "turns of shared memory", of: c => c.turns, ideal: c => c.ideal_turns},
  {key: "warps", label: "Instructions", unit: "warp instructions", of: c => c.warps, ideal: c => c.lanes / 32},
  {key: "flops", label: "Flops", unit: "flops", of: c => c.flops, ideal: () => null},
  {key: "collisions", label: "Collisions", unit: "lanes of atomics that collide", of: c => c.collisions, ideal: () => 0},
  {key: "local_bytes", label: "Spilled bytes", unit: "bytes of local memory", of: c => c.local_bytes, ideal: () => 0},
];

// Counts of a launch or line, as one row like those of PTX, which leave out what is zero.
function flatCounts(counts) {
  return {warps: counts.warp_instructions, lanes: counts.lane_instructions, sectors: counts.global.sectors,
          ideal_sectors: counts.global.ideal_sectors, turns: counts.shared.turns, ideal_turns: counts.shared.ideal_turns,
          flops: counts.flops + counts.tensor_flops, collisions: counts.atomics.collisions, local_bytes: counts.local.bytes};
}

function flatInstruction(row) {
  const counts = {};
  ["warps", "lanes", "sectors", "ideal_sectors", "turns", "ideal_turns", "flops", "collisions", "local_bytes"].forEach(name => {
    counts[name] = row[name] || 0;
  });
  return counts;
}

const keyOf = line => line.file + ":" + line.line;
const shapeText = shape => shape.join(" × ");
const baseName = path => path.split("/").pop();

// The launches of all runs, in order: {run, launch, name, counts, lines: [{file, line, text, counts, ptx, key}], frames}.
function readLaunches(data) {
  const all = [];
  data.ladder.forEach(run => (run.launches || []).forEach((launch, i) => {
    const lines = launch.lines.map(line => ({file: line.file, line: line.line, text: line.text || "", key: keyOf(line),
      counts: flatCounts(line), ptx: (line.ptx || []).map(row => ({line: row.line, text: row.text, counts: flatInstruction(row)}))}));
    all.push({run, launch, number: all.length, name: (launch.name || launch.kernel), place: run.launches.length > 1 ? i + 1 : 0,
              counts: flatCounts(launch.total), lines, frames: framesByLine(launch, lines)});
  }));
  return all;
}

// The frames of a launch's film by the source line that made them.
function framesByLine(launch, lines) {
  const lineOf = {};
  lines.forEach(line => line.ptx.forEach(row => { lineOf[row.line] = {key: line.key, text: row.text}; }));
  const frames = {};
  ((launch.film || {}).frames || []).forEach(frame => {
    const line = lineOf[frame.ptx];
    if (!line) return;
    (frames[line.key] = frames[line.key] || []).push(Object.assign({text: line.text}, frame));
  });
  return frames;
}

// The runs with the counts of all their launches, each with what tells its name from the others'.
function readRuns(data) {
  const names = data.ladder.map(run => run.name.split(" "));
  const isCommon = (word, i) => i > 0 && names.every(words => words.includes(word));
  const entry = names[0] ? names[0][0].split(":")[0] + ":" : "";
  const isOneEntry = names.every(words => words[0].startsWith(entry));
  return data.ladder.map((run, i) => {
    const words = names.length > 1 ? names[i].filter((word, at) => !isCommon(word, at)) : names[i];
    const label = words.join(" ");
    return {run, label: isOneEntry && names.length > 1 ? label.slice(entry.length) : label, counts: run.total ? flatCounts(run.total) : null};
  });
}

const launchTitle = one => (one.place ? one.place + ". " : "") + one.name + " · " + shapeText(one.launch.grid) + " blocks of " + shapeText(one.launch.block);

// "8.0 ×": how often the ideal was used; "" where it was met, or is unknown or zero.
function excessText(metric, counts) {
  const ideal = metric.ideal(counts), used = metric.of(counts);
  if (!ideal || used <= ideal * 1.005) return "";
  const times = used / ideal;
  return times.toFixed(times < 9.95 ? 1 : 0) + " ×";
}

// 1,234 or 12.3 M: short enough for the margin of a line.
function shortCount(x) {
  if (x < 1e5) return formatCount(x);
  const power = x < 1e8 ? [1e6, " M"] : x < 1e11 ? [1e9, " G"] : [1e12, " T"];
  return (x / power[0]).toFixed(x / power[0] < 10 ? 2 : 1) + power[1];
}

// Bytes with the unit that suits powers of two: 48 KiB.
function sizeText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (bytes >= 1024 && i < 4) { bytes /= 1024; i += 1; }
  return Number(bytes.toPrecision(3)) + " " + units[i];
}

// A finding in one line: "race: kernel: block (0, 0, 0), thread (1, 0, 0), a.cu:12: what".
function findingText(finding) {
  const party = one => "block (" + one.block.join(", ") + "), thread (" + one.thread.join(", ") + "), " + one.place;
  return finding.detector.replace(/_/g, " ") + ": " + finding.kernel + ": " + party(finding) + ": " + finding.what +
    (finding.times > 1 ? " [" + formatCount(finding.times) + " times]" : "");
}
