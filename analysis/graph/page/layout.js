// The graph without a picture: nodes, the boxes that are open, and where everything lies.
//
// A band runs across the page for every step of the forward pass. In it lie, from left to right, the
// forward operation, what its rule made in the backward pass, and what the rules of both made in the
// pass through that. So what belongs to one operation is found beside it in every pass.

function expandTable(table) {
  return table.rows.map(row => {
    const object = {};
    row.forEach((value, i) => { if (value !== null) object[table.columns[i]] = value; });
    return object;
  });
}

class Graph {
  constructor(data) {
    this.nodes = expandTable(data.nodes);
    this.calls = expandTable(data.calls);
    this.shots = expandTable(data.shots);
    this.kernels = data.kernels;
    this.groups = data.groups.map(([name, parent]) => ({name, parent, size: 0, parts: 0}));
    this.groups.forEach(group => { if (group.parent >= 0) this.groups[group.parent].parts++; });
    this.nodes.forEach((node, i) => {
      node.index = i;
      node.kind = node.kind || "operation";
      node.inputs = node.inputs || [];
      node.users = [];
      node.calls = [];
      node.made = [];
    });
    this.nodes.forEach(node => {
      node.inputs.forEach(([from]) => this.nodes[from].users.push(node.index));
      if (node.parent !== undefined) this.nodes[node.parent].made.push(node.index);
      if (node.group >= 0) this.groups[node.group].parts++;
      for (let g = node.group; g >= 0; g = this.groups[g].parent) this.groups[g].size++;
    });
    this.calls.forEach((call, i) => { call.index = i; this.nodes[call.node].calls.push(call); });
    this.passes = 1 + Math.max(0, ...this.nodes.map(node => node.pass));
    this.open = new Set();
    this.foldTo(data.folded ? 0 : 140);
  }

  // Opens boxes, the outermost first, while at most `most` boxes are to be seen.
  foldTo(most) {
    this.open = new Set(this.groups.map((group, i) => i).filter(i => this.groups[i].parent < 0));
    let seen = this.items().length;
    const depths = this.groups.map((group, i) => this.depth(i));
    const order = this.groups.map((group, i) => i).sort((a, b) => depths[a] - depths[b] || a - b);
    for (const group of order) {
      if (this.open.has(group) || !this.open.has(this.groups[group].parent)) continue;
      seen += this.groups[group].parts - 1;  // what it holds takes its place
      if (seen > most) break;
      this.open.add(group);
    }
  }

  depth(group) {
    let depth = 0;
    for (let g = group; g >= 0; g = this.groups[g].parent) depth++;
    return depth;
  }

  openOneLevel() {
    const closed = this.groups.map((group, i) => i)
      .filter(i => !this.open.has(i) && (this.groups[i].parent < 0 || this.open.has(this.groups[i].parent)));
    closed.forEach(i => this.open.add(i));
  }

  // The outermost closed box around a node, or -1.
  closedAround(node) {
    let found = -1;
    for (let g = node.group; g >= 0; g = this.groups[g].parent) if (!this.open.has(g)) found = g;
    return found >= 0 && this.groups[found].size > 1 ? found : -1;
  }

  // The forward operation that a node goes back to.
  origin(node) {
    while (node.pass > 0 && node.parent !== undefined) node = this.nodes[node.parent];
    return node;
  }

  // What is to be seen, in the order of birth: nodes and closed boxes.
  items() {
    const byGroup = new Map();
    const items = [];
    this.itemOf = new Array(this.nodes.length);
    for (const node of this.nodes) {
      const group = this.closedAround(node);
      let item = group >= 0 ? byGroup.get(group) : undefined;
      if (!item) {
        item = {number: items.length, group, nodes: [], edges: [], pass: node.pass, first: node.index, born: node.index};
        if (group >= 0) byGroup.set(group, item);
        items.push(item);
      }
      item.nodes.push(node);
      this.itemOf[node.index] = item;
    }
    return items;
  }
}

const kBox = {width: 124, height: 30, gapX: 16, gapY: 26, column: 70, band: 14, top: 34};

// Longest path from the sources among `items`, along edges from earlier to later births.
function ranks(items, inputsOf) {
  const rank = new Map();
  for (const item of items) {
    let own = 0;
    for (const from of inputsOf(item)) if (rank.has(from)) own = Math.max(own, rank.get(from) + 1);
    rank.set(item, own);
  }
  return rank;
}

function layoutGraph(graph) {
  const items = graph.items();
  const edges = collectEdges(graph, items);
  const inputs = new Map(items.map(item => [item, []]));
  const users = new Map(items.map(item => [item, []]));
  edges.forEach(edge => {
    if (edge.from.first >= edge.to.first) return;
    inputs.get(edge.to).push(edge.from);
    users.get(edge.from).push(edge.to);
  });
  const bands = assignBands(graph, items, inputs, users);
  const extent = place(graph, items, bands, inputs);
  items.forEach(item => { item.box = {left: item.x, top: item.y, right: item.x + kBox.width, bottom: item.y + kBox.height}; });
  edges.forEach(edge => {
    edge.box = boxAround(edge.from.box, edge.to.box);
    edge.from.edges.push(edge);
    edge.to.edges.push(edge);
  });
  return {items, edges, ...extent};
}

