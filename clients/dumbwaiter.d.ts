// The types of dumbwaiter.js. Those of the events are made of the catalog: events.d.ts.

import type { CloseCode, Gap, PlainEvents, Status } from "./events.js";

export * from "./events.js";

/** Connects, until `close()` is called or there is no use in coming back. */
export function connect(options?: Options): Client;

/** What to do after a close code; one that is not the service's is a broken line's, or a proxy's. */
export function comeBackAfter(closeCode: CloseCode | number): ComeBack;

export type ComeBack = "again" | "later" | "new token" | "never";

export interface Options {
  /** The service; without it, the host of the page. */
  url?: string;
  /**
   * The token of the login, or a function that gives the one of now (`wasRefused`: the last one it gave is no good any more; to
   * give the same again, or none, is to be logged out). Without it, the session's cookie is shown, on pages of the same host.
   */
  token?: string | ((asked: { wasRefused: boolean }) => string | null | undefined | Promise<string | null | undefined>);
  /** Where to go on: what `onCursor` was last called with. */
  cursor?: string | null;
  /** Begin with what has been: a duration back from now (`"15m"`) or a time (RFC 3339). */
  since?: string;
  /** Begin with the open orders, where the catalog sends them to plain clients. */
  open?: boolean;
  /** Be told the trace of each event's record, where `web.traceparent` is on. */
  traceparent?: boolean;

  /** What to do with each event. */
  on?: { [Name in keyof PlainEvents]?: (data: PlainEvents[Name], about: { traceparent?: string }) => void };
  /** Events were missed and can't be had: fetch the state anew. Without it, a warning on the console. */
  onGap?: (gap: Gap, status: Status) => void;
  /** The picture is stale since that time (RFC 3339), or, with null, it is no longer. */
  onStale?: (since: string | null) => void;
  /** Every STATUS. */
  onStatus?: (status: Status) => void;
  /** A newer cursor, with every event and now and then between them. */
  onCursor?: (cursor: string) => void;
  onState?: (state: State) => void;
  /** There is no connection for now; the client tries again. */
  onError?: (error: DumbwaiterError) => void;
  /** There is none any more, and it does not try again. Not called after `close()`. */
  onEnd?: (error: DumbwaiterError) => void;

  /** Where there is none, as in Node before 22: that of the package ws. */
  WebSocket?: unknown;
  fetch?: typeof globalThis.fetch;
}

/** `waiting`: for the next try. */
export type State = "connecting" | "live" | "waiting" | "ended";

export interface Client {
  readonly state: State;
  readonly cursor: string;
  close(): void;
}

export class DumbwaiterError extends Error {
  /**
   * `unauthorized`: the login is refused. `token`: the function for it failed. `network`, `no_ticket`: no answer, or no good one,
   * to the question for a ticket. `closed`: by the other side, with `closeCode`. `silence`: nothing was heard any more.
   */
  readonly code: "unauthorized" | "token" | "network" | "no_ticket" | "closed" | "silence";
  /** What the client does about it. */
  readonly comeBack: ComeBack;
  /** Of an HTTP answer. */
  readonly status?: number;
  readonly closeCode?: number;
  readonly retryAfterMs?: number;
}
