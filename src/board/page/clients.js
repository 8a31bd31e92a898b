// The two documented client protocols, each as a client would use it that wants to go on where it was.
//
// `token` gives a token, or null where the browser's own cookie is the login. The view is told:
//   state(word, kind)    how the connection stands; kind is one of live, wait, bad
//   live(resumed)        events come from now on; `resumed` is null on the first time
//   event(event)         name, payload, and the text frame that it came in
//   status(status)       a STATUS of the service: a gap, or a picture that got stale or current
//   refused(reason)      the login is no good; the client stays away until `signIn`

// A plain script as it is published, which makes `io` global.
import "./socket.io.min.js";

const RETRY_MS = 1500;
// How long a connection that was cut stays away, so that there is something to miss.
const CUT_MS = 4000;

export class SocketIoClient {
  #view;
  #socket;
  // The frames of events that the library has taken off the wire and not handed out yet.
  #frames = [];
  #wasLive = false;
  #isOut = false;

  constructor(token, view) {
    this.#view = view;
    this.#socket = io({
      path: "/ws",
      transports: ["websocket"],
      query: { recovery: 1, open: 1 },
      auth: (give) => token().then((token) => give(token ? { token } : {}), () => give({})),
      reconnectionDelay: RETRY_MS,
      reconnectionDelayMax: 2 * RETRY_MS,
      forceNew: true,
    });
    this.#socket.io.on("open", () => this.#watchFrames());
    this.#socket.io.on("reconnect_attempt", () => view.state("reconnecting", "wait"));
    this.#socket.on("connect", () => view.state("authorizing", "wait"));
    this.#socket.on("disconnect", () => this.#isOut || view.state("away", "bad"));
    this.#socket.onAny((name, payload) => this.#take(name, payload));
  }

  // The library comes back by itself, with the cursor that it has kept.
  cut() {
    const manager = this.#socket.io;
    manager.reconnectionDelay(CUT_MS);
    manager.randomizationFactor(0);
    manager.engine.close();
    manager.reconnectionDelay(RETRY_MS);
    this.#view.state(`cut, back in ${CUT_MS / 1000} s`, "wait");
  }

  signIn() {
    if (!this.#isOut) return;
    this.#isOut = false;
    this.#socket.connect();
  }

  #watchFrames() {
    this.#frames = [];
    this.#socket.io.engine.on("packet", ({ type, data }) => {
      if (type === "message" && data.startsWith("2")) this.#frames.push(`4${data}`);
    });
  }

  #take(name, payload) {
    const frame = this.#frames.shift();
    if (name === "authorization:ok") {
      this.#view.state("live", "live");
      this.#view.live(this.#wasLive ? this.#socket.recovered : null);
      this.#wasLive = true;
    } else if (name === "authorization:error") {
      this.#isOut = true;
      this.#view.state("refused", "bad");
      this.#view.refused(`authorization:error ${payload.code}`);
    } else if (name === "STATUS") {
      this.#view.status(payload);
    } else {
      this.#view.event({ name, payload, frame });
    }
  }
}

export class PlainClient {
  #token;
  #view;
  #socket = null;
  #ticket = null;
  // The newest cursor; empty asks for the first.
  #cursor = "";
  #isLive = false;
  #wasLive = false;
  #isOut = false;

  constructor(token, view) {
    this.#token = token;
    this.#view = view;
    this.#connect();
  }

  cut() {
    this.#leave();
    this.#view.state(`cut, back in ${CUT_MS / 1000} s`, "wait");
    this.#later(CUT_MS);
  }

  signIn() {
    if (!this.#isOut) return;
    this.#isOut = false;
    this.#connect();
  }

  // Shows the ticket of the present connection once more. What comes of it is the service's word.
  reuseTicket() {
    const socket = new WebSocket(address({ key: this.#ticket ?? "" }));
    return new Promise((closed) => {
      socket.onclose = ({ code, reason }) => closed({ code, reason, ticket: this.#ticket });
    });
  }

  async #connect() {
    try {
      this.#ticket = await ticket(await this.#token());
    } catch {
      this.#view.state("reconnecting", "wait");
      return this.#later(RETRY_MS);
    }
    const socket = new WebSocket(address({ key: this.#ticket, cursor: this.#cursor, open: 1 }));
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  #take(frame) {
    const { event_name: name, data: payload, cursor } = JSON.parse(frame);
    this.#cursor = cursor ?? this.#cursor;
    if (name !== "STATUS") return this.#view.event({ name, payload, frame });
    if (this.#isLive) return this.#view.status(payload);
    this.#isLive = true;
    this.#view.state("live", "live");
    this.#view.live(this.#wasLive ? payload.resumed : null);
    if (payload.gap || payload.stale_since) this.#view.status(payload);
    this.#wasLive = true;
  }

  #closed(code, reason) {
    this.#leave();
    this.#view.state(`closed ${code}`, "bad");
    if (code === 4003) {
      this.#isOut = true;
      return this.#view.refused(`${code} ${reason}`);
    }
    this.#later(RETRY_MS);
  }

  #leave() {
    const socket = this.#socket;
    this.#socket = null;
    this.#isLive = false;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  #later(ms) {
    setTimeout(() => this.#connect(), ms);
  }
}

function address(query) {
  const url = new URL(`/ws?${new URLSearchParams(query)}`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

async function ticket(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch("/api/v1/ws/ticket", { headers });
  if (!response.ok) throw new Error(`the ticket endpoint answered ${response.status}`);
  return (await response.json()).token;
}
