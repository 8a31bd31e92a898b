// Which events there are in a soak, and whom each is due to: the arithmetic that the writer (support/soak/town.py), the
// clients and the judge share, so that nothing of what was written need be told to anybody.
//
//   number % 5    event
//   0             a pizza of store `pizza % stores`
//   1, 2          an order of customer `order % customers`; every tenth is a guest's, which only staff may see
//   3, 4          the condition of the order LATER rounds before 1 and 2
//
// An id is `<run><lane><number>` (8, 4 and 12 hex digits); a condition has its order's. A lane is a partition. What
// belongs to one store or customer stays in one, `store % partitions`, but for movers: those take a newer one when there is any.

const LATER = 200;
const STEPS = 5;

export class Town {
  constructor({ run, customers, stores, partitions }) {
    Object.assign(this, { run, customers, stores, partitions });
  }

  // What event `number` is, or null if there is none of that number.
  event(number) {
    const step = number % STEPS;
    const round = (number - step) / STEPS;
    if (step === 0) return this.owned("pizza", "plain", "store", round % this.stores);
    const isCondition = step > 2;
    const order = 2 * (isCondition ? round - LATER : round) + ((step - 1) % 2);
    if (order < 0) return null;
    const event = this.owned(isCondition ? "condition" : "order", "socketio", "customer", order % this.customers);
    return order % 10 === 9 ? { ...event, audience: null } : event;
  }

  // The lane and number that an id tells of an event of this kind, or null for an id of something else.
  place(kind, id) {
    if (!id.startsWith(this.run)) return null;
    const number = parseInt(id.slice(12), 16);
    return { lane: parseInt(id.slice(8, 12), 16), number: kind === "condition" ? number + LATER * STEPS + 2 : number };
  }

  owned(kind, protocol, what, owner) {
    const isMover = owner % 10 === 0;
    return { kind, protocol, audience: `${what}:${owner}`, lane: isMover ? null : owner % this.partitions };
  }
}

export function isDue(event, spec) {
  if (event === null || event.protocol !== spec.protocol) return false;
  return spec.audience === "staff" || spec.audience === event.audience;
}
