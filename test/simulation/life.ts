import {
  createPool,
  HookTimeoutError,
  PoolError,
  type HookName,
  type Pool,
  type PoolEvent,
  type PoolState,
  type ResourceInfo,
} from '../../src/index.js';
import {
  assertInvariants,
  assertQuiescent,
  InvariantError,
  type Oracle,
  type OracleResource,
} from '../../src/testing/index.js';
import { nameEvent } from '../../src/testing/invariant-error.js';
import { Borrower, type BorrowerOwner } from './borrower.js';
import { Draw } from './draw.js';
import { drawNested, type Occasion, type Operation, type Plan } from './plan.js';
import { SimulatedClock, SimulatedTime } from './simulated-time.js';
import { Budget, DeliberateError, World, type WorldOwner } from './world.js';

/** What came of a life. */
export interface LifeReport {
  /** How much was done to the pool, by the plan and from within. */
  readonly operations: number;
  /** What went wrong, if anything did. */
  readonly failure: string | undefined;
  /** What was done and what the pool told, where that was asked for. */
  readonly trace: readonly string[];
}

/** Longer than any pause between two fills, and any limit that keeps a hook. */
const longRestMillis = 60_000;
/** Callbacks inside callbacks do nothing more from here on. */
const deepest = 3;
/** Rounds of promises that one step is given to settle in. */
const ticks = 8;
const settled = Promise.resolve();

/** Plays the life of one pool by its plan, in virtual time, and watches it all the way. */
export async function playLife(plan: Plan, isTraced = false): Promise<LifeReport> {
  const life = new Life(plan, isTraced);
  const { random } = Math;
  const { stackTraceLimit } = Error;
  const { setTimeout } = globalThis;
  const jitter = new Draw(plan.hooks.seed + 1);
  Math.random = () => jitter.share();
  // Thousands of errors are made that nobody reads.
  if (!isTraced) Error.stackTraceLimit = 0;
  // RxJS hands what nobody can catch to a task of its own: it is looked at here instead.
  globalThis.setTimeout = ((work: () => void) => {
    life.reported.push(work);
    return 0;
  }) as unknown as typeof setTimeout;
  let failure: string | undefined;
  try {
    await life.play();
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  } finally {
    Math.random = random;
    Error.stackTraceLimit = stackTraceLimit;
    globalThis.setTimeout = setTimeout;
  }
  return { operations: life.operations, failure, trace: life.trace };
}

class Life implements BorrowerOwner, WorldOwner {
  readonly pool: Pool<OracleResource>;
  readonly clock: SimulatedClock;
  readonly defaultTimeoutMillis: number;
  isHonest = true;
  readonly isReentrant: boolean;
  operations = 0;
  readonly trace: string[] = [];
  /** Errors that nobody could catch. */
  readonly reported: (() => void)[] = [];
  readonly #plan: Plan;
  readonly #isTraced: boolean;
  readonly #time = new SimulatedTime();
  readonly #poolClock: SimulatedClock;
  readonly #world: World;
  readonly #budget: Budget | undefined;
  readonly #nested: Draw;
  readonly #events: PoolEvent[] = [];
  readonly #states: PoolState[] = [];
  readonly #borrowers: Borrower[] = [];
  #waiting: Borrower[] = [];
  #holding: Borrower[] = [];
  /** Promises that have not settled. */
  readonly #promises = new Set<string>();
  readonly #problems: string[] = [];
  readonly #reactions = new Map<string, Operation>();
  readonly #counts = new Map<Occasion, number>();
  readonly #idleSince = new Map<number, number>();
  readonly #createdAt = new Map<number, number>();
  /** Resources that were lent since they were last made or seen good. */
  readonly #unchecked = new Set<number>();
  /** The priorities of open requests. */
  readonly #priorities = new Map<number, number>();
  #promiseCount = 0;
  #activity = 0;
  #depth = 0;
  /** Nothing that the pool gave up is still under way. */
  #isExact = true;
  #isFinishing = false;
  /** What is left of a larger `max` may be above the present one. */
  #wasResized = false;
  readonly #mayGiveUp: boolean;

