// What should reach whom, from the service, against what did, from the connections.
//
// `GET /board/explained` gives each event with a verdict for each connection: the keys by which it reaches it, or why it
// does not. An event and its explanation come by different ways, in any order, and are brought together by name and
// payload. Nothing is decided here: who gets what is in the verdicts.

const PAUSE_MS = 60;
const RETRY_MS = 1500;
const KEPT_MAX = 600;
// How long after a connection is back the ledger waits for the last explanations of what it caught up.
const SETTLE_MS = 700;

export class Ledger {
  // Connections in the order of the verdicts.
  #connections = [];
  #token;
  #page;
  // What came by and is not explained yet, and the other way round: key -> list, oldest first.
  #arrivals = new Map();
  #entries = new Map();
  #next = null;
  #asking = new AbortController();
  // The service's clock, less ours.
  #skewMs = 0;

  // `page` is told: withheld(column, entry, because), measured(connection, ms), trouble(text or null).
  constructor(token, page) {
    this.#token = token;
    this.#page = page;
  }

  add(connection) {
    Object.assign(connection, { owed: new Set(), since: Infinity, resuming: null });
    this.#connections.push(connection);
    // What is asked just now does not ask about it.
    this.#asking.abort();
  }

  // For ever.
  async follow() {
    for (;;) {
      try {
        await this.#ask();
        await sleep(PAUSE_MS);
      } catch (error) {
        if (error.name === "AbortError") continue;
        this.#page.trouble(`The service does not answer (${error.message}). Trying again.`);
        await sleep(RETRY_MS);
      }
    }
  }

  arrived(connection, event, line) {
    const arrival = { connection, event, line, at: Date.now() };
    const entry = this.#take(this.#entries, keyOf(event), ({ owing }) => owing.has(connection));
    if (entry) this.#settle(entry, arrival);
    else if (this.#entries.has(keyOf(event))) this.#doubt(this.#entries.get(keyOf(event)).at(-1), arrival);
    else keep(this.#arrivals, keyOf(event), arrival);
  }

  // The connection begins here, with a picture of what is open: what was before that is not due.
  begun(connection) {
    connection.since = Date.now() + this.#skewMs;
    connection.owed.clear();
  }

  // The connection is back: what it owes now, and what was written before now, is what it catches up.
  resumed(connection, tell) {
    const resuming = { before: Date.now() + this.#skewMs, due: new Set(connection.owed), caughtUp: 0 };
    connection.resuming = resuming;
    const finish = (patience) => {
      if (connection.resuming !== resuming) return;
      if (resuming.due.size > 0 && patience > 0) return setTimeout(finish, SETTLE_MS, patience - 1);
      connection.resuming = null;
      tell(resuming.caughtUp, resuming.due.size);
    };
    setTimeout(finish, SETTLE_MS, 10);
  }

  async #ask() {
    this.#asking = new AbortController();
    const connections = [...this.#connections];
    const query = connections.map(({ protocol, keys }) => ["viewer", JSON.stringify([protocol, ...keys])]);
    if (this.#next !== null) query.push(["after", this.#next]);
    const token = await this.#token();
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const asked = Date.now();
    const response = await fetch(`/board/explained?${new URLSearchParams(query)}`, { headers, signal: this.#asking.signal });
    if ([401, 403].includes(response.status)) {
      await sleep(RETRY_MS);
      await this.#token(true);
      return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    const answer = await response.json();
    this.#page.trouble(null);
    // Only the first answer comes without waiting for events.
    if (this.#next === null) this.#skewMs = skew(asked, answer.now_ms, Date.now());
    this.#next = answer.next;
    for (const entry of answer.events) this.#explain(entry, connections);
  }

  #explain(entry, connections) {
    const event = parse(entry.frame);
    const verdicts = new Map(connections.map((connection, place) => [connection, entry.verdicts[place]]));
    // Those that it is yet to come by.
    const owing = new Set(connections.filter((connection) => verdicts.get(connection).by && !connection.column.isJudged));
    Object.assign(entry, { event, owing, verdicts });
    for (const column of new Set(connections.map(({ column }) => column))) {
      this.#explainTo(column, entry);
    }
    for (const connection of [...owing]) {
      if (entry.timestamp_ms >= connection.since) connection.owed.add(entry);
      if (connection.owed.size > KEPT_MAX) connection.owed.delete(connection.owed.values().next().value);
      const arrival = this.#take(this.#arrivals, keyOf(event), (arrival) => arrival.connection === connection);
      if (arrival) this.#settle(entry, arrival);
    }
    keep(this.#entries, keyOf(event), entry);
    for (const arrival of this.#arrivals.get(keyOf(event)) ?? []) {
      if (entry.verdicts.get(arrival.connection)?.because) this.#doubt(entry, arrival);
    }
  }

  // What came without being due: never, if the service does what it says.
  #doubt(entry, { connection, line }) {
    line.doubt(entry.verdicts.get(connection)?.because ? "should not be here" : "once more");
  }

  // Struck out where none of a person's connections gets it.
  #explainTo(column, entry) {
    const verdicts = [...entry.verdicts].filter(([connection]) => connection.column === column).map(([, verdict]) => verdict);
    if (verdicts.every(({ because }) => because)) {
      this.#page.withheld(column, entry, verdicts[0].because);
    } else if (column.isJudged) {
      this.#page.judged(column, entry, verdicts.find(({ by }) => by).by);
    }
  }

  #settle(entry, { connection, line, at }) {
    entry.owing.delete(connection);
    connection.owed.delete(entry);
    const ms = entry.timestamp_ms === null ? null : at + this.#skewMs - entry.timestamp_ms;
    const { resuming } = connection;
    const isCaughtUp = resuming !== null && entry.timestamp_ms < resuming.before;
    if (isCaughtUp) {
      resuming.caughtUp += 1;
      resuming.due.delete(entry);
    }
    line.explain({ ...entry, by: entry.verdicts.get(connection).by, ms, isCaughtUp });
    if (ms !== null && !isCaughtUp) this.#page.measured(connection, ms);
  }

  #take(map, key, fits) {
    const list = map.get(key) ?? [];
    const place = list.findIndex(fits);
    return place < 0 ? null : list[place].owing ? list[place] : list.splice(place, 1)[0];
  }
}

// The service's clock less ours, as far as one answer can tell that they differ.
function skew(askedMs, nowMs, answeredMs) {
  const difference = nowMs - (askedMs + answeredMs) / 2;
  return Math.abs(difference) <= (answeredMs - askedMs) / 2 + 20 ? 0 : difference;
}

// A frame as a client of the contracts gets it, of either protocol.
function parse(frame) {
  if (frame.startsWith("42")) {
    const [name, payload] = JSON.parse(frame.slice(2));
    return { name, payload };
  }
  const { event_name: name, data: payload } = JSON.parse(frame);
  return { name, payload };
}

function keyOf({ name, payload }) {
  return `${name} ${JSON.stringify(payload)}`;
}

function keep(map, key, value) {
  map.set(key, [...(map.get(key) ?? []), value]);
  while (map.size > KEPT_MAX) map.delete(map.keys().next().value);
}

function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
