// Draws the graph, moves it, and lets one choose a node by mouse, finger or keyboard.

const kSvg = "http://www.w3.org/2000/svg";

function svgElement(name, attributes, parent) {
  const element = document.createElementNS(kSvg, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
}

function passName(pass) {
  return ["forward", "backward", "double-backward"][pass] || "pass " + pass;
}

function groupPath(graph, group) {
  const parts = [];
  for (let g = group; g >= 0; g = graph.groups[g].parent) parts.unshift(graph.groups[g].name);
  return parts.length > 1 ? parts.slice(1).join(".") : parts.join(".");
}

function nodeTitle(node) {
  return node.label || node.op;
}

function itemTitle(graph, item) {
  return item.group >= 0 ? groupPath(graph, item.group) : nodeTitle(item.nodes[0]);
}

function shapeText(shot) {
  return shot ? "[" + shot.shape.join(", ") + "]" : "";
}

function shorten(text, length) {
  return text.length > length ? "…" + text.slice(text.length - length + 1) : text;
}

class View {
  constructor(graph, svg, onChoose) {
    this.graph = graph;
    this.svg = svg;
    this.onChoose = onChoose;
    this.chosen = null;
    this.time = graph.nodes.length - 1;
    this.scale = 1;
    this.x = this.y = 0;
    this.pointers = new Map();
    this.listen();
  }

  // Lays out and draws all again: after a box was opened or closed.
  draw() {
    this.layout = layoutGraph(this.graph);
    this.svg.textContent = "";
    this.world = svgElement("g", {}, this.svg);
    this.layout.left.forEach((x, pass) => {
      svgElement("text", {class: "heading", x, y: 16}, this.world).textContent = passName(pass) + " pass";
    });
    const lines = svgElement("g", {}, this.world);
    this.layout.edges.forEach(edge => {
      edge.element = svgElement("path", {class: "edge" + (edge.saved ? " saved" : "") + (edge.grey ? " grey" : ""), d: edge.path}, lines);
    });
    this.layout.items.forEach(item => this.drawItem(item));
    this.byBirth = [
      ...this.layout.items.map(item => ({born: item.first, element: item.element})),
      ...this.layout.edges.map(edge => ({born: edge.born, element: edge.element}))
    ].sort((a, b) => a.born - b.born);
    this.byBirth.forEach(part => part.element.classList.toggle("unborn", part.born > this.time));
    this.shown = this.byBirth.filter(part => part.born <= this.time).length;
    this.mark();
    this.move();
  }

  drawItem(item) {
    const node = item.nodes[0];
    const kind = item.group >= 0 ? "group" : node.kind;
    const element = svgElement("g", {class: "item " + kind, transform: `translate(${item.x},${item.y})`}, this.world);
    svgElement("rect", {class: "pass" + item.pass, width: kBox.width, height: kBox.height, rx: kind === "operation" || kind === "group" ? 4 : 15}, element);
    const size = item.group >= 0 ? item.nodes.length + " nodes" : shapeText(this.graph.shots[node.outputs[0]]);
    svgElement("text", {x: kBox.width / 2, y: 13}, element).textContent = shorten(itemTitle(this.graph, item), 20);
    svgElement("text", {x: kBox.width / 2, y: 25, "font-size": 9}, element).textContent = size;
    svgElement("title", {}, element).textContent = itemTitle(this.graph, item) + " " + size + (node.attributes ? " " + node.attributes : "");
    element.dataset.item = item.number;
    item.element = element;
  }

  // Shows what was born up to `time`; touches only what changes.
  showUntil(time) {
    this.time = time;
    while (this.shown < this.byBirth.length && this.byBirth[this.shown].born <= time) {
      this.byBirth[this.shown++].element.classList.remove("unborn");
    }
    while (this.shown > 0 && this.byBirth[this.shown - 1].born > time) {
      this.byBirth[--this.shown].element.classList.add("unborn");
    }
  }

  choose(index) {
    this.chosen = index;
    this.mark();
    this.onChoose(index);
  }

  mark() {
    if (this.chosen === null || !this.layout) return;
    const item = this.graph.itemOf[this.chosen];
    const node = this.graph.nodes[this.chosen];
    const kin = new Set([...node.made, ...(node.parent === undefined ? [] : [node.parent])].map(i => this.graph.itemOf[i]));
    this.layout.items.forEach(each => {
      each.element.classList.toggle("chosen", each === item);
      each.element.classList.toggle("kin", each !== item && kin.has(each));
    });
    this.layout.edges.forEach(edge => edge.element.classList.toggle("lit", edge.from === item || edge.to === item));
  }

  toggle(item) {
    if (item.group >= 0) {
      this.graph.open.add(item.group);
    } else {
      const group = item.nodes[0].group;
      if (group < 0) return;
      this.graph.open.delete(group);
    }
    this.draw();
  }

  // ---- moving

  move() {
    this.world.setAttribute("transform", `translate(${this.x},${this.y}) scale(${this.scale})`);
  }

  fit() {
    const box = this.svg.getBoundingClientRect();
    if (box.width === 0) return;
    const whole = Math.min(box.width / (this.layout.width + 40), box.height / (this.layout.height + 20));
    this.scale = Math.min(1.2, Math.max(whole, 0.35));
    this.x = Math.max(10, (box.width - this.layout.width * this.scale) / 2);
    this.y = 10;
    this.move();
  }

  zoom(factor, x, y) {
    const next = Math.min(4, Math.max(0.03, this.scale * factor));
    this.x = x - (x - this.x) * next / this.scale;
    this.y = y - (y - this.y) * next / this.scale;
    this.scale = next;
    this.move();
  }

  zoomAtCentre(factor) {
    const box = this.svg.getBoundingClientRect();
    this.zoom(factor, box.width / 2, box.height / 2);
  }

  // Brings the chosen node into the window.
  reveal() {
    const item = this.graph.itemOf[this.chosen];
    const box = this.svg.getBoundingClientRect();
    const x = this.x + (item.x + kBox.width / 2) * this.scale, y = this.y + (item.y + kBox.height / 2) * this.scale;
    if (x < 60 || x > box.width - 60) this.x += box.width / 2 - x;
    if (y < 40 || y > box.height - 40) this.y += box.height / 2 - y;
    this.move();
  }

  listen() {
    const at = event => {
      const box = this.svg.getBoundingClientRect();
      return {x: event.clientX - box.left, y: event.clientY - box.top};
    };
    this.svg.addEventListener("wheel", event => {
      event.preventDefault();
      const point = at(event);
      this.zoom(Math.exp(-event.deltaY / 500), point.x, point.y);
    }, {passive: false});
    this.svg.addEventListener("pointerdown", event => {
      this.pointers.set(event.pointerId, at(event));
      this.dragged = 0;
    });
    this.svg.addEventListener("pointermove", event => {
      const before = this.pointers.get(event.pointerId);
      if (!before) return;
      const now = at(event);
      const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      if (others.length > 0) {  // two fingers
        const gap = point => Math.hypot(point.x - others[0].x, point.y - others[0].y);
        this.zoom(gap(now) / Math.max(1, gap(before)), (now.x + others[0].x) / 2, (now.y + others[0].y) / 2);
      } else {
        this.x += now.x - before.x;
        this.y += now.y - before.y;
        this.move();
      }
      this.dragged += Math.hypot(now.x - before.x, now.y - before.y);
      this.pointers.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      this.svg.addEventListener(end, event => this.pointers.delete(event.pointerId));
    }
    this.svg.addEventListener("click", event => {
      const element = event.target.closest(".item");
      if (!element || this.dragged > 6) return;
      const item = this.layout.items[element.dataset.item];
      this.choose(item.nodes[0].index);
      if (item.group >= 0) this.toggle(item);
    });
    this.svg.addEventListener("keydown", event => this.key(event));
  }

  key(event) {
    const graph = this.graph;
    const item = graph.itemOf[this.chosen === null ? 0 : this.chosen];
    const node = graph.nodes[this.chosen === null ? 0 : this.chosen];
    const beside = step => this.layout.items[Math.min(this.layout.items.length - 1, Math.max(0, item.number + step))].nodes[0].index;
    const actions = {
      ArrowRight: () => this.choose(beside(1)),
      ArrowLeft: () => this.choose(beside(-1)),
      ArrowUp: () => { if (node.inputs.length > 0) this.choose(node.inputs[0][0]); },
      ArrowDown: () => { if (node.users.length > 0) this.choose(node.users[0]); },
      Home: () => this.choose(0),
      End: () => this.choose(graph.nodes.length - 1),
      Enter: () => this.toggle(item),
      " ": () => this.toggle(item),
      "+": () => this.zoomAtCentre(1.25),
      "-": () => this.zoomAtCentre(0.8)
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
    if (this.chosen !== null) this.reveal();
  }
}