  constructor(plan: Plan, isTraced: boolean) {
    const { options } = plan;
    this.#plan = plan;
    this.#isTraced = isTraced;
    this.#nested = new Draw(plan.hooks.seed + 2);
    this.clock = new SimulatedClock(this.#time);
    this.#poolClock = new SimulatedClock(this.#time);
    this.#world = new World(plan.hooks, options.max, this.clock, this);
    this.#budget = options.permits === Infinity ? undefined : new Budget(options.permits);
    this.defaultTimeoutMillis = options.acquireTimeoutMillis;
    this.isReentrant = plan.reactions.length > 0 || plan.hooks.reenter > 0;
    this.#mayGiveUp = mayGiveUp(plan);
    if (this.#mayGiveUp) this.#world.letAbandon();
    for (const { on, nth, operation } of plan.reactions) {
      this.#reactions.set(`${on} ${nth}`, operation);
    }
    this.pool = this.#makePool();
    this.#listen();
  }

  get oracle(): Oracle {
    return this.#world.oracle;
  }

  async play(): Promise<void> {
    await this.#settleTick();
    for (const operation of this.#plan.operations) await this.#step(operation);
    await this.#finish();
  }

  // ── What the world and the borrowers ask ──────────────────────────────────────────────────────────────────────

  stir(): void {
    this.#activity += 1;
  }

  hookCalled(hook: HookName, isUnplanned: boolean): void {
    this.#checkWithin(this.pool.state);
    this.#react(`${hook} hook`);
    if (isUnplanned) this.perform(drawNested(this.#nested, this.#plan.options, false));
  }

  problem(message: string): void {
    this.#problems.push(message);
  }

  moved(borrower: Borrower, to: Borrower['state']): void {
    this.#waiting = this.#waiting.filter(other => other !== borrower);
    this.#holding = this.#holding.filter(other => other !== borrower);
    if (to === 'waiting') this.#waiting.push(borrower);
    if (to === 'holding') this.#holding.push(borrower);
  }

  keeps(what: string, promise: Promise<unknown>, then?: () => void, mayReject = false): void {
    const name = `${what} number ${++this.#promiseCount}`;
    this.#promises.add(name);
    promise.then(
      () => {
        this.stir();
        this.#promises.delete(name);
        then?.();
      },
      (error: unknown) => {
        this.stir();
        this.#promises.delete(name);
        if (!mayReject || !(error instanceof PoolError)) {
          this.problem(`${what} rejected with ${String(error)}`);
        }
      },
    );
  }

  /** Does something to the pool, from outside or inside a callback. */
  perform(operation: Operation): void {
    if (this.#depth >= deepest || this.#isFinishing) return;
    this.#depth += 1;
    this.operations += 1;
    this.#log(() => `${'  '.repeat(this.#depth)}${describe(operation)}`);
    try {
      this.#perform(operation);
    } finally {
      this.#depth -= 1;
    }
  }

  #perform(operation: Operation): void {
    const { pool } = this;
    switch (operation.do) {
      case 'arrive': {
        const borrower = new Borrower(this, operation);
        this.#borrowers.push(borrower);
        borrower.start();
        break;
      }
      case 'end':
        at(this.#holding, operation.index)?.end(operation.ending);
        break;
      case 'leave':
        at([...this.#waiting, ...this.#holding], operation.index)?.leave();
        break;
      case 'abort':
        at([...this.#waiting, ...this.#holding], operation.index)?.abort();
        break;
      case 'touch':
        at(this.#holding, operation.index)?.touch();
        break;
      case 'ruin':
        this.#world.ruin(operation.index);
        break;
      case 'open':
        this.#world.open(operation.hook, operation.index, operation.outcome);
        break;
      case 'pause':
        pool.pause();
        break;
      case 'resume':
        pool.resume();
        break;
      case 'recycle':
        this.keeps('recycle', pool.recycle());
        break;
      case 'evict':
        this.keeps('evict', pool.evict());
        break;
      case 'check':
        this.keeps('healthCheck', pool.healthCheck());
        break;
      case 'prefill':
        this.keeps('prefill', pool.prefill(operation.count), undefined, true);
        break;
      case 'resize':
        this.#wasResized = true;
        // Once it closes the sizes stay.
        if (pool.state.lifecycle === 'running' || pool.state.lifecycle === 'paused') {
          this.oracle.max = operation.max;
        }
        pool.resize({ min: operation.min, max: operation.max });
        break;
      case 'close':
        this.#close(operation);
        break;
      case 'together':
        for (const each of operation.operations) this.perform(each);
        break;
      case 'throw':
        throw new DeliberateError('a subscriber threw');
      case 'jump':
        this.isHonest = false;
        this.#time.offset += operation.millis;
        break;
      case 'freeze':
        this.isHonest = false;
        this.#time.freeze(operation.millis);
        break;
      case 'advance':
      case 'settle':
        this.problem(`${operation.do} cannot be nested`);
        break;
    }
  }

  #close(options: Extract<Operation, { do: 'close' }>): void {
    this.#world.letAbandon();
    this.#isExact = false;
    const { waiters, drainTimeoutMillis, force } = options;
    const { pool } = this;
    const checkEnd = (): void => {
      const { lifecycle } = pool.state;
      if (lifecycle !== 'closed') this.problem(`close settled while the pool is ${lifecycle}`);
    };
    const closed = pool.close({ waiters, drainTimeoutMillis, force });
    closed.then(checkEnd, checkEnd);
    this.keeps('close', closed, undefined, true);
  }

  // ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #step(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'advance':
        this.operations += 1;
        this.#log(() => describe(operation));
        await this.#advance(operation.millis);
        this.#check(true);
        break;
      case 'settle':
        this.operations += 1;
        this.#log(() => describe(operation));
        await this.#settle();
        this.#checkRest(false);
        break;
      default:
        this.perform(operation);
        await this.#settleTick();
        this.#check(false);
    }
  }

  async #advance(millis: number): Promise<void> {
    const target = this.#time.frame + millis;
    while (this.#time.step(target)) await this.#settleTick();
    this.#time.frame = Math.max(target, this.#time.frame);
  }

  /** Lets promises settle until nothing more comes of them. */
  async #settleTick(): Promise<void> {
    let before: number;
    do {
      before = this.#activity;
      for (let tick = 0; tick < ticks; tick += 1) await settled;
    } while (before !== this.#activity);
    while (this.reported.length > 0) this.#hear(this.reported.shift() as () => void);
  }

  #hear(report: () => void): void {
    try {
      report();
    } catch (error) {
      if (error instanceof DeliberateError) return;
      this.problem(`uncaught: ${error instanceof Error ? String(error.stack) : String(error)}`);
    }
  }

  /** Opens every hook, those that come of it too, without letting time pass. */
  async #settle(): Promise<void> {
    const world = this.#world;
    world.calm = true;
    for (let round = 0; round < 1_000; round += 1) {
      const before = this.#activity;
      world.openAll();
      await this.#settleTick();
      await this.#advance(0);
      if (before === this.#activity && world.waiting === 0) break;
    }
    world.calm = this.#isFinishing;
  }

  /** The end: everything is let through, everybody goes, and the pool is closed. */
  async #finish(): Promise<void> {
    const { pool } = this;
    this.#isFinishing = true;
    this.#log(() => 'the end: all hooks open');
    pool.resume();
    await this.#settle();
    this.#checkRest(false);
    this.#log(() => 'the end: all leases end');
    while (this.#holding.length > 0) {
      for (const borrower of [...this.#holding]) borrower.end('release');
      await this.#settle();
      this.#checkRest(false);
    }
    if (this.#waiting.length > 0 && this.#budget === undefined) {
      this.problem(`${this.#waiting.length} still wait, and nobody has a lease`);
    }
    const { lifecycle } = pool.state;
    if (lifecycle === 'running') {
      this.#log(() => 'the end: time passes');
      await this.#advance(pool.state.size < pool.state.min ? longRestMillis : 1_000);
      await this.#settle();
      this.#checkRest(true);
      this.#close({ do: 'close', waiters: 'reject', drainTimeoutMillis: 1_000, force: false });
      await this.#settle();
    } else if (lifecycle === 'draining') {
      this.problem('the pool still drains, and nobody has a lease');
    }
    await this.#checkClosed();
  }

  // ── Checks ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What must hold after every step; `isDone`: what is due at this moment has been done. */
  #check(isDone: boolean): void {
    for (const borrower of this.#holding) {
      if (!borrower.isRevoked) continue;
      if (borrower.hasStream) this.problem('a lease was revoked and its stream was not told');
      borrower.wasRevoked();
    }
    this.#demand();
    const { pool } = this;
    const facts = {
      leased: this.#holding.length,
      waiting: this.#waiting.length,
      ...(this.#isExact && !this.#mayGiveUp ? { oracle: this.oracle } : undefined),
    };
    assertInvariants(pool, this.#wasResized ? { ...facts, events: [] } : facts);
    const { size, creating } = pool.state;
    if (this.oracle.live < size + creating) {
      this.problem(`${this.oracle.live} live, the pool counts ${size + creating}`);
    }
    this.#checkServed();
    if (this.isHonest && isDone) this.#checkTime();
    this.#demand();
  }

  /** What must hold inside callbacks too, where borrowers and events may be behind the state. */
  #checkWithin(state: PoolState): void {
    try {
      assertInvariants(state, this.#wasResized ? { events: [] } : {});
    } catch (error) {
      this.problem(`within a callback: ${String(error)}`);
    }
    const { live } = this.oracle;
    const { size, creating } = this.pool.state;
    if (this.#isExact && !this.#mayGiveUp && live > size + creating) {
      this.problem(`within a callback ${live} live, the pool counts ${size + creating}`);
    }
  }

  /** Nobody waits for what is there, at any moment: what is under way may be on its way to them. */
  #checkServed(): void {
    const { lifecycle, waiting, idle, validating, creating, size, max } = this.pool.state;
    if (lifecycle !== 'running') return;
    if (idle > 0 && waiting > validating) this.problem(`${waiting} wait while ${idle} are idle`);
    const { permits, createConcurrency } = this.#plan.options;
    const mayCreate = permits === Infinity && creating < createConcurrency && size + creating < max;
    if (mayCreate && waiting > validating + creating) {
      this.problem(`${waiting} wait while ${max - size - creating} slots are free`);
    }
  }

  /** What is due has been done: not before its time, as the events show, and not after. */
  #checkTime(): void {
    const now = this.clock.now();
    const isOver = (since: number, limit: number): boolean => now - since >= limit;
    const { idleTimeoutMillis, maxLeaseMillis } = this.#plan.options;
    for (const { requestedAt, limitMillis } of this.#waiting) {
      if (isOver(requestedAt, limitMillis)) {
        this.problem(`a request waits for ${now - requestedAt} ms, with a limit of ${limitMillis}`);
      }
    }
    for (const { heldSince } of this.#holding) {
      if (isOver(heldSince, maxLeaseMillis)) {
        this.problem(
          `a lease is held for ${now - heldSince} ms, with a limit of ${maxLeaseMillis}`,
        );
      }
    }
    for (const info of this.pool.resources()) {
      if (info.state !== 'idle') continue;
      if (info.stale) this.problem(`resource ${info.id} is stale and idle`);
      if (isOver(now - info.idleMillis, idleTimeoutMillis) && this.#hasSpare()) {
        this.problem(`resource ${info.id} idles for ${info.idleMillis} ms`);
      }
    }
  }

  #hasSpare(): boolean {
    const { idle, size, destroying, min } = this.pool.state;
    return size - destroying > min && idle > this.#plan.options.minIdle;
  }

  /** What must hold when every hook has settled; `isLong`: and time enough has passed for fills and pruning. */
  #checkRest(isLong: boolean): void {
    this.#check(false);
    const { permits, createConcurrency } = this.#plan.options;
    try {
      assertQuiescent(this.pool, {
        permits: permits !== Infinity,
        createConcurrency,
        unsettled: this.#world.waiting,
      });
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      // A fill that failed is tried again later, and a budget may not have what `min` wants.
      const mayMiss = !isLong || permits !== Infinity;
      const broken = error.violations.filter(({ rule }) => !(mayMiss && rule === 'minimum'));
      if (broken.length > 0) throw error;
    }
    this.#demand();
  }

  async #checkClosed(): Promise<void> {
    const { pool, oracle } = this;
    const { state } = pool;
    if (state.lifecycle !== 'closed') {
      throw new Error(`close does not end: ${JSON.stringify(state)}`);
    }
    if (this.#promises.size > 0) {
      this.problem(`after the end nothing has come of ${[...this.#promises].join(', ')}`);
    }
    if (this.#poolClock.pending > 0) {
      this.problem(`${this.#poolClock.pending} actions are pending after the end`);
    }
    const { length } = this.#events;
    await this.#advance(longRestMillis);
    await this.#settle();
    if (this.#events.length > length) this.problem('there were events after the end');
    if (oracle.live > 0) this.problem(`${oracle.live} are alive or being made after the end`);
    if (this.#budget !== undefined && this.#budget.out > 0) {
      this.problem(`${this.#budget.out} permits are not given back after the end`);
    }
    for (const problem of this.#budget?.problems ?? []) this.problem(problem);
    for (const borrower of this.#borrowers) borrower.checkEnd();
    this.#demand();
    const { maxWaiting, maxLifetimeMillis } = this.#plan.options;
    assertInvariants(pool, {
      states: this.#states,
      ...(this.#plan.heard
        ? {
            events: this.#events,
            maxWaiting,
            maxLifetimeMillis,
            fifo: !hasPriorities(this.#plan.operations),
          }
        : undefined),
    });
  }

  /** Fails with all that is wrong by now. */
  #demand(): void {
    const wrong = [...this.oracle.violations, ...this.#problems];
    for (const delay of this.#time.overflows) wrong.push(`a timer was asked for ${delay} ms`);
    if (wrong.length > 0) throw new Error(wrong.join('; '));
  }

  // ── The pool ──────────────────────────────────────────────────────────────────────────────────────────────────

  #makePool(): Pool<OracleResource> {
    const { validate, reset, watch, order, permits, ...rest } = this.#plan.options;
    const { hooks } = this.oracle;
    const world = this.#world;
    return createPool<OracleResource>({
      ...rest,
      name: 'simulated',
      order: order === 'leastUsed' ? byUses : order,
      create: hooks.create,
      destroy: hooks.destroy,
      validate: validate ? hooks.validate : undefined,
      reset: reset ? hooks.reset : undefined,
      watch: watch ? resource => world.watch(resource) : undefined,
      permits: permits === Infinity ? undefined : this.#budget,
      scheduler: this.#poolClock,
    });
  }

  #listen(): void {
    const { pool } = this;
    if (this.#reactions.size > 0) {
      // First of all subscribers, so that the others must still hear everything in its order.
      pool.stats$.subscribe(({ type }) => this.#react(type));
    }
    pool.state$.subscribe(state => {
      this.stir();
      this.#states.push(state);
      this.#checkWithin(state);
    });
    if (this.#plan.heard) pool.stats$.subscribe(event => this.#hearEvent(event));
  }

  #react(on: Occasion): void {
    const nth = (this.#counts.get(on) ?? 0) + 1;
    this.#counts.set(on, nth);
    const reaction = this.#reactions.get(`${on} ${nth}`);
    if (reaction !== undefined) this.perform(reaction);
  }

  #hearEvent(event: PoolEvent): void {
    this.stir();
    this.#events.push(event);
    this.#log(() => `${'  '.repeat(this.#depth + 2)}· ${nameEvent(event)}`);
    if ('requestId' in event) this.#checkTurn(event);
    switch (event.type) {
      case 'created':
        this.#createdAt.set(event.id, event.at);
        this.#idleSince.set(event.id, event.at);
        break;
      case 'validated':
        this.#unchecked.delete(event.id);
        break;
      case 'acquired':
        this.#checkLent(event.id);
        break;
      case 'released':
      case 'reset':
        this.#idleSince.set(event.id, event.at);
        break;
      case 'evicted':
        this.#checkEviction(event);
        break;
      case 'validateFailed':
      case 'resetFailed':
      case 'createFailed':
      case 'destroyFailed':
        this.#checkGivenUp(event.type, event.error);
        break;
      default:
    }
  }

  #checkEviction(event: Extract<PoolEvent, { type: 'evicted' }>): void {
    const { id, at, reason, state } = event;
    const { idleTimeoutMillis, maxLifetimeMillis, lifetimeJitter } = this.#plan.options;
    const idle = at - (this.#idleSince.get(id) ?? 0);
    const age = at - (this.#createdAt.get(id) ?? 0);
    if (reason === 'idle' && idle < idleTimeoutMillis) {
      this.problem(`resource ${id} is evicted after idling for ${idle} ms`);
    }
    if (reason === 'idle' && state.size - state.destroying < state.min) {
      this.problem(`resource ${id} is evicted for idling, below a min of ${state.min}`);
    }
    if (reason === 'lifetime' && age < maxLifetimeMillis * (1 - lifetimeJitter)) {
      this.problem(`resource ${id} is evicted at an age of ${age} ms`);
    }
  }

  /** Lower priorities go first, and within one whoever came first. */
  #checkTurn({ type, requestId, label }: Extract<PoolEvent, { requestId: number }>): void {
    const open = this.#priorities;
    if (type === 'requested') {
      open.set(requestId, label === undefined ? 0 : Number(label));
      return;
    }
    const own = open.get(requestId);
    open.delete(requestId);
    if (type !== 'acquired' || own === undefined) return;
    for (const [other, priority] of open) {
      if (priority > own || (priority === own && other > requestId)) continue;
      this.problem(`request ${requestId} is served while request ${other} waits`);
    }
  }

  #checkLent(id: number): void {
    const { validate, validateOnBorrow, validateAfterIdleMillis } = this.#plan.options;
    if (!validate || !validateOnBorrow || validateAfterIdleMillis > 0) return;
    if (this.#unchecked.has(id)) this.problem(`resource ${id} is lent again without a check`);
    this.#unchecked.add(id);
  }

  #checkGivenUp(type: string, error: unknown): void {
    if (!(error instanceof HookTimeoutError)) return;
    this.#isExact = false;
    if (!this.#mayGiveUp) this.problem(`${type}: ${error.message}`);
  }

  #log(line: () => string): void {
    if (this.#isTraced) this.trace.push(`${String(this.#time.frame).padStart(6)}  ${line()}`);
  }
}

/** Whether hooks may outlast their limits: then the pool goes on without them. */
function mayGiveUp({ options, hooks, operations }: Plan): boolean {
  const limits = {
    create: options.createTimeoutMillis,
    validate: options.validateTimeoutMillis,
    reset: options.resetTimeoutMillis,
    destroy: options.destroyTimeoutMillis,
  };
  for (const hook of ['create', 'validate', 'reset', 'destroy'] as const) {
    const { never, longestMillis } = hooks[hook];
    if (never > 0 || longestMillis >= limits[hook]) return true;
  }
  const flat = operations.flatMap(each => (each.do === 'together' ? each.operations : [each]));
  if (flat.some(each => each.do === 'freeze' || each.do === 'jump')) return true;
  // A request that runs out of time takes its check with it.
  const isLimited =
    options.acquireTimeoutMillis !== Infinity ||
    flat.some(each => each.do === 'arrive' && each.timeoutMillis !== undefined) ||
    hooks.reenter > 0;
  return options.validate && isLimited;
}

function hasPriorities(operations: readonly Operation[]): boolean {
  return operations.some(
    operation =>
      (operation.do === 'arrive' && operation.priority !== undefined) ||
      (operation.do === 'together' && hasPriorities(operation.operations)),
  );
}

function at<Item>(items: readonly Item[], index: number): Item | undefined {
  return items[index % items.length];
}

function byUses(a: ResourceInfo, b: ResourceInfo): number {
  return a.uses - b.uses;
}

/** An operation in one line. */
export function describe(operation: Operation): string {
  const { do: name, ...facts } = operation;
  return `${name} ${Object.entries(facts)
    .map(([key, value]) => `${key}: ${show(value)}`)
    .join(', ')}`.trimEnd();
}

/** As JSON, but with the values that JSON does not know. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, each]) => `${key}: ${show(each)}`)
      .join(', ')} }`;
  }
  return typeof value === 'string' ? `'${value}'` : String(value);
}
