// What one client of a soak was promised, held against what it got.
//
// A client with cursors is owed every event, once, over all its connections, and in the order of each partition. One
// without is owed the same within each connection: behind the first event of a partition that it gets there, the
// next ones, none left out. Nobody can tell it a mover's partition, so movers are left out of that.

import { isDue } from "./town.mjs";

export const SUMS = ["doubled", "disordered", "skipped", "strangers", "turnedAway", "connects", "resumed", "restarted"];

export class Books {
  constructor(town, spec) {
    this.town = town;
    this.spec = spec;
    this.seen = new Set();
    this.newest = new Map();
    this.gaps = {};
    for (const name of SUMS) this[name] = 0;
  }

  // A connection begins; `resumed` is what the client was told, where it asked.
  connected(resumed) {
    this.connects += 1;
    if (!this.spec.cursors) this.newest.clear();
    else if (this.connects > 1) this[resumed ? "resumed" : "restarted"] += 1;
  }

  turnAway() {
    this.turnedAway += 1;
  }

  gap(reason) {
    if (reason !== null) this.gaps[reason] = (this.gaps[reason] ?? 0) + 1;
  }

  take(kind, id) {
    const place = this.town.place(kind, id);
    if (place === null) return;
    const event = this.town.event(place.number);
    if (!isDue(event, this.spec) || event.kind !== kind) this.strangers += 1;
    else if (this.spec.cursors) this.enter(event, place);
    else if (event.lane !== null) this.follow(event, place);
  }

  enter(event, { lane, number }) {
    if (this.seen.has(number)) this.doubled += 1;
    this.seen.add(number);
    // A mover's condition lies in a lane of its own time, but its id names its order's.
    if (event.lane === null && event.kind === "condition") return;
    const newest = this.newest.get(event.kind + lane) ?? -1;
    if (number < newest) this.disordered += 1;
    else this.newest.set(event.kind + lane, number);
  }

  follow(event, { number }) {
    const lane = event.kind + event.lane;
    const newest = this.newest.get(lane);
    this.newest.set(lane, number);
    if (newest === undefined) return;
    if (number === newest) this.doubled += 1;
    else if (number < newest) this.disordered += 1;
    else if (number !== this.next(event, newest)) this.skipped += 1;
  }

  // The number due behind `newest` in the lane of that event, which is one such.
  next({ kind, lane }, newest) {
    for (let number = newest + 1; ; number += 1) {
      const event = this.town.event(number);
      if (event?.kind === kind && event.lane === lane && isDue(event, this.spec)) return number;
    }
  }
}
