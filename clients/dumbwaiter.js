// A client of the plain protocol: connects, stays connected, goes on where it was, and says where it could not.
//
//   GET /api/v1/ws/ticket ──> ticket ──> /ws?key=TICKET&cursor=CURSOR ──> STATUS, events ... ──> closed
//            ^                                                                                     │
//            └───────────────────────── a pause, longer each time ─────────────────────────────────┘
//
// One file without dependencies: for browsers as it is, elsewhere with a WebSocket that it is given. README.md shows how
// to use it, dumbwaiter.d.ts has its types. What the service promises such a client is docs/resume.md, what its close
// codes mean docs/close-codes.md.

// A pause is a random part of these, so that clients who lost their connections together come back apart.
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
// Who is told to come back later waits at least as long.
const LATER_MS = 2_000;
// After a connection that held as long the next pause is a first one again.
const STEADY_MS = 10_000;
// What a ticket may take, and the opening of a connection.
const ANSWER_MS = 15_000;
// Even without events there is a STATUS every few minutes. Who hears nothing has no connection any more, whatever the
// system believes: browsers do not show their pings.
const SILENCE_MS = 600_000;

const COME_BACK = {
  1002: "never",
  1007: "never",
  1008: "never",
  1009: "never",
  1012: "again",
  1013: "later",
  4001: "again",
  4002: "new token",
  4003: "new token",
  4004: "again",
};

/** What to do after a close code. One that is not the service's comes from a proxy, or a line that broke: "again". */
export function comeBackAfter(closeCode) {
  return COME_BACK[closeCode] ?? "again";
}

/** Why there is no connection. `code` is for programs, `comeBack` what the client does about it. */
export class DumbwaiterError extends Error {
  constructor(code, comeBack, message, { cause, status, closeCode, retryAfterMs } = {}) {
    super(message, { cause });
    Object.assign(this, { name: "DumbwaiterError", code, comeBack, status, closeCode, retryAfterMs });
  }
}

/** Connects, until `close()` is called or there is no use in coming back. */
export function connect(options) {
  return new Client(options);
}

class Client {
  cursor;
  state = "connecting";

  #options;
  #address;
  // The token of this try, and the one that was refused last.
  #token;
  #refused;
  #staleSince = null;
  // Ends what the client waits in: for a ticket, in a connection, in a pause.
  #interrupt = () => {};
  #online = () => this.#interrupt(new DumbwaiterError("network", "again", "the network has changed"));

  constructor(options = {}) {
    this.#options = { WebSocket: globalThis.WebSocket, fetch: globalThis.fetch, ...options };
    this.#address = String(options.url ?? globalThis.location?.origin).replace(/\/+$/, "");
    if (!/^https?:\/\/./.test(this.#address)) {
      throw new TypeError(`url: ${this.#address} is not the address of a service (expected https://...)`);
    }
    if (!this.#options.WebSocket) {
      throw new TypeError("WebSocket: there is none here; give one (before Node 22, that of the package ws)");
    }
    this.cursor = options.cursor ?? "";
    globalThis.addEventListener?.("online", this.#online);
    // Not before the caller has what is returned.
    queueMicrotask(() => this.#run());
  }

  close() {
    if (this.state !== "ended") {
      this.#finish();
      this.#interrupt();
    }
  }

  // From connection to connection

  async #run() {
    for (let tries = 0; this.state !== "ended"; tries += 1) {
      const started = Date.now();
      this.#enter("connecting");
      const error = await this.#tryOnce();
      if (this.state === "ended") return;
      if (error.comeBack === "new token") this.#refused = this.#token;
      if (this.#isFinal(error)) {
        this.#finish();
        return this.#tell("onEnd", error);
      }
      if (this.state === "live" && Date.now() - started >= STEADY_MS) tries = 0;
      this.#enter("waiting");
      this.#tell("onError", error);
      await this.#pause(error, tries);
    }
  }

  /** One ticket and one connection to its end; gives the error that was it. */
  async #tryOnce() {
    try {
      this.#token = await this.#currentToken();
      const ticket = await this.#ticket();
      return await this.#connection(ticket);
    } catch (error) {
      return error;
    }
  }

  #isFinal({ comeBack, status }) {
    if (comeBack !== "new token") return comeBack === "never";
    // A function may have another one by now, and a session may have been renewed; a text stays what it is.
    const { token } = this.#options;
    return typeof token === "string" || (typeof token !== "function" && status === 401);
  }

