// The film: one warp, one access. Its lanes, and arrows to the 32-byte sectors or the banks that they touch.

const GOOD = "#0072B2", FAIR = "#E69F00", BAD = "#D55E00", IDLE = "#d0d0d0";
const LANES = d3.range(32);

// Where each lane reaches, in bytes from the array's beginning; null for lanes that take no part.
function laneOffsets(frame) {
  const {offsets} = frame;
  return LANES.map(i => ((frame.lanes >>> i) & 1) === 0 ? null : Array.isArray(offsets) ? offsets[i] : offsets.first + i * offsets.step);
}

// The sectors that a global access touches, lowest first: {number, used: bytes asked for, of 32, words: of 4 bytes each}.
function sectorsOf(frame) {
  const sectors = new Map();
  laneOffsets(frame).forEach(offset => {
    if (offset === null) return;
    for (let at = offset; at < offset + frame.bytes; at += 1) {
      const number = Math.floor(at / 32);
      if (!sectors.has(number)) sectors.set(number, {number, asked: new Set()});
      sectors.get(number).asked.add(at - 32 * number);
    }
  });
  return [...sectors.values()].sort((a, b) => a.number - b.number).map(sector => ({number: sector.number, used: sector.asked.size,
    words: d3.range(8).map(word => d3.range(4).filter(b => sector.asked.has(4 * word + b)).length)}));
}

// The words that a shared access asks of the banks, each with the turn in which its bank hands it out: the parts of a
// request (halves of a warp for 8 bytes, quarters for 16) come one after the other, and so do a bank's words.
function bankWords(frame) {
  const parts = Math.max(1, frame.bytes / 4), size = 32 / parts;
  const offsets = laneOffsets(frame), words = [];
  let turns = 0;
  d3.range(parts).forEach(part => {
    const known = new Map(), asked = LANES.map(() => 0);
    LANES.slice(part * size, (part + 1) * size).forEach(lane => {
      if (offsets[lane] === null) return;
      const first = frame.array_begin + offsets[lane];
      for (let word = Math.floor(first / 4); word <= Math.floor((first + frame.bytes - 1) / 4); word += 1) {
        if (!known.has(word)) {
          const bank = word % 32;
          known.set(word, {bank, turn: turns + asked[bank], isLate: asked[bank] > 0, lanes: []});
          asked[bank] += 1;
          words.push(known.get(word));
        }
        known.get(word).lanes.push(lane);
      }
    });
    turns += d3.max(asked);
  });
  return {words, turns};
}

// What an access uses beyond the ideal: where a film begins.
const excessOf = frame => frame.space === "shared" ? frame.turns - frame.ideal_turns : frame.sectors - frame.ideal_sectors;

const sectorColor = sector => sector.used === 32 ? GOOD : sector.used >= 16 ? FAIR : BAD;

// --- drawing -------------------------------------------------------------------------------------

const LANE_TOP = 32, LANE_BOTTOM = 46, TARGET_TOP = 150;

function drawFilm(svg, width, spec) {
  if (!spec.frame) return 0;
  const step = width / 32;
  drawLaneRow(svg, step, spec);
  return spec.frame.space === "shared" ? drawBanks(svg, width, spec) : drawSectors(svg, width, spec);
}

function drawLaneRow(svg, step, spec) {
  const every = step >= 15 ? 1 : 4;
  svg.append("text").attr({class: "quiet", x: 0, y: 12}).text("the warp's 32 lanes");
  laneOffsets(spec.frame).forEach((offset, lane) => {
    const x = lane * step;
    if (lane % every === 0) svg.append("text").attr({class: "small quiet", x: x + step / 2, y: 27, "text-anchor": "middle"}).text(lane);
    svg.append("rect").attr({class: "lane", x: x + 0.5, y: LANE_TOP, width: step - 1, height: LANE_BOTTOM - LANE_TOP,
      fill: offset === null ? "#fff" : lane === spec.lane ? "#1b1b1b" : "#8a8a8a", stroke: IDLE}).on("click", () => spec.choose(lane));
  });
}

// An arrow from a lane to a target's upper edge.
function drawArrow(svg, lane, step, x, y, color, spec) {
  const from = (lane + 0.5) * step, length = Math.hypot(x - from, y - LANE_BOTTOM);
  const ux = (x - from) / length, uy = (y - LANE_BOTTOM) / length;
  const backX = x - 6 * ux, backY = y - 6 * uy;
  const isQuiet = spec.lane !== null && spec.lane !== lane;
  const arrow = svg.append("g").attr({class: "arrow", opacity: isQuiet ? 0.12 : 1});
  arrow.append("line").attr({x1: from, y1: LANE_BOTTOM, x2: backX, y2: backY, stroke: color, "stroke-width": spec.lane === lane ? 2 : 1});
  arrow.append("path").attr({fill: color, d: "M" + x + "," + y + "L" + (backX - 2.5 * uy) + "," + (backY + 2.5 * ux) + "L" + (backX + 2.5 * uy) + "," + (backY - 2.5 * ux) + "Z"});
}

// Where each sector's box begins: those that follow one another touch, others stand apart.
function sectorPlaces(sectors, width) {
  const starts = sectors.map((sector, i) => i === 0 || sector.number !== sectors[i - 1].number + 1);
  const breaks = starts.filter(Boolean).length - 1;
  const gap = breaks > 8 ? 2 : 8;
  const size = Math.min(width / 8, (width - breaks * gap) / sectors.length);
  let x = (width - sectors.length * size - breaks * gap) / 2 - gap;
  return {size, x: starts.map(isStart => { const at = x + (isStart ? gap : 0); x = at + size; return at; })};
}

