import { asyncScheduler, Observable, Subscription, type SchedulerLike } from 'rxjs';
import {
  InvalidOptionsError,
  type Permit,
  type PermitRequest,
  type PermitSource,
  type Pool,
  type PoolEvent,
} from '../index.js';
import { later } from '../shared/later.js';
import { Announcer } from './announcer.js';
import { Ask } from './ask.js';
import { OutageSigns, type OutageVerdict } from './outage-signs.js';
import type { RecoveryEvent, RecoveryEventFacts, RecoveryState } from './recovery-events.js';
import {
  callable,
  checkOptions,
  count,
  duration,
  factor,
  permitSource,
  rate,
  scheduler,
  share,
} from './rules.js';

/** Options of {@link outageRecovery}. Durations are whole milliseconds. */
export interface OutageRecoveryOptions {
  /** So many creates that fail in a row, or resources that break in one burst, are an outage. Default 3. */
  readonly failureThreshold?: number | undefined;
  /**
   * Resources that break within so long are one burst. It counts as an outage when it takes at least half of all
   * resources, and `failureThreshold` of them. Default 1,000.
   */
  readonly burstMillis?: number | undefined;
  /** Which errors of a create tell of an outage. A wrong password does not: who refuses is there. Default: all. */
  readonly isOutage?: ((error: unknown) => boolean) | undefined;
  /** The pause before the first probe. Default 250. */
  readonly probeBaseMillis?: number | undefined;
  /** No pause between probes is longer. Default 10,000, or `probeBaseMillis` where that is more. */
  readonly probeMaxMillis?: number | undefined;
  /** Each pause is this many times the one before. Default 2. */
  readonly probeFactor?: number | undefined;
  /** Creates that are let through in a second, at the most, until the pools are full again. Default 10. */
  readonly refillPerSecond?: number | undefined;
  /**
   * From 0 to 1. Shortens each pause before a probe, and lengthens each pause between two refills, by a random share
   * up to this, so that processes that failed together do not come back together. Default 0.5.
   */
  readonly jitter?: number | undefined;
  /** A budget behind this one: what is let through here asks there. Default: none. */
  readonly permits?: PermitSource | undefined;
  /** Clock and timers. They do not keep a Node process alive. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

const rules = {
  failureThreshold: count,
  burstMillis: duration,
  isOutage: callable,
  probeBaseMillis: duration,
  probeMaxMillis: duration,
  probeFactor: factor,
  refillPerSecond: rate,
  jitter: share,
  permits: permitSource,
  scheduler,
};

/** Sees a server's outage, and brings its pools back with a few creates instead of a storm of them. */
export interface OutageRecovery extends PermitSource {
  /** `up` until an outage is seen. */
  readonly state: RecoveryState;
  /** Hot. Replays the latest state, never completes, never errors. */
  readonly state$: Observable<RecoveryState>;
  /** Hot, nothing replayed. Every step of an outage, in one order for all. Never completes, never errors. */
  readonly events$: Observable<RecoveryEvent>;
  /**
   * Listens to the pool, whose `permits` this has to be, until the pool closes or the handle is unsubscribed; then
   * its creates pass again. Attach it in the tick that made it. A pool that was not attached is not held.
   */
  attach<T>(pool: Pool<T>): Subscription;
}

/**
 * Handles the outage of what pools connect to as one event, instead of as many failing borrowers.
 *
 * It is a PermitSource and listens to the pools that are attached to it. When creates fail in a row, or resources
 * break in a burst, the outage begins: every generation is retired once (`pool.recycle()`), and creates are held. To
 * be held is to wait for a permit: nothing is `creating`, no create time-out runs, the deadlines of waiting requests
 * do. One create at a time is let through as a probe, with growing pauses between; where one asks for a pool below
 * its `min`, that one first, because its failure need not reach a borrower. Once a probe's resource was created the
 * others are let through one by one at `refillPerSecond`, until nobody asks and nothing is being created, or as many
 * were let through as the pools may hold. A probe finds nobody to ask where no pool wants a resource; the outage then
 * lasts until one does.
 *
 * What is let through asks the budget behind, where there is one. Throws InvalidOptionsError.
 *
 * @example
 * const recovery = outageRecovery({ refillPerSecond: 20 });
 * const pool = createPool({ create: connect, permits: recovery, min: 2 });
 * recovery.attach(pool);
 */
export function outageRecovery(options: OutageRecoveryOptions = {}): OutageRecovery {
  checkOptions('outageRecovery', options, rules);
  const { probeBaseMillis = 250, probeMaxMillis = Infinity } = options;
  if (probeBaseMillis > probeMaxMillis) {
    throw new InvalidOptionsError(
      'outageRecovery',
      'probeBaseMillis',
      probeBaseMillis,
      `must not be above probeMaxMillis (${probeMaxMillis})`,
    );
  }
  return new Recovery(options);
}

/** A pool that is listened to. Ids of its creates grow. */
interface Attachment {
  readonly pool: Pool<unknown>;
  readonly listening: Subscription;
  lastId: number;
  /** What was begun before, with this id or a lower one, tells nothing of now. */
  staleId: number;
}

/** The one create that is let through while all others are held. */
interface Probe {
  attachment: Attachment | undefined;
  /** Known once the create is under way. */
  id: number | undefined;
}

class Recovery implements OutageRecovery {
  readonly state$: Observable<RecoveryState>;
  readonly events$: Observable<RecoveryEvent>;
  state: RecoveryState = 'up';
  readonly #announcer = new Announcer();
  readonly #signs: OutageSigns;
  readonly #isOutage: (error: unknown) => boolean;
  readonly #probeBaseMillis: number;
  readonly #probeMaxMillis: number;
  readonly #probeFactor: number;
  readonly #refillMillis: number;
  readonly #jitter: number;
  readonly #permits: PermitSource | undefined;
  readonly #scheduler: SchedulerLike;
  readonly #attachments = new Set<Attachment>();
  /** Asks that are held, the oldest first. */
  readonly #held = new Set<Ask>();
  #timer: Subscription | undefined = undefined;
  #probeDue = false;
  #probe: Probe | undefined = undefined;
  #attempts = 0;
  #downAt = 0;
  #refilled = 0;

