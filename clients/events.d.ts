// What clients receive, by a catalog and its payload schemas. Made by `dumbwaiter reference types`, for a catalog of
// one's own with `--catalog FILE`: not to be edited by hand.

/** The plain protocol: what an `event_name` has as its `data`. */
export interface PlainEvents {
  /** For role:ADMIN, role:WATCHER, store:{store_id}, user:{user_uuid}. */
  "CREATE_PIZZA": Pizza;
}

/** Socket.IO: what an event has as its first argument. */
export interface SocketIoEvents {
  /** For role:ADMIN, role:WATCHER, user:{clientId}. */
  "order:new": PopulatedOrder;
  /** For role:ADMIN, role:WATCHER, user:{clientId}. */
  "order:condition": OrderCondition;
}

export interface Pizza {
  uuid: string;
  name: string;
  store_id: number;
  user_uuid: string;
  size: number;
  accepted: boolean;
  price: number;
  description: string | null;
  img_url: string;
  /** RFC 3339, UTC. */
  created_date: string;
  /** RFC 3339, UTC. */
  time_prepared: string;
}

export interface PopulatedOrder {
  _id: string;
  number: number;
  clientId: string | null;
  phone: string;
  address: string | null;
  cost: number;
  weight: number;
  username: string;
  condition: string;
  delivery: boolean;
  deliveryCost: number | null;
  discount: Discount | null;
  additionalInformation: string | null;
  deliveryCalculateManually: boolean | null;
  /** Milliseconds since 1970. */
  time: number | null;
  productsSum: number;
  products: OrderedProduct[];
  isTestOrder: boolean;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Milliseconds since 1970. */
  updatedAt: number;
}

export interface Discount {
  type: string;
  percent: number;
}

export interface OrderedProduct {
  cost: number;
  weight: number;
  number: number;
  product: Product | null;
  variant: Variant | null;
}

export interface Product {
  _id: string;
  visible: boolean;
  title: string;
  description: string;
  ingredients: string[];
  images: string[];
  type: string;
  cost: number;
  weight: number;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Milliseconds since 1970. */
  updatedAt: number;
}

export interface Variant {
  _id: string;
  title: string;
  visible: boolean;
  image: string | null;
  icon: string | null;
  cost: number;
  weight: number;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Milliseconds since 1970. */
  updatedAt: number;
}

export interface OrderCondition {
  _id: string;
  condition: string;
}

/** Where a connection stands that asked for cursors or a replay; told first, and when that changes. */
export interface Status {
  /** Nothing lies between the given cursor and what comes now that is not sent. */
  resumed: boolean;
  /** Why something can't be had: fetch the state anew. */
  gap: Gap | null;
  /** Since when the picture is stale, if it is. RFC 3339, UTC. */
  stale_since: string | null;
  /** From when on a replay is complete, where one was asked for. RFC 3339, UTC. */
  since?: string;
}

/** Why a gap is one. */
export type Gap =
  | "too_old"
  | "unreadable"
  | "recreated"
  | "too_much"
  | "timeout"
  | "busy"
  | "unavailable"
  | "owner_unknown";

/** The codes that the service itself closes plain connections with. */
export type CloseCode =
  | 1002
  | 1007
  | 1008
  | 1009
  | 1012
  | 1013
  | 4001
  | 4002
  | 4003
  | 4004;

/** What refuses a Socket.IO client, before it is disconnected. */
export interface AuthorizationError {
  message: string;
  code: number;
  error: string;
}

type Message<Name, Data> = { event_name: Name; data: Data; cursor?: string; traceparent?: string };

/** A text message of the plain protocol. */
export type PlainMessage =
  | { [Name in keyof PlainEvents]: Message<Name, PlainEvents[Name]> }[keyof PlainEvents]
  | Message<"STATUS", Status>;

/** For socket.io-client: `const socket: Socket<SocketIoListeners> = io(...)`. Where traces are asked for, they come before the cursor. */
export type SocketIoListeners = {
  [Name in keyof SocketIoEvents]: (payload: SocketIoEvents[Name], cursor?: string) => void;
} & {
  "authorization:ok": (cursor?: string) => void;
  "authorization:error": (error: AuthorizationError) => void;
  STATUS: (status: Status, cursor?: string) => void;
};
