// The service that one would write in Node after the documents: socket.io with a room for each role and user, kafkajs,
// and the registry's own client for Avro. Settings come by environment: PORT, BROKERS, TOPIC, REGISTRY, SECRET.

import { createServer } from "node:http";
import { SchemaRegistry } from "@kafkajs/confluent-schema-registry";
import jwt from "jsonwebtoken";
import { Kafka, logLevel } from "kafkajs";
import { Server } from "socket.io";

const { PORT, BROKERS, TOPIC, REGISTRY, SECRET } = process.env;

const http = createServer();
// Compression is off, as in every server here; polling is off by contract.
const io = new Server(http, { path: "/ws", transports: ["websocket"], perMessageDeflate: false, serveClient: false });

io.on("connection", (socket) => {
  try {
    const claims = jwt.verify(socket.handshake.auth.token, SECRET, { algorithms: ["HS256"] });
    socket.join([`role:${claims.role}`, `user:${claims.sub}`]);
    socket.emit("authorization:ok");
  } catch {
    socket.emit("authorization:error", { message: "Вы не авторизованы", code: 2000, error: "UserAuthorizationError" });
    socket.disconnect();
  }
});

const registry = new SchemaRegistry({ host: REGISTRY });
const kafka = new Kafka({ clientId: "bench", brokers: BROKERS.split(","), logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: `bench-node-${process.pid}` });

await new Promise((listening) => http.listen(Number(PORT), "127.0.0.1", 4096, listening));
await consumer.connect();
await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
consumer.on(consumer.events.GROUP_JOIN, () => console.log("READY"));
await consumer.run({
  eachMessage: async ({ message }) => {
    const order = await registry.decode(message.value);
    const rooms = ["role:ADMIN", "role:WATCHER"];
    if (order.clientId !== null) rooms.push(`user:${order.clientId}`);
    io.to(rooms).emit("order:new", order);
  },
});
