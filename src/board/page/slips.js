// The orders of a column as slips of paper, in piles by condition. A slip moves when its condition does.
//
// What there is to be seen is worked out as events come, and laid out when the page is drawn next.

import { describe, STAGES } from "./describe.js";
import { beforeDrawing, clone } from "./dom.js";

const SLIPS_MAX = 40;
const PIZZAS_MAX = 4;
// How long an order that is over stays to be looked at.
const OVER_MS = 6000;
const OVER = ["DONE", "REJECT", "CANCELLED"];
const BAKING = "BAKING";
const OVEN = "In the oven";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Slips {
  #root;
  #advance;
  // What is to be seen, by subject, oldest first: text, stage and condition of each.
  #orders = new Map();
  // What is to be seen now.
  #slips = new Map();
  #draw = beforeDrawing(() => this.#layOut());

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
    const known = this.#orders.get(text.subject);
    this.#orders.set(text.subject, { text: known?.text ?? text, stage, condition: text.condition });
    if (this.#orders.size > SLIPS_MAX) this.#orders.delete(this.#orders.keys().next().value);
    this.#draw();
  }

  #move(text) {
    const isOver = OVER.includes(text.condition);
    // Of an order that this column has never seen there is nothing to show but that it is over.
    if (isOver && !this.#orders.has(text.subject)) return;
    this.#place(text, STAGES.get(text.condition) ?? text.condition);
    if (isOver) setTimeout(() => this.#drop(text.subject), OVER_MS);
  }

  #bake(text) {
    this.#place({ ...text, condition: BAKING }, OVEN);
    const baking = [...this.#orders].filter(([, order]) => order.condition === BAKING);
    for (const [subject] of baking.slice(0, -PIZZAS_MAX)) this.#drop(subject);
  }

  #drop(subject) {
    this.#orders.delete(subject);
    this.#draw();
  }

  // Slips glide from where they were to where they are: measured twice, moved by the compositor.
  #layOut() {
    const before = new Map([...this.#slips.values()].map((slip) => [slip, slip.getBoundingClientRect()]));
    for (const [subject, slip] of this.#slips) {
      if (this.#orders.has(subject)) continue;
      this.#slips.delete(subject);
      slip.remove();
    }
    for (const [subject, order] of this.#orders) this.#file(this.#slips.get(subject) ?? this.#write(order.text), order);
    this.#count();
    if (calm.matches) return;
    for (const slip of this.#slips.values()) {
      const was = before.get(slip);
      const is = slip.getBoundingClientRect();
      if (!was) glide(slip, [{ opacity: 0, transform: "translateY(-10px)" }, {}], 280);
      else if (was.top !== is.top) glide(slip, [{ transform: `translateY(${was.top - is.top}px)` }, {}], 420);
    }
  }

  #write(text) {
    const slip = clone("slip-template");
    for (const part of ["title", "cost", "detail", "more"]) slip.querySelector(`.${part}`).textContent = text[part] ?? "";
    slip.dataset.subject = text.subject;
    this.#slips.set(text.subject, slip);
    if (this.#advance && text.condition !== BAKING) this.#makeButton(slip, text);
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

  #file(slip, { stage, condition }) {
    slip.dataset.condition = condition;
    const pile = this.#pile(stage, condition);
    if (slip.parentElement !== pile) pile.prepend(slip);
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
}

function glide(element, keyframes, duration) {
  element.animate(keyframes, { duration, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" });
}