function collectEdges(graph, items) {
  const known = new Map();
  for (const node of graph.nodes) {
    const to = graph.itemOf[node.index];
    for (const [source, , saved] of node.inputs) {
      const from = graph.itemOf[source];
      if (from === to) continue;
      const key = from.number * items.length + to.number;
      let edge = known.get(key);
      if (!edge) known.set(key, edge = {from, to, saved: false, grey: node.kind === "selection", born: node.index});
      edge.saved = edge.saved || Boolean(saved);
      edge.born = Math.min(edge.born, node.index);
    }
  }
  return [...known.values()];
}

// The band of each item: the rank of its forward operation.
function assignBands(graph, items, inputs, users) {
  const forward = items.filter(item => item.pass === 0);
  const band = ranks(forward, item => inputs.get(item));
  for (const item of [...forward].reverse()) {  // leaves lie just before what reads them
    if (inputs.get(item).length > 0) continue;
    const next = users.get(item).filter(user => user.pass === 0).map(user => band.get(user));
    if (next.length > 0) band.set(item, Math.max(0, Math.min(...next) - 1));
  }
  for (const item of items) {
    if (item.pass === 0) continue;
    const origin = graph.itemOf[graph.origin(item.nodes[0]).index];
    const reads = inputs.get(item).map(from => band.get(from) || 0);
    band.set(item, origin.pass === 0 ? band.get(origin) : Math.max(0, ...reads));
  }
  return band;
}

// Gives every item its x and y. Cells are (band, pass); within one, rows by longest path.
function place(graph, items, band, inputs) {
  const count = 1 + Math.max(0, ...items.map(item => band.get(item)));
  const cells = Array.from({length: count}, () => Array.from({length: graph.passes}, () => []));
  items.forEach(item => cells[band.get(item)][item.pass].push(item));
  const rows = cells.map(passes => passes.map(cell => {
    const inside = new Set(cell);
    const rank = ranks(cell, item => inputs.get(item).filter(from => inside.has(from)));
    const lines = [];
    cell.forEach(item => { (lines[rank.get(item)] = lines[rank.get(item)] || []).push(item); });
    return lines;
  }));
  const step = kBox.width + kBox.gapX;
  const widths = Array.from({length: graph.passes}, (_, pass) =>
    Math.max(1, ...rows.map(passes => Math.max(0, ...passes[pass].map(line => line.length)))) * step);
  const left = widths.map((_, pass) => widths.slice(0, pass).reduce((a, b) => a + b + kBox.column, 0));
  let y = kBox.top;
  const line = kBox.height + kBox.gapY;
  for (let b = 0; b < count; b++) {
    const high = Math.max(...rows[b].map(lines => lines.length));
    if (high === 0) continue;
    for (let pass = 0; pass < graph.passes; pass++) {
      rows[b][pass].forEach((row, r) => {
        const at = pass === 1 ? rows[b][pass].length - 1 - r : r;  // the backward pass goes up
        const offset = (high - rows[b][pass].length) * line / 2;
        sortRow(row, inputs);
        row.forEach((item, i) => {
          item.x = left[pass] + (widths[pass] - row.length * step) / 2 + i * step + kBox.gapX / 2;
          item.y = y + offset + at * line;
        });
      });
    }
    y += high * line + kBox.band;
  }
  return {left, widths, width: left[graph.passes - 1] + widths[graph.passes - 1], height: y};
}

// By the mean position of what they read that lies already, so that edges cross less.
function sortRow(row, inputs) {
  const wish = new Map(row.map((item, i) => {
    const placed = inputs.get(item).filter(from => from.x !== undefined && from.pass === item.pass).map(from => from.x);
    return [item, placed.length > 0 ? placed.reduce((a, b) => a + b, 0) / placed.length : i];
  }));
  row.sort((a, b) => wish.get(a) - wish.get(b) || a.first - b.first);
}

// The curve of an edge.
function route({from, to}) {
  const w = kBox.width, h = kBox.height;
  const middle = item => item.x + w / 2;
  if (from.pass !== to.pass) {
    const right = to.x > from.x;
    const x1 = right ? from.x + w : from.x, x2 = right ? to.x : to.x + w;
    const y1 = from.y + h / 2, y2 = to.y + h / 2, bend = Math.max(30, Math.abs(x2 - x1) / 2) * (right ? 1 : -1);
    return `M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
  }
  const down = to.y >= from.y;
  const y1 = down ? from.y + h : from.y, y2 = down ? to.y : to.y + h;
  const bend = Math.max(14, Math.abs(y2 - y1) / 2) * (down ? 1 : -1);
  return `M${middle(from)},${y1}C${middle(from)},${y1 + bend} ${middle(to)},${y2 - bend} ${middle(to)},${y2}`;
}

// Holds a curve between two boxes too: its bends stay within half the boxes' distance, or a box's size.
function boxAround(a, b) {
  return {
    left: Math.min(a.left, b.left) - kBox.gapX, top: Math.min(a.top, b.top) - kBox.gapY,
    right: Math.max(a.right, b.right) + kBox.gapX, bottom: Math.max(a.bottom, b.bottom) + kBox.gapY
  };
}