function drawSectors(svg, width, spec) {
  const {frame} = spec, sectors = sectorsOf(frame), places = sectorPlaces(sectors, width);
  const isWide = places.size >= 40;  // then a sector's words stand side by side, else one below the other
  const word = isWide ? (places.size - 2) / 8 : 8, bottom = TARGET_TOP + (isWide ? 24 : 64);
  const indexOf = new Map(sectors.map((sector, i) => [sector.number, i]));
  laneOffsets(frame).forEach((offset, lane) => {
    if (offset === null) return;
    const number = Math.floor(offset / 32), i = indexOf.get(number);
    const within = isWide ? 1 + word * (offset - 32 * number + frame.bytes / 2) / 4 : places.size / 2;
    drawArrow(svg, lane, width / 32, places.x[i] + within, TARGET_TOP - 2, sectorColor(sectors[i]), spec);
  });
  sectors.forEach((sector, i) => {
    const box = svg.append("g").attr("class", "sector");
    sector.words.forEach((used, w) => {
      const place = isWide ? {x: places.x[i] + 1 + w * word, y: TARGET_TOP, width: word - 1, height: 24}
        : {x: places.x[i] + 0.5, y: TARGET_TOP + w * word, width: Math.max(1, places.size - 1), height: word - 1};
      box.append("rect").attr(place).attr("fill", used === 4 ? GOOD : used > 0 ? FAIR : "#f7d9c8");
    });
    box.append("title").text("bytes " + formatCount(32 * sector.number) + " to " + formatCount(32 * sector.number + 31) + ": " + sector.used + " of 32 asked for");
  });
  const last = sectors[sectors.length - 1].number * 32 + 31;
  svg.append("text").attr({class: "quiet", x: 0, y: bottom + 14}).text("from byte " + formatCount(32 * sectors[0].number));
  svg.append("text").attr({class: "quiet", x: width, y: bottom + 14, "text-anchor": "end"}).text("to byte " + formatCount(last));
  return bottom + 20;
}

function drawBanks(svg, width, spec) {
  const {words, turns} = bankWords(spec.frame), step = width / 32;
  const height = Math.max(7, Math.min(16, 256 / turns));
  const every = step >= 15 ? 1 : 4;
  words.forEach(word => word.lanes.forEach(lane => {
    drawArrow(svg, lane, step, (word.bank + 0.5) * step, TARGET_TOP - 2, word.isLate ? BAD : GOOD, spec);
  }));
  LANES.forEach(bank => {
    svg.append("rect").attr({x: bank * step + 0.5, y: TARGET_TOP, width: step - 1, height: turns * height, fill: "#f5f6f7"});
  });
  words.forEach(word => {
    const cell = svg.append("g").attr("class", "word");
    cell.append("rect").attr({x: word.bank * step + 0.5, y: TARGET_TOP + word.turn * height, width: step - 1, height: height - 1, fill: word.isLate ? BAD : GOOD});
    cell.append("title").text("bank " + word.bank + ", turn " + (word.turn + 1) + ": for lane" + (word.lanes.length > 1 ? "s " : " ") + word.lanes.join(", "));
  });
  const bottom = TARGET_TOP + turns * height;
  LANES.filter(bank => bank % every === 0).forEach(bank => {
    svg.append("text").attr({class: "small quiet", x: (bank + 0.5) * step, y: bottom + 11, "text-anchor": "middle"}).text(bank);
  });
  svg.append("text").attr({class: "quiet", x: 0, y: bottom + 27}).text("the 32 banks of shared memory; a row is a turn");
  return bottom + 33;
}

// --- words ---------------------------------------------------------------------------------------

const plural = (count, word) => formatCount(count) + " " + word + (count === 1 ? "" : "s");

function frameText(frame) {
  const active = LANES.filter(i => ((frame.lanes >>> i) & 1) !== 0).length;
  const head = plural(active, "lane") + (active === 1 ? " " + frame.use : " " + frame.use.slice(0, -1)) + " " + plural(frame.bytes, "byte") + (active === 1 ? "" : " each") + " of " + frame.array + ". ";
  const collisions = frame.collisions ? " " + plural(frame.collisions, "lane") + " must wait: an earlier one has the same address." : "";
  if (frame.space === "shared") {
    const late = frame.turns - frame.ideal_turns;
    return head + plural(frame.turns, "turn") + (late > 0 ? "; " + formatCount(frame.ideal_turns) + " would do without conflicts of banks." : ": no conflict.") + collisions;
  }
  const used = d3.sum(sectorsOf(frame), sector => sector.used);
  const wasted = 32 * frame.sectors - used;
  return head + plural(frame.sectors, "sector") + ", " + formatCount(frame.ideal_sectors) + " would hold the bytes: " +
    formatCount(wasted) + " of " + formatCount(32 * frame.sectors) + " bytes moved are wasted." + collisions;
}

function laneText(frame, lane) {
  const offset = laneOffsets(frame)[lane];
  if (offset === null) return "Lane " + lane + " takes no part.";
  const where = frame.space === "shared" ? "bank " + Math.floor((frame.array_begin + offset) / 4) % 32 : "sector " + formatCount(Math.floor(offset / 32));
  return "Lane " + lane + ": byte " + formatCount(offset) + " of " + frame.array + ", in " + where + ".";
}
