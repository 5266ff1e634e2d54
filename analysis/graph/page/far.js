// The graph from afar: where more boxes are in the window than one can read, they are rectangles and
// lines on a canvas. Thousands of elements of a document would take longer than a frame.

class FarView {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.colours = null; });
  }

  hide() {
    this.canvas.hidden = true;
  }

  // `time`: what is born later is faint. `marks`: from parts to "chosen", "kin" or "lit".
  draw(layout, camera, time, marks) {
    const {canvas, context} = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(camera.width * ratio), height = Math.round(camera.height * ratio);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    canvas.hidden = false;
    this.colours = this.colours || readColours();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(ratio * camera.scale, 0, 0, ratio * camera.scale, ratio * camera.x, ratio * camera.y);
    const shown = camera.window(0);
    this.lines(layout.edges.filter(edge => overlaps(edge.box, shown)), time, 1 / camera.scale);
    this.boxes(layout.items.filter(item => overlaps(item.box, shown)), time);
    this.marked(marks, 2 / camera.scale);
  }

  lines(edges, time, width) {
    const {context, colours} = this;
    context.lineWidth = width;
    context.strokeStyle = colours.edge;
    for (const born of [false, true]) {
      context.globalAlpha = born ? 0.45 : 0.05;
      context.beginPath();
      for (const edge of edges) {
        if ((edge.born <= time) !== born) continue;
        context.moveTo(edge.from.x + kBox.width / 2, edge.from.y + kBox.height / 2);
        context.lineTo(edge.to.x + kBox.width / 2, edge.to.y + kBox.height / 2);
      }
      context.stroke();
    }
  }

  boxes(items, time) {
    const {context, colours} = this;
    for (const item of items) {
      context.globalAlpha = item.born <= time ? 1 : 0.12;
      context.fillStyle = colours.passes[Math.min(item.pass, 2)];
      context.fillRect(item.x, item.y, kBox.width, kBox.height);
    }
    context.globalAlpha = 1;
  }

  marked(marks, width) {
    const {context, colours} = this;
    context.lineWidth = width;
    for (const [part, mark] of marks) {
      context.strokeStyle = mark === "kin" ? colours.kin : colours.chosen;
      if (part.from) { context.stroke(new Path2D(route(part))); } else { context.strokeRect(part.x, part.y, kBox.width, kBox.height); }
    }
  }
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const colour = name => style.getPropertyValue(name).trim();
  return {edge: colour("--edge"), chosen: colour("--chosen"), kin: colour("--one"), passes: [colour("--pass0"), colour("--pass1"), colour("--pass2")]};
}

function overlaps(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
