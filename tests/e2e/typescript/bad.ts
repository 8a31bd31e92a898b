// What the types of clients/ must refuse: each line that ends in `// wrong`, and no other.

import { comeBackAfter, connect, type PlainMessage, type SocketIoListeners } from "../../../clients/dumbwaiter.js";
import { io, type Socket } from "socket.io-client";

connect({
  on: {
    CREATE_PIZZA: (pizza) => {
      console.log(pizza.prize); // wrong
      const description: string = pizza.description; // wrong
      console.log(description, pizza.created_date.getTime()); // wrong
    },
    CREATE_PASTA: () => {}, // wrong
  },
  onGap: (gap) => console.log(gap === "bored"), // wrong
  token: 7, // wrong
});

connect().cursor = "A"; // wrong

if (comeBackAfter(4001) === "maybe") connect(); // wrong

const socket: Socket<SocketIoListeners> = io();
socket.on("order:now", () => {}); // wrong
socket.on("order:new", (order) => console.log(order.products.cost)); // wrong
socket.on("authorization:ok", (order: { _id: string }) => console.log(order)); // wrong

export function read(message: PlainMessage): string {
  return message.data.uuid; // wrong
}
