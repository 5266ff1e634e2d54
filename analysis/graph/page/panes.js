// The three panes beside the graph, for the chosen node: its rule, its numbers, and the ledger.

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "onclick") element.addEventListener("click", value); else element.setAttribute(key, value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

function numberText(value) {
  if (typeof value !== "number") return String(value);
  return String(Number(value.toPrecision(6)));
}

function bytesText(bytes) {
  if (!bytes) return "";
  const units = ["B", "KiB", "MiB", "GiB"];
  let i = 0;
  while (bytes >= 1024 && i < 3) { bytes /= 1024; i++; }
  return Number(bytes.toPrecision(4)) + " " + units[i];
}

function countText(count) {
  if (!count) return "";
  const units = ["", " k", " M", " G", " T"];
  let i = 0;
  while (count >= 10000 && i < 4) { count /= 1000; i++; }
  return Number(count.toPrecision(4)) + units[i];
}

const kMostRows = 400;
const kRowsAtOnce = 40;

class Panes {
  constructor(graph, data, go) {
    this.rows = [];  // of the ledger
    this.chosenBox = -1;
    this.graph = graph;
    this.data = data;
    this.go = go;
    this.rulePane = document.getElementById("rule-pane");
    this.numbersPane = document.getElementById("numbers-pane");
    this.ledgerPane = document.getElementById("ledger-pane");
  }

  show(index) {
    const node = this.graph.nodes[index];
    this.showRule(node);
    this.showNumbers(node);
    this.markRow(this.graph.itemOf[index].number);
  }

  link(index) {
    const node = this.graph.nodes[index];
    return make("a", {class: "go", tabindex: "0", role: "button", onclick: () => this.go(index)}, `#${index + 1} ${nodeTitle(node)}`);
  }

  links(indices) {
    const list = make("span");
    indices.slice(0, 40).forEach((index, i) => list.append(i > 0 ? ", " : "", this.link(index)));
    if (indices.length > 40) list.append(` and ${indices.length - 40} more`);
    return list;
  }

  // ---- the rule

  showRule(node) {
    const pane = this.rulePane;
    pane.textContent = "";
    pane.append(make("h2", {}, `#${node.index + 1} ${nodeTitle(node)}`));
    const where = make("p", {class: "soft"}, `${passName(node.pass)} pass`);
    if (node.attributes) where.append(` · ${node.attributes}`);
    if (node.parent !== undefined) where.append(" · made by the rule of ", this.link(node.parent));
    if (node.inputs.length > 0) where.append(" · reads ", this.links([...new Set(node.inputs.map(input => input[0]))]));
    pane.append(where);
    if (node.kind === "leaf") pane.append(make("p", {}, "A leaf: gradients are taken for it, and no rule goes further back."));
    if (node.kind === "constant") pane.append(make("p", {}, "A constant: it has no history, so nothing flows back to it."));
    if (node.kind === "selection") pane.append(make("p", {}, "A selection: which ones are the largest is a step function of its input. Its derivative is zero wherever it has one, so nothing flows back along it. The values flow along other edges."));
    const rule = this.data.rules[node.rule];
    if (rule) {
      pane.append(make("h3", {}, `Its rule: ${rule.file}:${rule.line}`));
      if (rule.text) pane.append(this.source(rule));
    }
    this.children(node, pane);
  }

  // What the rule made, pass by pass: nodes with rules of their own.
  children(node, pane) {
    const passes = [...new Set(node.made.map(i => this.graph.nodes[i].pass))].sort();
    for (const pass of passes) {
      const made = node.made.filter(i => this.graph.nodes[i].pass === pass && this.graph.nodes[i].kind === "operation");
      if (made.length === 0) continue;
      pane.append(make("h3", {}, `Called in the ${passName(pass)} pass, it made`), make("p", {}, this.links(made)));
    }
    if (node.kind === "operation" && passes.length === 0) {
      pane.append(make("p", {class: "soft"}, node.calls.length > 0 ? "Its rule was called and recorded nothing: what it returned depends on nothing." : "Its rule was not called: no pass went through it."));
    }
  }

  source(rule) {
    const block = make("pre");
    let depth = 0, inside = false, over = false;
    rule.text.replace(/\n$/, "").split("\n").forEach((line, i) => {
      const number = rule.first_line + i;
      if (!inside && !over && number >= rule.line && /Vjp&/.test(line)) inside = true;
      const element = make("span", {class: inside ? "rule" : ""}, make("span", {class: "n"}, String(number).padStart(4) + "  "), line);
      block.append(element, inside ? "" : "\n");
      if (inside) {
        for (const c of line) depth += c === "{" ? 1 : c === "}" ? -1 : 0;
        element.style.display = "block";
        if (depth <= 0 && /}/.test(line)) { inside = false; over = true; }
      }
    });
    return block;
  }

  // ---- the numbers

  showNumbers(node) {
    const pane = this.numbersPane;
    pane.textContent = "";
    pane.append(make("h2", {}, "Numbers"));
    node.outputs.forEach((shot, i) => pane.append(this.tensor(node.outputs.length > 1 ? `Output ${i}` : "Value", shot)));
    if (node.gradient !== undefined) pane.append(this.tensor("Gradient of the loss by it", node.gradient));
    if (node.product !== undefined) pane.append(this.tensor("Its part of H v", node.product));
    for (const call of node.calls) {
      call.cotangents.forEach((shot, i) => {
        if (shot !== null && shot !== undefined) pane.append(this.tensor(`Cotangent that arrived in the ${passName(call.pass)} pass` + (call.cotangents.length > 1 ? `, of output ${i}` : ""), shot));
      });
      call.gradients.forEach((shot, i) => {
        if (shot === null || shot === undefined) return;
        const input = node.inputs[i];
        pane.append(this.tensor(`What left for input ${i}` + (input ? `, ${nodeTitle(this.graph.nodes[input[0]])}` : ""), shot));
      });
    }
  }

  tensor(title, number) {
    const shot = this.graph.shots[number];
    const block = make("div", {}, make("h3", {}, `${title} `, make("span", {class: "soft"}, shot ? `${shapeText(shot)} ${shot.dtype}` : "")));
    if (!shot) return block;
    if (shot.values) {
      block.append(this.table(shot));
    } else if (shot.norm !== undefined) {
      const range = shot.least === undefined ? "" : `from ${numberText(shot.least)} to ${numberText(shot.greatest)}, mean ${numberText(shot.mean)}, `;
      block.append(make("p", {class: "soft"}, `too large for a table: ${range}norm ${numberText(shot.norm)}`));
      if (shot.cells) block.append(this.heat(shot.cells));
    } else {
      block.append(make("p", {class: "soft"}, "its numbers are left out of this page: --json has them"));
    }
    return block;
  }

  table(shot) {
    const width = shot.shape.length > 0 ? shot.shape[shot.shape.length - 1] : 1;
    const table = make("table", {class: "value"});
    for (let begin = 0; begin < shot.values.length; begin += width) {
      table.append(make("tr", {}, ...shot.values.slice(begin, begin + width).map(value => make("td", {}, numberText(value)))));
    }
    return make("div", {class: "scroll"}, table);
  }

  // Blue below zero, orange above, as deep as the largest mean's size.
  heat(cells) {
    const size = 9;
    const canvas = make("canvas", {class: "heat", width: cells.columns * size, height: cells.rows * size, role: "img", "aria-label": "heat map of block means"});
    const context = canvas.getContext("2d");
    const most = Math.max(1e-300, ...cells.means.map(mean => Math.abs(Number(mean)) || 0));
    cells.means.forEach((mean, i) => {
      const part = Math.abs(Number(mean)) / most || 0;
      context.fillStyle = `rgba(${mean < 0 ? "11,98,184" : "214,105,32"},${part})`;
      context.fillRect(i % cells.columns * size, Math.floor(i / cells.columns) * size, size, size);
    });
    return canvas;
  }

  // ---- the ledger

  showLedger(layout) {
    const pane = this.ledgerPane;
    pane.textContent = "";
    pane.append(make("h2", {}, "Ledger"));
    pane.append(this.passes());
    pane.append(make("h3", {}, "Box by box"), make("p", {class: "soft"}, "flops and bytes moved: of the kernels that computed it. Saved: bytes that its rule reads, also where another box reads them too. Held: bytes that were allocated for it and are still there at the end, each once."));
    const table = make("table", {}, make("tr", {}, ...["#", "box", "pass", "flops", "moved", "saved", "held", "kernels"].map((name, i) => make("th", {class: i === 1 || i === 2 || i === 7 ? "text" : ""}, name))));
    pane.append(make("div", {class: "scroll"}, table));
    if (layout.items.length > kMostRows) pane.append(make("p", {class: "soft"}, `${layout.items.length - kMostRows} more boxes: fold some of them.`));
    this.rows = [];
    this.addRows(table, layout.items.slice(0, kMostRows));
  }

  // Some rows now and the others frame by frame, so that a box opens at once.
  addRows(table, items) {
    const rows = this.rows;  // showLedger() makes another list: then this one is not wanted any more
    const add = () => {
      if (rows !== this.rows) return;
      for (const item of items.slice(rows.length, rows.length + kRowsAtOnce)) {
        rows.push(this.row(item));
        table.append(rows[rows.length - 1]);
        if (item.number === this.chosenBox) rows[rows.length - 1].classList.add("chosen");
      }
      if (rows.length < items.length) requestAnimationFrame(add);
    };
    add();
  }

  row(item) {
    const sum = field => item.nodes.reduce((total, node) => total + (node[field] || 0), 0);
    const kernels = [...new Set(item.nodes.flatMap(node => (node.kernels || []).map(k => this.graph.kernels[k])))];
    return make("tr", {"data-box": item.number, onclick: () => this.go(item.nodes[0].index)},
      make("td", {}, String(item.first + 1)), make("td", {class: "text"}, itemTitle(this.graph, item)), make("td", {class: "text"}, passName(item.pass)),
      make("td", {}, countText(sum("flops"))), make("td", {}, bytesText(sum("moved"))), make("td", {}, bytesText(sum("saved_bytes"))), make("td", {}, bytesText(sum("held_bytes"))),
      make("td", {class: "text"}, kernels.slice(0, 3).join(", ") + (kernels.length > 3 ? ", …" : "")));
  }

  // The ledger's row of a box; its rows are in the order of the boxes' numbers.
  markRow(box) {
    const mark = on => { const row = this.rows[this.chosenBox]; if (row) row.classList.toggle("chosen", on); };
    mark(false);
    this.chosenBox = box;
    mark(true);
  }

  passes() {
    const table = make("table", {}, make("tr", {}, ...["pass", "kernels", "flops", "moved", "held after it", "peak"].map((name, i) => make("th", {class: i === 0 ? "text" : ""}, name))));
    for (const pass of this.data.passes) {
      table.append(make("tr", {}, make("td", {class: "text"}, pass.name), make("td", {}, String(pass.kernels)), make("td", {}, countText(pass.flops)), make("td", {}, bytesText(pass.moved)), make("td", {}, bytesText(pass.held_bytes)), make("td", {}, bytesText(pass.peak_bytes))));
    }
    const block = make("div", {class: "scroll"}, table);
    const held = this.graph.nodes.reduce((total, node) => total + (node.held_bytes || 0), 0);
    return make("div", {}, block, make("p", {class: "soft"}, `Held at the end: ${bytesText(held) || "0 B"} by boxes and ${bytesText(this.data.held_elsewhere) || "0 B"} by results.`), this.bills());
  }

  bills() {
    const roads = this.data.products;
    if (!roads) return null;
    const table = make("table", {}, make("tr", {}, ...["one product H v", "kernels", "flops", "moved", "peak", "differs by"].map((name, i) => make("th", {class: i === 0 ? "text" : ""}, name))));
    for (const road of roads) {
      table.append(make("tr", {}, make("td", {class: "text"}, road.name), make("td", {}, String(road.kernels)), make("td", {}, countText(road.flops)), make("td", {}, bytesText(road.moved)), make("td", {}, bytesText(road.peak_bytes)), make("td", {}, road.difference === 0 ? "" : numberText(road.difference))));
    }
    return make("div", {class: "scroll"}, table);
  }
}
