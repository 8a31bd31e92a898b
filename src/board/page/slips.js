// The orders of a column as slips of paper, in piles by condition. A slip moves when its condition does.

import { describe, STAGES } from "./describe.js";
import { clone } from "./dom.js";

const SLIPS_MAX = 40;
const PIZZAS_MAX = 4;
// How long an order that is over stays to be looked at.
const OVER_MS = 6000;
const OVER = ["DONE", "REJECT", "CANCELLED"];
const OVEN = "In the oven";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Slips {
  #root;
  #advance;
  #slips = new Map();

  // `advance`: what a click on a slip does; null where slips are only looked at.
  constructor(root, advance) {
    this.#root = root;
    this.#advance = advance;
  }

  show({ name, payload }) {
    if (name === "order:new") this.#place(describe({ name, payload }), STAGES.get(payload.condition) ?? payload.condition);
    else if (name === "order:condition") this.#move(describe({ name, payload }));
    else if (name === "CREATE_PIZZA") this.#bake(describe({ name, payload }));
  }

  #place(text, stage) {
    this.#rearrange(() => {
      const slip = this.#slips.get(text.subject) ?? this.#write(text);
      this.#file(slip, stage, text.condition);
    });
    if (this.#slips.size > SLIPS_MAX) this.#drop(this.#slips.keys().next().value);
  }

  #move(text) {
    const slip = this.#slips.get(text.subject);
    // Of an order that this column has never seen there is nothing to show but that it is over.
    if (!slip && OVER.includes(text.condition)) return;
    this.#place(text, STAGES.get(text.condition) ?? text.condition);
    if (OVER.includes(text.condition)) setTimeout(() => this.#drop(text.subject), OVER_MS);
  }

  #bake(text) {
    this.#place({ ...text, condition: "BAKING" }, OVEN);
    const baking = [...this.#slips].filter(([, slip]) => slip.dataset.condition === "BAKING");
    for (const [subject] of baking.slice(0, -PIZZAS_MAX)) this.#drop(subject);
  }

  #write(text) {
    const slip = clone("slip-template");
    for (const part of ["title", "cost", "detail", "more"]) slip.querySelector(`.${part}`).textContent = text[part] ?? "";
    slip.dataset.subject = text.subject;
    this.#slips.set(text.subject, slip);
    if (this.#advance && text.condition !== "BAKING") this.#makeButton(slip, text);
    return slip;
  }

  #makeButton(slip, { subject, title }) {
    const button = document.createElement("button");
    button.className = "step";
    button.textContent = "→";
    button.title = `Advance ${title}`;
    button.setAttribute("aria-label", button.title);
    button.addEventListener("click", () => this.#advance(subject));
    slip.querySelector(".more").after(button);
  }

  #file(slip, stage, condition) {
    slip.dataset.condition = condition;
    const pile = this.#pile(stage, condition);
    if (slip.parentElement !== pile) pile.prepend(slip);
    this.#count();
  }

  // Piles stand in the order of conditions, the unknown ones last; one appears with its first slip.
  #pile(stage, condition) {
    const order = [...STAGES.values(), OVEN];
    const rank = order.includes(stage) ? order.indexOf(stage) : order.length;
    const piles = [...this.#root.children];
    const found = piles.find((pile) => pile.dataset.stage === stage);
    if (found) return found.querySelector(".pile");
    const section = clone("stage-template");
    Object.assign(section.dataset, { stage, rank, condition });
    section.querySelector(".label").textContent = stage;
    this.#root.insertBefore(section, piles.find((pile) => Number(pile.dataset.rank) > rank) ?? null);
    return section.querySelector(".pile");
  }

  #count() {
    for (const section of [...this.#root.children]) {
      const number = section.querySelector(".pile").childElementCount;
      section.querySelector(".number").textContent = number;
      if (number === 0) section.remove();
    }
  }

  #drop(subject) {
    const slip = this.#slips.get(subject);
    if (!slip) return;
    this.#slips.delete(subject);
    this.#rearrange(() => {
      slip.remove();
      this.#count();
    });
  }

  // Slips glide from where they were to where they are: measured twice, moved by the compositor.
  #rearrange(change) {
    const before = new Map([...this.#slips.values()].map((slip) => [slip, slip.isConnected ? slip.getBoundingClientRect() : null]));
    change();
    if (calm.matches || document.hidden) return;
    for (const slip of this.#slips.values()) {
      const was = before.get(slip);
      const is = slip.getBoundingClientRect();
      if (!was) glide(slip, [{ opacity: 0, transform: "translateY(-10px)" }, {}], 280);
      else if (was.top !== is.top) glide(slip, [{ transform: `translateY(${was.top - is.top}px)` }, {}], 420);
    }
  }
}

function glide(element, keyframes, duration) {
  element.animate(keyframes, { duration, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" });
}
