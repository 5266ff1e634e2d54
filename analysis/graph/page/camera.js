// Where one looks at the graph from, and how mouse, wheel and fingers move that.

class Camera {
  // `moved` is called whenever the picture has to be drawn from somewhere else; `clicked` with a point
  // of the graph where nothing was dragged.
  constructor(surface, moved, clicked) {
    this.surface = surface;
    this.moved = moved;
    this.clicked = clicked;
    this.scale = 1;
    this.x = this.y = 0;
    this.width = this.height = 0;
    this.pointers = new Map();
    this.dragged = 0;
    this.measure();
    new ResizeObserver(() => { this.measure(); this.moved(); }).observe(surface);
    this.listen();
  }

  measure() {
    const box = this.surface.getBoundingClientRect();
    this.width = box.width;
    this.height = box.height;
  }

  // The part of the graph in the window, with a margin as a share of its size.
  window(margin) {
    const w = this.width / this.scale, h = this.height / this.scale;
    const left = -this.x / this.scale, top = -this.y / this.scale;
    return {left: left - margin * w, top: top - margin * h, right: left + (1 + margin) * w, bottom: top + (1 + margin) * h};
  }

  fit(width, height) {
    if (this.width === 0) this.measure();
    if (this.width === 0) return;
    const whole = Math.min(this.width / (width + 40), this.height / (height + 20));
    this.scale = Math.min(1.2, Math.max(whole, 0.35));
    this.x = Math.max(10, (this.width - width * this.scale) / 2);
    this.y = 10;
    this.moved();
  }

  zoom(factor, x, y) {
    const next = Math.min(4, Math.max(0.03, this.scale * factor));
    this.x = x - (x - this.x) * next / this.scale;
    this.y = y - (y - this.y) * next / this.scale;
    this.scale = next;
    this.moved();
  }

  zoomAtCentre(factor) {
    this.zoom(factor, this.width / 2, this.height / 2);
  }

  // Brings a point of the graph into the window.
  reveal(px, py) {
    const x = this.x + px * this.scale, y = this.y + py * this.scale;
    const outsideX = x < 60 || x > this.width - 60, outsideY = y < 40 || y > this.height - 40;
    if (!outsideX && !outsideY) return;
    if (outsideX) this.x += this.width / 2 - x;
    if (outsideY) this.y += this.height / 2 - y;
    this.moved();
  }

  at(event) {
    const box = this.surface.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top};
  }

  listen() {
    const surface = this.surface;
    surface.addEventListener("wheel", event => {
      event.preventDefault();
      const point = this.at(event);
      this.zoom(Math.exp(-event.deltaY / 500), point.x, point.y);
    }, {passive: false});
    surface.addEventListener("pointerdown", event => {
      this.pointers.set(event.pointerId, this.at(event));
      this.dragged = 0;
    });
    surface.addEventListener("pointermove", event => this.drag(event));
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      surface.addEventListener(end, event => this.pointers.delete(event.pointerId));
    }
    surface.addEventListener("click", event => {
      if (this.dragged > 6) return;
      const point = this.at(event);
      this.clicked((point.x - this.x) / this.scale, (point.y - this.y) / this.scale);
    });
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.at(event);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (others.length > 0) {  // two fingers
      const gap = point => Math.hypot(point.x - others[0].x, point.y - others[0].y);
      this.zoom(gap(now) / Math.max(1, gap(before)), (now.x + others[0].x) / 2, (now.y + others[0].y) / 2);
    } else {
      this.x += now.x - before.x;
      this.y += now.y - before.y;
      this.moved();
    }
    this.dragged += Math.hypot(now.x - before.x, now.y - before.y);
    this.pointers.set(event.pointerId, now);
  }
}
