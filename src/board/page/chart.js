// How long events took in the last minute, from their record's timestamp in Kafka to this page: a dot each.
//
// Time runs to the left; upwards each line is ten times as long. Round dots are Socket.IO, square ones WebSocket.

import { milliseconds } from "./describe.js";

const SPAN_MS = 60_000;
const POINTS_MAX = 4000;
const LINES_MS = [1, 10, 100, 1000, 10_000];
const [LEAST, MOST] = [0.6, 14_000].map(Math.log10);
const FRAME_MS = 250;

export class Chart {
  #canvas;
  #figures;
  #points = [];
  #outages = [];

  constructor(canvas, figures) {
    this.#canvas = canvas;
    this.#figures = figures;
    setInterval(() => document.hidden || requestAnimationFrame(() => this.#draw()), FRAME_MS);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  add(protocol, ms) {
    this.#points.push({ at: Date.now(), ms: Math.max(ms, 0), protocol });
    if (this.#points.length > POINTS_MAX) this.#points.shift();
  }

  // A time without Kafka, which stands behind the dots.
  outage(forMs) {
    this.#outages.push({ from: Date.now(), to: Date.now() + forMs });
  }

  #draw() {
    const now = Date.now();
    this.#points = this.#points.filter(({ at }) => at > now - SPAN_MS);
    this.#outages = this.#outages.filter(({ to }) => to > now - SPAN_MS);
    this.#tell();
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0) return;
    const scale = devicePixelRatio || 1;
    if (this.#canvas.width !== Math.round(width * scale)) {
      Object.assign(this.#canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    }
    const context = this.#canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const left = 40;
    const x = (at) => width - 4 - ((now - at) / SPAN_MS) * (width - left - 4);
    const y = (ms) => height - 6 - ((Math.log10(Math.max(ms, 1)) - LEAST) / (MOST - LEAST)) * (height - 10);
    const colours = getComputedStyle(this.#canvas);
    const colour = (name) => colours.getPropertyValue(name);
    this.#drawLines(context, { left, width, y, colour });
    for (const { from, to } of this.#outages) {
      context.fillStyle = colour("--shade");
      context.fillRect(Math.max(x(from), left), 0, x(Math.min(to, now)) - Math.max(x(from), left), height);
    }
    for (const { at, ms, protocol } of this.#points) {
      const [dotX, dotY] = [x(at), y(ms)];
      context.fillStyle = colour(protocol === "plain" ? "--plain" : "--socketio");
      context.beginPath();
      if (protocol === "plain") context.rect(dotX - 2.5, dotY - 2.5, 5, 5);
      else context.arc(dotX, dotY, 2.8, 0, 2 * Math.PI);
      context.fill();
    }
  }

  #drawLines(context, { left, width, y, colour }) {
    context.font = "10px ui-monospace, monospace";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const ms of LINES_MS) {
      context.strokeStyle = colour("--line");
      context.beginPath();
      context.moveTo(left, y(ms));
      context.lineTo(width, y(ms));
      context.stroke();
      context.fillStyle = colour("--quiet");
      context.fillText(ms < 1000 ? `${ms} ms` : `${ms / 1000} s`, left - 5, y(ms));
    }
  }

  #tell() {
    const sorted = this.#points.map(({ ms }) => ms).sort((a, b) => a - b);
    const at = (share) => milliseconds(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]);
    const text =
      sorted.length === 0
        ? "No event in the last minute."
        : `Half within ${at(0.5)}, 95 % within ${at(0.95)}: ${sorted.length} deliveries in the last minute.`;
    if (this.#figures.textContent === text) return;
    this.#figures.textContent = text;
    this.#canvas.setAttribute("aria-label", `Latency of the last minute. ${text}`);
  }
}
