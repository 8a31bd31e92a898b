// What the types of clients/ must allow: a screen of pizzas, one of orders.

import { connect, type Gap, type PlainMessage, type SocketIoListeners } from "../../../clients/dumbwaiter.js";
import { io, type Socket } from "socket.io-client";

const reasons: Record<Gap, string> = {
  too_old: "away for too long",
  unreadable: "another cluster",
  recreated: "a topic was made anew",
  too_much: "too much was missed",
  timeout: "it took too long",
  busy: "too many ask at once",
  unavailable: "Kafka is away",
  owner_unknown: "nobody knows whose it was",
};

const client = connect({
  url: "https://events.shop.example",
  token: async ({ wasRefused }) => (wasRefused ? null : "token"),
  cursor: sessionStorage.getItem("cursor"),
  on: {
    CREATE_PIZZA: (pizza) => {
      const price: number = pizza.price;
      const about: string = pizza.description ?? pizza.name;
      console.log(price.toFixed(2), about, new Date(pizza.created_date));
    },
  },
  onGap: (gap, { since }) => console.log(reasons[gap], since),
  onStale: (since) => console.log(since === null ? "current" : `stale since ${since}`),
  onCursor: (cursor) => sessionStorage.setItem("cursor", cursor),
  onEnd: (error) => console.log(error.code === "unauthorized" ? "log in" : error.message),
});
client.close();

const socket: Socket<SocketIoListeners> = io("https://events.shop.example", { path: "/ws", transports: ["websocket"] });
socket.on("authorization:error", ({ code }) => console.log(code.toFixed()));
socket.on("order:new", (order, cursor) => {
  const at: Date = new Date(order.createdAt);
  const titles: string[] = order.products.map(({ product }) => product?.title ?? "gone");
  console.log(at, titles, order.discount?.percent, cursor?.length);
});
socket.on("order:condition", ({ _id, condition }) => console.log(_id, condition));
socket.on("STATUS", ({ gap }) => console.log(gap && reasons[gap]));

// By hand: the name tells what the data is.
function read(message: PlainMessage): string {
  return message.event_name === "CREATE_PIZZA" ? message.data.uuid : String(message.data.gap);
}
read(JSON.parse("{}"));
