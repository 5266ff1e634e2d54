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

function drawEdge(edge, graph, parent) {
  return svgElement("path", {class: "edge" + (edge.saved ? " saved" : "") + (edge.grey ? " grey" : ""), d: route(edge)}, parent);
}

function drawItem(item, graph, parent) {
  const node = item.nodes[0];
  const kind = item.group >= 0 ? "group" : node.kind;
  const element = svgElement("g", {class: "item " + kind, transform: `translate(${item.x},${item.y})`}, parent);
  svgElement("rect", {class: "pass" + item.pass, width: kBox.width, height: kBox.height, rx: kind === "operation" || kind === "group" ? 4 : 15}, element);
  const title = itemTitle(graph, item);
  const size = item.group >= 0 ? item.nodes.length + " nodes" : shapeText(graph.shots[node.outputs[0]]);
  svgElement("text", {x: kBox.width / 2, y: 13}, element).textContent = shorten(title, 20);
  svgElement("text", {x: kBox.width / 2, y: 25, "font-size": 9}, element).textContent = size;
  svgElement("title", {}, element).textContent = title + " " + size + (node.attributes ? " " + node.attributes : "");
  return element;
}

// More boxes than these in the window are drawn from afar.
const kMostReadable = 300;

class View {
  constructor(graph, svg, canvas, onChoose) {
    this.graph = graph;
    this.svg = svg;
    this.far = new FarView(canvas);
    this.onChoose = onChoose;
    this.chosen = null;
    this.time = graph.nodes.length - 1;
    this.marks = new Map();  // from items and edges to the class that marks them
    this.camera = new Camera(svg, () => this.move(), (x, y) => this.click(x, y));
    svg.addEventListener("keydown", event => this.key(event));
  }

  // Lays out and draws all again: after a box was opened or closed.
  draw() {
    this.layout = layoutGraph(this.graph);
    this.svg.textContent = "";
    this.world = svgElement("g", {}, this.svg);
    this.layout.left.forEach((x, pass) => {
      svgElement("text", {class: "heading", x, y: 16}, this.world).textContent = passName(pass) + " pass";
    });
    this.lines = svgElement("g", {}, this.world);
    this.boxes = svgElement("g", {}, this.world);
    const {items, edges} = this.layout;
    this.byBirth = [...items, ...edges].sort((a, b) => a.born - b.born);
    this.shown = this.byBirth.filter(part => part.born <= this.time).length;
    this.countUnborn();
    this.svg.dataset.boxes = items.length;
    this.svg.dataset.grey = edges.filter(edge => edge.grey).length;
    this.marks.clear();
    this.mark();
    this.move();
  }

  // The document has elements for what lies in the window and around it, and for nothing else.
  move() {
    if (!this.layout) return;
    const {camera, layout} = this;
    this.world.setAttribute("transform", `translate(${camera.x},${camera.y}) scale(${camera.scale})`);
    const inside = camera.window(0);
    this.isFar = layout.items.filter(item => overlaps(item.box, inside)).length > kMostReadable;
    const near = this.isFar ? null : camera.window(0.2);
    for (const edge of layout.edges) this.attach(edge, near, this.lines, drawEdge);
    for (const item of layout.items) this.attach(item, near, this.boxes, drawItem);
    if (this.isFar) { this.drawFar(); } else { this.far.hide(); }
  }

  attach(part, near, parent, draw) {
    const wanted = near !== null && overlaps(part.box, near);
    if (wanted === Boolean(part.element)) return;
    if (!wanted) {
      part.element.remove();
      part.element = null;
      return;
    }
    part.element = draw(part, this.graph, parent);
    part.element.classList.toggle("unborn", part.born > this.time);
    if (this.marks.has(part)) part.element.classList.add(this.marks.get(part));
  }

  drawFar() {
    this.far.draw(this.layout, this.camera, this.time, this.marks);
  }

  // Shows what was born up to `time`; touches only what changes.
  showUntil(time) {
    this.time = time;
    const birth = (part, unborn) => { if (part.element) part.element.classList.toggle("unborn", unborn); };
    while (this.shown < this.byBirth.length && this.byBirth[this.shown].born <= time) birth(this.byBirth[this.shown++], false);
    while (this.shown > 0 && this.byBirth[this.shown - 1].born > time) birth(this.byBirth[--this.shown], true);
    if (this.isFar) this.drawFar();
    this.countUnborn();
  }

  countUnborn() {
    let unborn = 0;
    for (let i = this.shown; i < this.byBirth.length; i++) if (this.byBirth[i].from === undefined) unborn++;
    this.svg.dataset.unborn = unborn;
  }

  choose(index) {
    this.chosen = index;
    this.mark();
    if (this.isFar) this.drawFar();
    this.onChoose(index);
  }

  // Marks the chosen box, the boxes of its parent and children, and the edges at it.
  mark() {
    if (this.chosen === null || !this.layout) return;
    const item = this.graph.itemOf[this.chosen];
    const node = this.graph.nodes[this.chosen];
    const marks = new Map();
    for (const i of node.parent === undefined ? node.made : [...node.made, node.parent]) marks.set(this.graph.itemOf[i], "kin");
    marks.set(item, "chosen");
    for (const edge of item.edges) marks.set(edge, "lit");
    const change = (part, mark, on) => { if (part.element) part.element.classList.toggle(mark, on); };
    for (const [part, mark] of this.marks) if (marks.get(part) !== mark) change(part, mark, false);
    for (const [part, mark] of marks) if (this.marks.get(part) !== mark) change(part, mark, true);
    this.marks = marks;
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

  fit() {
    this.camera.fit(this.layout.width, this.layout.height);
  }

  // Brings the chosen node into the window.
  reveal() {
    const item = this.graph.itemOf[this.chosen];
    this.camera.reveal(item.x + kBox.width / 2, item.y + kBox.height / 2);
  }

  click(x, y) {
    const item = this.layout.items.find(each => x >= each.x && x <= each.x + kBox.width && y >= each.y && y <= each.y + kBox.height);
    if (!item) return;
    this.choose(item.nodes[0].index);
    if (item.group >= 0) this.toggle(item);
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
      "+": () => this.camera.zoomAtCentre(1.25),
      "-": () => this.camera.zoomAtCentre(0.8)
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
    if (this.chosen !== null) this.reveal();
  }
}
