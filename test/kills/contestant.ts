import type { Observable } from 'rxjs';
import type { Pool } from '../../src/index.js';

/** A back end that shows what it does when its resources are killed. A file here that exports one as `trial` takes part. */
export interface KillTrial {
  readonly name: string;
  /** How many borrowings of other trials one of this one costs in time: it makes so many times fewer. Default 1. */
  readonly costs?: number;
  /** Starts what it needs and makes the pool, as its last step. Throws MissingServerError where there is no server. */
  open(): Promise<OpenTrial>;
}

export interface OpenTrial {
  readonly pool: Pool<unknown>;
  /** Borrows once, does a little real work on the server, gives back; errors mean "the resource died under us". */
  borrow(): Observable<unknown>;
  /** Kills one random server-side connection, or the server or process itself. */
  kill(): Promise<void>;
  /** What the server itself counts of ours now. May reject while it is down. */
  serverCount(): Promise<number>;
  /** Whether that is the server's count of live resources; else what it is that is counted. */
  readonly counts: string;
  /** Ends what `open` started. The pool is closed by then. */
  close(): Promise<void>;
}
