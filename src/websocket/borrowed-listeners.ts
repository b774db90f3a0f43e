import { keepListeners, restoreListeners } from '../shared/listeners.js';
import type { WebSocketLike } from './socket.js';

/** Ends what borrowers added to the socket, and brings back what they took away from an emitter. */
export type Sweep = () => void;

interface ListenerOptions {
  readonly capture?: boolean;
  readonly signal?: AbortSignal;
}

interface WebTarget {
  addEventListener(type: string, listener: unknown, options?: ListenerOptions | boolean): void;
  onopen?: unknown;
  onmessage?: unknown;
  onerror?: unknown;
  onclose?: unknown;
}

/** From now on, whoever adds a listener to the socket is a borrower. */
export function trackListeners(socket: WebSocketLike): Sweep {
  if (!('rawListeners' in socket)) return trackTarget(socket);
  // An emitter tells who listens, whichever way they were added.
  keepListeners(socket);
  return () => {
    restoreListeners(socket);
  };
}

/** An event target tells nobody, but lets listeners go with a signal. */
function trackTarget(target: WebTarget): Sweep {
  const add = target.addEventListener.bind(target);
  let lease = new AbortController();
  target.addEventListener = (type, listener, options) => {
    const given = typeof options === 'object' ? options : { capture: options === true };
    const { signal = lease.signal } = given;
    const both = signal === lease.signal ? signal : AbortSignal.any([signal, lease.signal]);
    add(type, listener, { ...given, signal: both });
  };
  return () => {
    lease.abort();
    lease = new AbortController();
    target.onopen = target.onmessage = target.onerror = target.onclose = null;
  };
}