  #pause({ comeBack, retryAfterMs }, tries) {
    if (this.state === "ended") return;
    const later = comeBack === "later";
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (later ? tries + 2 : tries));
    const least = later ? (retryAfterMs ?? LATER_MS) : 0;
    return new Promise((over) => {
      const timer = setTimeout(over, least + Math.random() * longest);
      this.#interrupt = () => {
        clearTimeout(timer);
        over();
      };
    });
  }

  #finish() {
    globalThis.removeEventListener?.("online", this.#online);
    this.#enter("ended");
  }

  #enter(state) {
    if (this.state !== state) {
      this.state = state;
      this.#tell("onState", state);
    }
  }

  // A ticket

  async #currentToken() {
    const { token } = this.#options;
    if (typeof token !== "function") return token;
    const wasRefused = this.#refused !== undefined;
    let current;
    try {
      current = await token({ wasRefused });
    } catch (cause) {
      throw new DumbwaiterError("token", "again", `there is no token for now: ${cause?.message ?? cause}`, { cause });
    }
    if (!current) throw new DumbwaiterError("unauthorized", "never", "there is no token: nobody is logged in");
    if (current !== this.#refused) return current;
    throw new DumbwaiterError("unauthorized", "never", "the token was refused, and there is no other one");
  }

  async #ticket() {
    const url = `${this.#address}/api/v1/ws/ticket`;
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(new Error(`no answer in ${ANSWER_MS / 1_000} s`)), ANSWER_MS);
    this.#interrupt = (error) => aborter.abort(error);
    if (this.state === "ended") aborter.abort();
    try {
      const { fetch } = this.#options;
      const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
      const response = await fetch(url, { headers, cache: "no-store", signal: aborter.signal });
      if (response.status !== 200) throw noTicket(url, response);
      const { token: ticket } = await response.json();
      if (typeof ticket !== "string") throw new Error("the answer is not a ticket");
      return ticket;
    } catch (cause) {
      if (cause instanceof DumbwaiterError) throw cause;
      const message = `no ticket from ${url}: ${cause?.message ?? cause} (a page of another host must be in web.origins)`;
      throw new DumbwaiterError("network", "again", message, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  // A connection

  /** Resolves to the error that ended it. */
  #connection(ticket) {
    const { WebSocket, since, open, traceparent } = this.#options;
    const asked = new URLSearchParams({ key: ticket, cursor: this.cursor });
    if (since !== undefined) asked.set("since", since);
    if (open) asked.set("open", "1");
    if (traceparent) asked.set("traceparent", "1");
    const socket = new WebSocket(`${this.#address.replace(/^http/, "ws")}/ws?${asked}`);
    return new Promise((ended) => {
      let timer;
      const end = (error) => {
        clearTimeout(timer);
        // What an abandoned socket still says reaches nobody: the cursor must not go back.
        socket.onmessage = socket.onclose = null;
        socket.close();
        ended(error);
      };
      const within = (limit, message) => {
        clearTimeout(timer);
        timer = setTimeout(() => end(new DumbwaiterError("silence", "again", message)), limit);
      };
      this.#interrupt = end;
      // A close event follows each, and says more.
      socket.onerror = () => {};
      socket.onclose = ({ code, reason }) => end(closed(code, reason));
      socket.onmessage = ({ data }) => {
        within(SILENCE_MS, `nothing was heard for ${SILENCE_MS / 60_000} minutes`);
        this.#receive(data);
      };
      within(ANSWER_MS, `no connection in ${ANSWER_MS / 1_000} s`);
      socket.onopen = () => within(SILENCE_MS, `nothing was heard for ${SILENCE_MS / 60_000} minutes`);
      if (this.state === "ended") end();
    });
  }

  #receive(text) {
    const { event_name: name, data, cursor, traceparent } = JSON.parse(text);
    if (name === "STATUS") {
      this.#status(data);
    } else {
      call(this.#options.on?.[name], data, { traceparent });
    }
    // Of very many partitions, not every message has one.
    if (cursor === undefined || this.state === "ended") return;
    // Behind the event: whoever is stopped between the two gets the event again rather than never.
    this.cursor = cursor;
    this.#tell("onCursor", cursor);
  }

  #status(status) {
    this.#refused = undefined;
    this.#enter("live");
    if (this.state === "ended") return;
    if (status.gap !== null) this.#tell("onGap", status.gap, status);
    if (status.stale_since !== this.#staleSince) {
      this.#staleSince = status.stale_since;
      this.#tell("onStale", status.stale_since);
    }
    this.#tell("onStatus", status);
  }

  #tell(callback, ...values) {
    call(this.#options[callback] ?? DEFAULTS[callback], ...values);
  }
}

// Nothing is lost in silence, even where nobody asks to be told.
const DEFAULTS = {
  onGap: (gap) => console.warn(`events were missed (${gap}): fetch the state anew`),
  onError: (error) => console.warn(error.message),
  onEnd: (error) => console.error(error.message),
};

/** A callback that throws is an error of the page, told as such; the next one is called all the same. */
function call(callback, ...values) {
  try {
    callback?.(...values);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}

function noTicket(url, { status, headers }) {
  if (status === 401) {
    return new DumbwaiterError("unauthorized", "new token", "the login is refused (401)", { status });
  }
  const seconds = Number.parseFloat(headers.get("Retry-After"));
  const retryAfterMs = seconds >= 0 ? seconds * 1_000 : undefined;
  const reason = status === 403 ? "this page's origin is not in web.origins" : "is it the service's address?";
  const busy = status === 429 || status === 503;
  const message = `no ticket from ${url}: HTTP ${status}${busy ? "" : ` (${reason})`}`;
  return new DumbwaiterError("no_ticket", "later", message, { status, retryAfterMs });
}

function closed(closeCode, reason) {
  const said = [closeCode, reason].filter(Boolean).join(" ");
  const hint = closeCode === 4001 ? " (do the instances behind one address share their tickets?)" : "";
  const message = `the connection was closed: ${said}${hint}`;
  return new DumbwaiterError("closed", comeBackAfter(closeCode), message, { closeCode });
}
