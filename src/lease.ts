/// <reference lib="esnext.disposable" preserve="true" />
import type { ResourceInfo } from './resource-info.js';

/**
 * The one-shot handle of a borrowed resource. The borrower owns the resource from the moment it is handed over until
 * the first of `release`, `destroy`, `detach`, the unsubscribe of its stream, or the pool taking it back. A lease
 * that is over stays over: it can never touch the next borrower's.
 *
 * @example
 * await using lease = await pool.lease();
 * lease.signal.addEventListener('abort', () => console.warn('the pool took it back'));
 * await lease.resource.query('SELECT 1');
 */
export interface Lease<T> extends Disposable, AsyncDisposable {
  /** The resource itself, never wrapped. Throws LeaseReleasedError once the lease is over. */
  readonly resource: T;
  /** A fresh snapshot; once the lease is over, the last one. */
  readonly info: ResourceInfo;
  /** Whether the lease is over, in whatever way. */
  readonly released: boolean;
  /** Aborted when the pool takes the lease back; its reason is a LeaseRevokedError. */
  readonly signal: AbortSignal;
  /**
   * Gives the resource back, at once. Resolves when it is ready for the next borrower (after `reset`), or gone where
   * it retires. Never rejects; a second call does nothing and returns the same promise.
   */
  release(): Promise<void>;
  /** Ends the resource instead of giving it back; an error says that it is broken. Resolves when it is gone; never rejects. */
  destroy(error?: unknown): Promise<void>;
  /**
   * Takes the resource out of the pool for good: the caller owns it, no hook is called, its slot is free. Throws
   * LeaseReleasedError once the lease is over.
   */
  detach(): T;
  /** Tells that the lease is in use: `leakWarningMillis` and `maxLeaseMillis` count from now. */
  touch(): void;
}
