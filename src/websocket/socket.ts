/**
 * What this adapter needs of a socket: the browser's `WebSocket`, which Node 22 has too, and that of `ws` have it.
 * Structural, so that neither the types of `ws` nor those of a DOM are needed.
 */
export interface WebSocketLike {
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** How binary messages come; as it was in the beginning again after each lease. */
  binaryType: string;
  /** A text or binary data: what each kind of socket takes. */
  send(data: any): void; // eslint-disable-line @typescript-eslint/no-explicit-any
  /** Says goodbye to the server, with a code of RFC 6455. A socket of a pool that is closed leaves it. */
  close(code?: number, reason?: string): void;
  /** Listens until the socket ends; what a borrower of a pool added is removed after its lease. */
  addEventListener(
    type: 'open' | 'message' | 'error' | 'close',
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the event of each kind of socket is another
    listener: (event: any) => void,
  ): void;
}

/** A class like the browser's `WebSocket` or that of `ws`. */
export type WebSocketConstructor<S extends WebSocketLike = WebSocketLike> = new (
  url: string,
  protocols?: string | string[],
) => S;

/** As every kind of socket numbers them. */
export const OPEN = 1;
export const CLOSED = 3;

/** What `ws` has beyond WebSocketLike. What is missing costs comfort, never safety. */
export interface NodeSocket {
  ping?(): void;
  /** Cuts the connection without a word. */
  terminate?(): void;
  on?(event: string | symbol, listener: (...parameters: never) => void): unknown;
}

export function nodeSocketOf(socket: WebSocketLike): NodeSocket {
  return socket as NodeSocket;
}

/** What any kind of socket tells when something happens. */
export interface SocketEvent {
  readonly data?: unknown;
  readonly error?: unknown;
  readonly code?: number;
  readonly reason?: string;
  readonly wasClean?: boolean;
}

/** Errors end up in logs, tokens should not. */
export function shown(url: string | URL): string {
  return String(url)
    .replace(/\/\/[^/]*@/, '//…@')
    .replace(/\?.*/s, '?…');
}