  constructor(options: OutageRecoveryOptions) {
    this.state$ = this.#announcer.state$;
    this.events$ = this.#announcer.events$;
    this.#signs = new OutageSigns(options.failureThreshold ?? 3, options.burstMillis ?? 1_000);
    this.#isOutage = options.isOutage ?? (() => true);
    this.#probeBaseMillis = options.probeBaseMillis ?? 250;
    this.#probeMaxMillis = options.probeMaxMillis ?? Math.max(this.#probeBaseMillis, 10_000);
    this.#probeFactor = options.probeFactor ?? 2;
    this.#refillMillis = 1_000 / (options.refillPerSecond ?? 10);
    this.#jitter = options.jitter ?? 0.5;
    this.#permits = options.permits;
    this.#scheduler = options.scheduler ?? asyncScheduler;
  }

  acquire(request: PermitRequest): Observable<Permit> {
    return new Observable(subscriber => {
      this.#ask(new Ask(request, subscriber));
    });
  }

  attach<T>(pool: Pool<T>): Subscription {
    const listening = new Subscription();
    const attachment: Attachment = { pool, listening, lastId: 0, staleId: -1 };
    this.#attachments.add(attachment);
    listening.add(() => {
      this.#detach(attachment);
    });
    listening.add(
      pool.stats$.subscribe({
        next: event => {
          this.#heard(attachment, event);
        },
        complete: () => {
          listening.unsubscribe();
        },
      }),
    );
    return listening;
  }

  // ── Asks ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #ask(ask: Ask): void {
    if (this.state === 'up' || !this.#governs(ask)) this.#pass(ask);
    else this.#hold(ask);
  }

  #governs({ request }: Ask): boolean {
    for (const { pool } of this.#attachments) if (pool.name === request.pool) return true;
    return false;
  }

