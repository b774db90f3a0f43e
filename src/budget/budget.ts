import type { Observable } from 'rxjs';
import type { PermitSource } from '../index.js';
import type { PermitLostError } from './errors.js';

/** What is known of all members of a budget together, as of the last answer. */
export interface FleetState {
  /** The lowest limit that a member names. */
  readonly limit: number;
  /** Permits that are out. */
  readonly out: number;
  /** Requests that wait. */
  readonly waiting: number;
  /** Members that hold or want something. */
  readonly members: number;
}

/** How a member of a budget stands. */
export interface BudgetState {
  /** `disposed` from the call of `dispose` on: no permit is given any more. */
  readonly lifecycle: 'running' | 'disposed';
  /** Permits that the pools of this member hold, those on their way back included. */
  readonly held: number;
  /** Requests of this member that wait. */
  readonly waiting: number;
  /** Permits that the budget wants back and that no pool has promised yet. */
  readonly recalled: number;
  /** The server of the budget cannot be reached. */
  readonly away: boolean;
  /** Undefined before the first answer. */
  readonly fleet: FleetState | undefined;
}

/** What happened to a member of a budget. Times are the scheduler's, in milliseconds. */
export type BudgetEvent = {
  readonly at: number;
  /** The state after it. */
  readonly state: BudgetState;
} & (
  | {
      readonly type: 'granted';
      readonly pool: string;
      readonly floor: boolean;
      readonly waitedMillis: number;
    }
  | { readonly type: 'released'; readonly pool: string; readonly heldMillis: number }
  /** The pool gives the resource up as soon as it is free. */
  | { readonly type: 'lost'; readonly pool: string; readonly error: PermitLostError }
  /** So many permits are to come back to others, because this member has more than its share. */
  | { readonly type: 'recalled'; readonly count: number }
  | { readonly type: 'renewed'; readonly tookMillis: number }
  /** The budget cannot be reached; what happens now is said by `whenAway`. */
  | { readonly type: 'away'; readonly error: unknown }
  | { readonly type: 'back'; readonly awayMillis: number }
  | { readonly type: 'disposed' }
);

/**
 * A budget that many pools share: give it to each of them as `permits`. One for each process or thread is a member of
 * the budget, and all that name the same limit in the same place draw from it together.
 *
 * It talks to its server, and has a timer, only while a pool holds a permit or waits for one.
 *
 * @example
 * const permits = redisPermits(client, { key: 'orders-db', limit: 300 });
 * const pool = postgresPool({ connection: url, max: 20, permits });
 */
export interface Budget extends PermitSource, AsyncDisposable {
  /** The name of this member, unique among them. */
  readonly member: string;
  /** How this member stands now. */
  readonly state: BudgetState;
  /** Hot: replays the latest, and completes once disposed of. */
  readonly state$: Observable<BudgetState>;
  /** Hot: every event from the subscription on, in order. Completes after `disposed`. */
  readonly events$: Observable<BudgetEvent>;
  /**
   * Ends the membership: requests that wait fail, permits that are held are lost and given back at once, so close the
   * pools first. Resolves when the server knows, or could not be reached: then the time to live does it. Never rejects.
   */
  dispose(): Promise<void>;
}
