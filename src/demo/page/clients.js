// The two documented client protocols, each as a client would use it.
//
// `token` gives a fresh token; `view.state` is told how the connection stands (a word, and one of "live",
// "wait", "bad"), `view.event` each event: its name, its payload, and the text frame that it came in.

const RETRY_MS = 1500;

// Socket.IO, by the official client. It comes back by itself, except after a refusal.
export function connectSocketIo(token, view) {
  const socket = io({
    path: "/ws",
    transports: ["websocket"],
    auth: (give) => token().then((token) => give({ token }), () => give({})),
    reconnectionDelayMax: 3000,
    forceNew: true,
  });
  // The frames of events that the client has taken off the wire and not handed out yet.
  let frames = [];
  socket.io.on("open", () => {
    frames = [];
    socket.io.engine.on("packet", ({ type, data }) => {
      if (type === "message" && data.startsWith("2")) frames.push("4" + data);
    });
  });
  socket.io.on("reconnect_attempt", () => view.state("reconnecting", "wait"));
  socket.on("connect", () => view.state("authorizing", "wait"));
  socket.on("disconnect", (reason) => {
    view.state("away", "bad");
    if (reason === "io server disconnect") setTimeout(() => socket.connect(), RETRY_MS);
  });
  socket.onAny((name, payload) => {
    const frame = frames.shift();
    if (name === "authorization:ok") view.state("live", "live");
    else if (name === "authorization:error") view.state("refused", "bad");
    else view.event({ name, payload, frame });
  });
}

// A plain WebSocket: a ticket for the token, the ticket for a connection; a ticket is good for one only.
export async function connectPlain(token, view) {
  const again = () => setTimeout(() => connectPlain(token, view), RETRY_MS);
  let socket;
  try {
    socket = new WebSocket(`/ws?key=${await ticket(await token())}`);
  } catch {
    view.state("reconnecting", "wait");
    return again();
  }
  socket.onopen = () => view.state("live", "live");
  socket.onmessage = ({ data }) => {
    const { event_name: name, data: payload } = JSON.parse(data);
    view.event({ name, payload, frame: data });
  };
  socket.onclose = ({ code }) => {
    view.state(`closed ${code}`, "bad");
    again();
  };
}

async function ticket(token) {
  const response = await fetch("/api/v1/ws/ticket", { headers: { Authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`the ticket endpoint answered ${response.status}`);
  return (await response.json()).token;
}