  #pass(ask: Ask): void {
    ask.pass(this.#permits, permit => {
      if (this.state === 'up' || !this.#governs(ask)) {
        ask.deliver(permit);
        return;
      }
      this.#comeLate(ask, permit);
    });
  }

  #hold(ask: Ask): void {
    this.#held.add(ask);
    ask.subscriber.add(() => {
      this.#held.delete(ask);
    });
    // Never within the turn of the pool that asks: it has not said yet what it does.
    if (this.#probeDue && this.#timer === undefined) this.#after(0, () => this.#sendProbe());
  }

  /** The next in line: one for the floor of a pool first. */
  #next(): Ask | undefined {
    const [oldest] = this.#held;
    for (const ask of this.#held) if (ask.request.floor) return ask;
    return oldest;
  }

  // ── What the pools tell ───────────────────────────────────────────────────────────────────────────────────────

  #heard(attachment: Attachment, event: PoolEvent): void {
    switch (event.type) {
      case 'creating':
        this.#creating(attachment, event.id);
        break;
      case 'created':
        if (event.id > attachment.staleId) this.#created(attachment, event.id);
        break;
      case 'createFailed':
        if (event.id > attachment.staleId && isOpen(event)) {
          this.#createFailed(attachment, event.id, event.error);
        }
        break;
      case 'resourceError':
        if (event.id > attachment.staleId && isOpen(event)) this.#broke(attachment, event.error);
        break;
      default:
    }
  }

  #creating(attachment: Attachment, id: number): void {
    attachment.lastId = Math.max(attachment.lastId, id);
    const probe = this.#probe;
    if (probe === undefined || probe.id !== undefined || id <= attachment.staleId) return;
    probe.attachment = attachment;
    probe.id = id;
  }

  #created(attachment: Attachment, id: number): void {
    this.#signs.clear();
    if (this.#isProbe(attachment, id)) this.#recover(attachment);
  }

  #recover(attachment: Attachment): void {
    this.#probe = undefined;
    this.#refilled = 0;
    const facts = { attempt: this.#attempts, downMillis: this.#now() - this.#downAt };
    this.#move('recovering', 'recovering', attachment.pool.name, facts);
    this.#planRefill();
  }

  #createFailed(attachment: Attachment, id: number, error: unknown): void {
    if (this.#isProbe(attachment, id)) {
      // Whoever refuses is there.
      if (this.#isOutage(error)) this.#probeFailed(attachment, error);
      else this.#recover(attachment);
    } else if (this.state === 'recovering') {
      if (this.#isOutage(error)) this.#relapse(attachment, error);
    } else if (this.state === 'up' && this.#isOutage(error)) {
      this.#judge(this.#signs.createFailed(), attachment, error);
    }
  }

  #broke(attachment: Attachment, error: unknown): void {
    if (this.state === 'down') return;
    let size = 0;
    for (const { pool } of this.#attachments) size += pool.state.size;
    this.#judge(this.#signs.broke(this.#now(), size), attachment, error);
  }

  #isProbe(attachment: Attachment, id: number): boolean {
    return this.#probe?.attachment === attachment && this.#probe.id === id;
  }

  // ── An outage ─────────────────────────────────────────────────────────────────────────────────────────────────

  #judge(verdict: OutageVerdict | undefined, attachment: Attachment, error: unknown): void {
    if (verdict === undefined) return;
    const isNew = this.state === 'up';
    if (isNew) this.#begin(verdict, attachment, error);
    else this.#relapse(attachment, error);
    // One bump for all that is there, so that nobody borrows what the server has forgotten.
    if (!isNew && verdict.reason === 'createsFailed') return;
    for (const { pool } of this.#attachments) void pool.recycle();
  }

  #begin(verdict: OutageVerdict, attachment: Attachment, error: unknown): void {
    this.#downAt = this.#now();
    this.#attempts = 0;
    const facts = { ...verdict, error, nextProbeMillis: this.#planProbe() };
    this.#move('down', 'down', attachment.pool.name, facts);
  }

  #probeFailed(attachment: Attachment, error: unknown): void {
    this.#probe = undefined;
    const facts = { attempt: this.#attempts, error, nextProbeMillis: this.#planProbe() };
    this.#move('probeFailed', 'down', attachment.pool.name, facts);
  }

  #relapse(attachment: Attachment, error: unknown): void {
    const facts = { error, nextProbeMillis: this.#planProbe() };
    this.#move('relapsed', 'down', attachment.pool.name, facts);
  }

  /** Plans the next probe, and returns how long that is from now. */
  #planProbe(): number {
    this.#signs.clear();
    // Until the probe is sent, whatever happens was begun before.
    for (const attachment of this.#attachments) attachment.staleId = Infinity;
    const full = this.#probeBaseMillis * this.#probeFactor ** this.#attempts;
    const pause = Math.min(full, this.#probeMaxMillis) * (1 - this.#jitter * Math.random());
    const millis = Math.max(1, Math.round(pause));
    this.#after(millis, () => {
      this.#probeDue = true;
      this.#sendProbe();
    });
    return millis;
  }

  #sendProbe(): void {
    if (this.state !== 'down' || this.#probe !== undefined) return;
    const ask = this.#next();
    if (ask === undefined) return;
    this.#probeDue = false;
    this.#attempts += 1;
    this.#held.delete(ask);
    for (const attachment of this.#attachments) attachment.staleId = attachment.lastId;
    const probe: Probe = { attachment: undefined, id: undefined };
    this.#probe = probe;
    this.#move('probing', 'down', ask.request.pool, { attempt: this.#attempts });
    // The ask has its permit, or was withdrawn; which one is known when the pool's turn is over.
    ask.subscriber.add(() => later(this.#scheduler, 0, () => this.#lookAfter(probe)));
    ask.pass(this.#permits, permit => {
      ask.deliver(permit);
    });
  }

  /** Where no create was begun with the probe's permit, it is somebody else's turn. */
  #lookAfter(probe: Probe): void {
    if (this.#probe !== probe || probe.id !== undefined) return;
    this.#probe = undefined;
    this.#attempts -= 1;
    this.#probeDue = true;
    this.#sendProbe();
  }

  // ── Coming back ───────────────────────────────────────────────────────────────────────────────────────────────

  #planRefill(): void {
    const pause = this.#refillMillis * (1 + this.#jitter * Math.random());
    this.#after(Math.max(1, Math.ceil(pause)), () => this.#refill());
  }

  #refill(): void {
    const ask = this.#next();
    if (ask === undefined) {
      if (!this.#isCreating()) this.#end();
    } else {
      this.#held.delete(ask);
      this.#refilled += 1;
      ask.pass(this.#permits, permit => {
        if (this.state === 'down') this.#comeLate(ask, permit);
        else ask.deliver(permit);
      });
      if (this.#refilled >= this.#capacity() && this.#isRecovering()) this.#end();
    }
    if (this.#isRecovering()) this.#planRefill();
  }

  /** The budget behind gave its permit when the outage had begun, or was back. */
  #comeLate(ask: Ask, permit: Permit): void {
    permit.release();
    this.#hold(ask);
  }

  #end(): void {
    const downMillis = this.#now() - this.#downAt;
    this.#move('up', 'up', '', { downMillis, refilled: this.#refilled });
    this.#passAll();
  }

  /** A create that fails at once has changed the state meanwhile. */
  #isRecovering(): boolean {
    return this.state === 'recovering';
  }

  #isCreating(): boolean {
    for (const { pool } of this.#attachments) if (pool.state.creating > 0) return true;
    return false;
  }

  #capacity(): number {
    let capacity = 0;
    for (const { pool } of this.#attachments) capacity += pool.state.max;
    return capacity;
  }

  /** Passes what is held without a reason any more. */
  #passAll(): void {
    for (const ask of [...this.#held]) {
      if (this.state !== 'up' && this.#governs(ask)) continue;
      this.#held.delete(ask);
      this.#pass(ask);
    }
  }

  #detach(attachment: Attachment): void {
    this.#attachments.delete(attachment);
    if (this.#probe?.attachment === attachment) {
      this.#probe = undefined;
      this.#probeDue = true;
      this.#after(0, () => this.#sendProbe());
    }
    if (this.#attachments.size === 0 && this.state !== 'up') {
      this.#timer?.unsubscribe();
      this.#timer = undefined;
      this.#probe = undefined;
      this.#probeDue = false;
      this.#end();
    } else {
      this.#passAll();
    }
  }

  // ── State and time ────────────────────────────────────────────────────────────────────────────────────────────

  #move<Type extends keyof RecoveryEventFacts>(
    type: Type,
    state: RecoveryState,
    pool: string,
    facts: RecoveryEventFacts[Type],
  ): void {
    this.state = state;
    this.#announcer.tell({ type, at: this.#now(), pool, state, ...facts } as RecoveryEvent);
  }

  #now(): number {
    return this.#scheduler.now();
  }

  /** One timer at a time: what it was armed for before is past. */
  #after(millis: number, work: () => void): void {
    this.#timer?.unsubscribe();
    this.#timer = later(this.#scheduler, millis, () => {
      this.#timer = undefined;
      work();
    });
  }
}

/** Creates that a closing pool gives up tell nothing of the server. */
function isOpen({ state }: PoolEvent): boolean {
  return state.lifecycle === 'running' || state.lifecycle === 'paused';
}
