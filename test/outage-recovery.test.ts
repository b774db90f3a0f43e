import {
  delay,
  mergeMap,
  NEVER,
  Observable,
  of,
  Subject,
  throwError,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createPool,
  InvalidOptionsError,
  type Permit,
  type PermitSource,
  type Pool,
  type PoolEvent,
  type PoolOptions,
} from '../src/index.js';
import {
  outageRecovery,
  type OutageRecoveryOptions,
  type RecoveryEvent,
} from '../src/recovery/index.js';
import { assertInvariants } from '../src/testing/index.js';
import { VirtualClock } from './virtual-clock.js';

const refused = new Error('connection refused');

/** What pools connect to: it can be away, and takes its time when it is there. */
class Server {
  isUp = true;
  hangs = false;
  error: unknown = refused;
  creates = 0;
  readonly createdAt: number[] = [];
  readonly #clock: VirtualClock;
  readonly #broken = new Map<object, Subject<void>>();

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  connect(): Observable<object> {
    this.creates += 1;
    this.createdAt.push(this.#clock.now);
    if (this.hangs) return NEVER;
    if (!this.isUp) {
      return timer(5, this.#clock.scheduler).pipe(mergeMap(() => throwError(() => this.error)));
    }
    const connection = {};
    this.#broken.set(connection, new Subject());
    return of(connection).pipe(delay(20, this.#clock.scheduler));
  }

  watch(connection: object): Observable<unknown> {
    return this.#broken.get(connection) as Subject<void>;
  }

  crash(): void {
    this.isUp = false;
    this.breakSome(this.#broken.size);
  }

  breakSome(count: number): void {
    for (const [connection, broken] of [...this.#broken].slice(0, count)) {
      this.#broken.delete(connection);
      broken.next();
    }
  }
}

interface Scene {
  readonly server: Server;
  readonly pool: Pool<object>;
  readonly events: PoolEvent<object>[];
}

let clock: VirtualClock;
let scenes: Scene[] = [];

beforeEach(() => {
  clock = new VirtualClock();
  scenes = [];
  // Exact pauses: the share that jitter takes away is what a test asks for.
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(async () => {
  for (const { pool, events } of scenes) {
    const closed = pool.close({ force: true }).catch(() => undefined);
    await clock.pass(60_000);
    await closed;
    assertInvariants(pool, { events });
  }
  vi.restoreAllMocks();
});

function open(options: Partial<PoolOptions<object>> = {}, server = new Server(clock)): Scene {
  const pool = createPool<object>({
    create: () => server.connect(),
    watch: connection => server.watch(connection),
    name: 'database',
    scheduler: clock.scheduler,
    idleTimeoutMillis: Infinity,
    ...options,
  });
  const events: PoolEvent<object>[] = [];
  pool.stats$.subscribe(event => events.push(event));
  const scene = { server, pool, events };
  scenes.push(scene);
  return scene;
}

/** A pool with a recovery before it. */
function openWithRecovery(
  options: OutageRecoveryOptions = {},
  poolOptions: Partial<PoolOptions<object>> = {},
) {
  const recovery = outageRecovery({ scheduler: clock.scheduler, ...options });
  const steps: RecoveryEvent[] = [];
  const states: string[] = [];
  recovery.events$.subscribe(step => steps.push(step));
  recovery.state$.subscribe(state => states.push(state));
  const scene = open({ permits: recovery, ...poolOptions });
  const attached = recovery.attach(scene.pool);
  return { ...scene, recovery, steps, states, attached };
}

/** So many borrowers that hold what they get for so long. */
function borrow(pool: Pool<object>, count: number, holdMillis = 10) {
  const outcome = { served: 0, failed: 0 };
  for (let index = 0; index < count; index += 1) {
    pool
      .use(() => timer(holdMillis, clock.scheduler))
      .subscribe({
        next: () => {
          outcome.served += 1;
        },
        error: () => {
          outcome.failed += 1;
        },
      });
  }
  return outcome;
}

/** Fills the pool, and takes the server away under it. */
async function crashFull({ pool, server }: Scene, size = pool.state.max): Promise<void> {
  void pool.prefill(size);
  await clock.pass(100);
  expect(pool.state.idle).toBe(size);
  server.crash();
  server.creates = 0;
  server.createdAt.length = 0;
}

const typesOf = (steps: readonly RecoveryEvent[]): string[] => steps.map(({ type }) => type);

describe('an outage', () => {
  it('fails few borrowers and creates with a recovery, and without it every borrower', async () => {
    const plain = open({ max: 20 });
    const held = openWithRecovery({}, { max: 20 });
    for (const scene of [plain, held]) await crashFull(scene);
    const without = borrow(plain.pool, 200);
    const withIt = borrow(held.pool, 200);
    await clock.pass(5_000);
    for (const { server } of [plain, held]) server.isUp = true;
    await clock.pass(20_000);

    expect(without).toEqual({ served: 0, failed: 200 });
    expect(plain.server.creates).toBe(200);
    // Probes after 250, 500, 1,000, 2,000 ms found nobody; each failed whoever had waited longest.
    expect(withIt).toEqual({ served: 196, failed: 4 });
    expect(held.server.creates).toBeLessThan(20);
    expect(held.recovery.state).toBe('up');
  });

  it('begins with a burst of breaks: one bump of the generation, and no create before the probe', async () => {
    const scene = openWithRecovery({}, { max: 8, min: 8 });
    await crashFull(scene, 8);
    expect(scene.steps).toMatchObject([
      {
        type: 'down',
        reason: 'resourcesBroke',
        count: 4,
        nextProbeMillis: 250,
        state: 'down',
        pool: 'database',
      },
    ]);
    // What was not broken yet is retired by the bump, and none is lent any more.
    expect(scene.pool.stats.recycled).toBe(4);
    // The first four to break were replaced at once, before it was a burst; they fail, and are no probes.
    expect(scene.pool.state).toMatchObject({ size: 0, creating: 4 });
    await clock.pass(249);
    expect(scene.server.creates).toBe(0);
    await clock.pass(1);
    expect(scene.server.creates).toBe(1);
    expect(typesOf(scene.steps)).toEqual(['down', 'probing']);
  });

  it('begins when as many creates as the threshold have failed in a row, and not one before', async () => {
    const scene = openWithRecovery({ failureThreshold: 4 }, { max: 1 });
    scene.server.isUp = false;
    const outcome = borrow(scene.pool, 10);
    await clock.pass(19);
    expect(scene.recovery.state).toBe('up');
    await clock.pass(1);
    expect(scene.recovery.state).toBe('down');
    expect(scene.steps).toMatchObject([{ type: 'down', reason: 'createsFailed', count: 4 }]);
    expect(scene.steps[0]).toHaveProperty('error', refused);
    expect(outcome.failed).toBe(4);
  });

  it('does not begin where creates fail now and then', async () => {
    const scene = openWithRecovery({ failureThreshold: 2 }, { max: 1, maxUses: 1 });
    for (let round = 0; round < 5; round += 1) {
      scene.server.isUp = false;
      borrow(scene.pool, 1);
      await clock.pass(50);
      scene.server.isUp = true;
      borrow(scene.pool, 1);
      await clock.pass(50);
    }
    expect(scene.pool.stats).toMatchObject({ created: 5, createFailed: 5 });
    expect(scene.steps).toEqual([]);
  });

  it('does not begin where a few of many resources break', async () => {
    const scene = openWithRecovery({}, { max: 10 });
    void scene.pool.prefill(10);
    await clock.pass(100);
    scene.server.breakSome(4);
    await clock.pass(1_000);
    scene.server.breakSome(2);
    await clock.pass(1_000);
    expect(scene.steps).toEqual([]);
    expect(scene.pool.state.size).toBe(4);
  });

  it('is not what an error means that the user says is none', async () => {
    const wrongPassword = new Error('password authentication failed');
    const scene = openWithRecovery({ isOutage: error => error !== wrongPassword }, { max: 2 });
    scene.server.isUp = false;
    scene.server.error = wrongPassword;
    const outcome = borrow(scene.pool, 20);
    await clock.pass(1_000);
    expect(outcome.failed).toBe(20);
    expect(scene.steps).toEqual([]);
  });

  it('is over for a probe that is refused for another reason: whoever refuses is there', async () => {
    const wrongPassword = new Error('password authentication failed');
    const scene = openWithRecovery({ isOutage: error => error === refused }, { max: 4 });
    await crashFull(scene);
    borrow(scene.pool, 4);
    scene.server.error = wrongPassword;
    await clock.pass(260);
    expect(typesOf(scene.steps)).toEqual(['down', 'probing', 'recovering']);
  });
});

describe('creates that are held', () => {
  it('are not creating: no create time-out runs, while the deadlines of requests do', async () => {
    const scene = openWithRecovery(
      { probeBaseMillis: 100_000, probeMaxMillis: 100_000 },
      { max: 4, createTimeoutMillis: 1_000, acquireTimeoutMillis: 5_000 },
    );
    await crashFull(scene);
    const outcome = borrow(scene.pool, 4);
    await clock.pass(4_999);
    expect(scene.pool.state).toMatchObject({ waiting: 4, creating: 0 });
    expect(outcome.failed).toBe(0);
    await clock.pass(1);
    expect(outcome.failed).toBe(4);
    expect(scene.pool.stats).toMatchObject({ timedOut: 4, createFailed: 0 });
    expect(scene.server.creates).toBe(0);
  });

  it('are withdrawn when nobody wants them any more', async () => {
    const scene = openWithRecovery({}, { max: 4, acquireTimeoutMillis: 100 });
    await crashFull(scene);
    borrow(scene.pool, 4);
    await clock.pass(60_000);
    expect(scene.server.creates).toBe(0);
    expect(scene.recovery.state).toBe('down');
  });

  it('wait for the probe that is due until somebody asks, who then is the probe', async () => {
    const scene = openWithRecovery({}, { max: 4 });
    await crashFull(scene);
    await clock.pass(60_000);
    expect(typesOf(scene.steps)).toEqual(['down']);
    scene.server.isUp = true;
    const outcome = borrow(scene.pool, 1);
    await clock.pass(30);
    expect(outcome.served).toBe(1);
    expect(typesOf(scene.steps)).toEqual(['down', 'probing', 'recovering']);
  });

  it('pass in pools that are not attached, and in those that were detached', async () => {
    const scene = openWithRecovery({}, { max: 4 });
    const stranger = open({ permits: scene.recovery, name: 'stranger' });
    await crashFull(scene);
    const outcome = borrow(stranger.pool, 1);
    await clock.pass(40);
    expect(outcome.served).toBe(1);
    expect(scene.recovery.state).toBe('down');

    scene.server.isUp = true;
    const own = borrow(scene.pool, 1);
    await clock.pass(40);
    expect(own.served).toBe(0);
    scene.attached.unsubscribe();
    await clock.pass(40);
    expect(own.served).toBe(1);
    expect(scene.recovery.state).toBe('up');
  });
});

describe('a probe', () => {
  it('is one at a time, after pauses that double up to their limit', async () => {
    const scene = openWithRecovery({ probeMaxMillis: 1_000 }, { max: 10 });
    await crashFull(scene);
    const outcome = borrow(scene.pool, 10);
    await clock.pass(5_000);
    const gaps = scene.server.createdAt.map((at, index, all) => at - (all[index - 1] ?? 100));
    // A failed probe takes 5 ms.
    expect(gaps).toEqual([250, 505, 1_005, 1_005, 1_005, 1_005]);
    expect(outcome.failed).toBe(6);
    expect(scene.steps.filter(({ type }) => type === 'probeFailed')).toHaveLength(6);
  });

  it('comes earlier by a random share of its pause', async () => {
    vi.mocked(Math.random).mockReturnValue(0.5);
    const scene = openWithRecovery({ jitter: 0.4 }, { max: 10 });
    await crashFull(scene);
    expect(scene.steps[0]).toMatchObject({ nextProbeMillis: 200 });
  });

  it('is for the floor of a pool before others, so that no borrower fails for it', async () => {
    const scene = openWithRecovery({}, { max: 10, min: 1 });
    await crashFull(scene);
    // The pool asks for its floor again when its own pause is over.
    await clock.pass(200);
    const outcome = borrow(scene.pool, 10);
    await clock.pass(60);
    expect(typesOf(scene.steps)).toEqual(['down', 'probing', 'probeFailed']);
    expect(outcome.failed).toBe(0);
  });

  it('goes to the next when its borrower has left without a create', async () => {
    const budget = new SlowBudget();
    const scene = openWithRecovery({ permits: budget }, { max: 4 });
    const other = open({ permits: scene.recovery, name: 'other' }, scene.server);
    scene.recovery.attach(other.pool);
    budget.isSlow = false;
    await crashFull(scene);
    budget.isSlow = true;
    const first = scene.pool.acquire().subscribe();
    const outcome = borrow(other.pool, 1);
    scene.server.isUp = true;
    await clock.pass(250);
    expect(scene.steps.at(-1)).toMatchObject({ type: 'probing', pool: 'database', attempt: 1 });
    expect(budget.asks).toBe(1);
    // It leaves while the budget behind lets the probe wait.
    first.unsubscribe();
    await clock.pass(1);
    expect(scene.steps.at(-1)).toMatchObject({ type: 'probing', pool: 'other', attempt: 1 });
    budget.give();
    await clock.pass(30);
    expect(typesOf(scene.steps)).toContain('recovering');
    expect(outcome.served).toBe(1);
  });

  it('is given up with its pool, and the next is of another', async () => {
    const recovery = outageRecovery({ scheduler: clock.scheduler });
    const server = new Server(clock);
    const [one, other] = ['one', 'other'].map(name =>
      open({ permits: recovery, name, max: 4, min: name === 'one' ? 1 : 0 }, server),
    ) as [Scene, Scene];
    for (const { pool } of [one, other]) recovery.attach(pool);
    void one.pool.prefill(4);
    await crashFull(other);
    const outcome = borrow(other.pool, 4);
    server.hangs = true;
    const steps: RecoveryEvent[] = [];
    recovery.events$.subscribe(step => steps.push(step));
    await clock.pass(1_000);
    expect(steps).toMatchObject([{ type: 'probing', pool: 'one' }]);
    server.hangs = false;
    server.isUp = true;
    void one.pool.close({ force: true }).catch(() => undefined);
    await clock.pass(5_000);
    expect(steps[1]).toMatchObject({ type: 'probing', pool: 'other' });
    expect(outcome.served).toBe(4);
  });
});

describe('the refill', () => {
  it('lets creates through one by one at the rate, then ends the outage', async () => {
    const scene = openWithRecovery({ refillPerSecond: 20 }, { max: 6 });
    await crashFull(scene);
    borrow(scene.pool, 20, 1_000);
    scene.server.isUp = true;
    await clock.pass(250);
    expect(scene.recovery.state).toBe('down');
    await clock.pass(20);
    expect(scene.recovery.state).toBe('recovering');
    await clock.pass(2_000);
    const gaps = scene.server.createdAt.map((at, index, all) => at - (all[index - 1] ?? 100));
    expect(gaps).toEqual([250, 70, 50, 50, 50, 50]);
    expect(scene.steps.at(-1)).toMatchObject({ type: 'up', refilled: 5, downMillis: 570 });
    expect(scene.states).toEqual(['up', 'down', 'recovering', 'up']);
  });

  it('waits longer by a random share, never less', async () => {
    vi.mocked(Math.random).mockReturnValue(0.5);
    const scene = openWithRecovery({ refillPerSecond: 20, jitter: 0.5 }, { max: 4 });
    await crashFull(scene);
    borrow(scene.pool, 20, 10_000);
    scene.server.isUp = true;
    await clock.pass(2_000);
    const gaps = scene.server.createdAt.map((at, index, all) => at - (all[index - 1] ?? 100));
    // 50 ms, longer by half of a half; the first counts from the end of the probe's create.
    expect(gaps).toEqual([188, 20 + 63, 63, 63]);
  });

  it('ends when as many were let through as the pools may hold', async () => {
    const scene = openWithRecovery({ refillPerSecond: 100 }, { max: 3, maxUses: 1 });
    await crashFull(scene);
    const outcome = borrow(scene.pool, 500, 1);
    scene.server.isUp = true;
    await clock.pass(4_000);
    expect(scene.steps.at(-1)).toMatchObject({ type: 'up', refilled: 3 });
    expect(outcome.served).toBeGreaterThan(250);
  });

  it('stops at the first create that fails, and goes on with longer pauses, without a second bump', async () => {
    const scene = openWithRecovery({}, { max: 6 });
    await crashFull(scene);
    borrow(scene.pool, 20, 60_000);
    scene.server.isUp = true;
    await clock.pass(300);
    expect(scene.recovery.state).toBe('recovering');
    scene.server.isUp = false;
    await clock.pass(200);
    expect(typesOf(scene.steps)).toEqual(['down', 'probing', 'recovering', 'relapsed']);
    expect(scene.steps.at(-1)).toMatchObject({ nextProbeMillis: 500, error: refused });
    // The one that the first probe made is lent still, and not retired.
    expect(scene.pool.state.leased).toBe(1);
    expect(scene.pool.resources().filter(({ stale }) => stale)).toEqual([]);
    scene.server.isUp = true;
    await clock.pass(3_000);
    expect(scene.recovery.state).toBe('up');
  });

  it('takes no notice of creates that were begun before the outage and end in it', async () => {
    const scene = openWithRecovery({}, { max: 10, createTimeoutMillis: 400 });
    const { pool } = scene;
    scene.server.hangs = true;
    borrow(pool, 2, 60_000);
    await clock.pass(100);
    scene.server.hangs = false;
    scene.server.isUp = false;
    borrow(pool, 8, 60_000);
    await clock.pass(6);
    expect(scene.recovery.state).toBe('down');
    borrow(pool, 4, 60_000);
    scene.server.isUp = true;
    await clock.pass(280);
    expect(scene.recovery.state).toBe('recovering');
    // Now the two time out; they hung in the outage, and say nothing of the server of now.
    await clock.pass(200);
    expect(pool.stats.createFailed).toBe(10);
    expect(typesOf(scene.steps)).not.toContain('relapsed');
  });
});

/** A budget that answers when it is told to. */
class SlowBudget implements PermitSource {
  isSlow = true;
  asks = 0;
  out = 0;
  readonly #waiting = new Set<() => void>();

  acquire(): Observable<Permit> {
    return new Observable(subscriber => {
      const permit: Permit = {
        release: () => {
          this.out -= 1;
        },
      };
      const give = (): void => {
        this.#waiting.delete(give);
        this.out += 1;
        subscriber.next(permit);
        subscriber.complete();
      };
      if (!this.isSlow) {
        give();
        return undefined;
      }
      this.asks += 1;
      this.#waiting.add(give);
      return () => {
        this.#waiting.delete(give);
      };
    });
  }

  give(): void {
    for (const give of [...this.#waiting]) give();
  }
}

describe('a budget behind the recovery', () => {
  it('is asked for what passes, with the request as the pool made it', async () => {
    const requests: unknown[] = [];
    const budget: PermitSource = {
      acquire: request => {
        requests.push(request);
        return of({ release: () => undefined });
      },
    };
    const { pool } = openWithRecovery({ permits: budget }, { min: 1 });
    await clock.pass(10);
    borrow(pool, 2);
    await clock.pass(10);
    expect(requests).toEqual([
      { pool: 'database', floor: true },
      { pool: 'database', floor: false },
    ]);
  });

  it('keeps its say: recall and loss of a permit reach the pool', async () => {
    const lost = new Subject<void>();
    let recalled = false;
    const budget: PermitSource = {
      acquire: () => of({ release: () => undefined, recall: () => recalled, lost }),
    };
    const { pool, events } = openWithRecovery({ permits: budget });
    void pool.prefill(2);
    await clock.pass(50);
    lost.next();
    expect(events.filter(({ type }) => type === 'permitLost')).toHaveLength(2);
    void pool.prefill(1);
    await clock.pass(50);
    recalled = true;
    void pool.evict();
    await clock.pass(1);
    expect(pool.state.size).toBe(0);
  });

  it('gets a permit back that it gives in an outage, and is asked again after it', async () => {
    const budget = new SlowBudget();
    const scene = openWithRecovery({ permits: budget }, { max: 5 });
    budget.isSlow = false;
    void scene.pool.prefill(4);
    await clock.pass(100);
    budget.isSlow = true;
    // All four are lent, so that one more has to ask.
    borrow(scene.pool, 4, 1_000);
    const outcome = borrow(scene.pool, 1);
    expect(budget.asks).toBe(1);
    scene.server.crash();
    expect(scene.recovery.state).toBe('down');
    budget.give();
    expect(budget.out).toBe(4);
    expect(scene.server.creates).toBe(4);
    scene.server.isUp = true;
    budget.isSlow = false;
    await clock.pass(300);
    expect(outcome.served).toBe(1);
  });

  it('fails a create by its error, as if it were asked alone', async () => {
    const away = new Error('the budget is away');
    const { pool } = openWithRecovery({ permits: { acquire: () => throwError(() => away) } });
    const errors: unknown[] = [];
    pool.acquire().subscribe({ error: (error: unknown) => errors.push(error) });
    await clock.pass(1);
    expect(errors).toMatchObject([{ code: 'CREATE_FAILED', cause: away }]);
  });
});

describe('many processes after one outage', () => {
  it('come back spread over time', async () => {
    vi.mocked(Math.random).mockRestore();
    const server = new Server(clock);
    const all = Array.from({ length: 50 }, (_, index) => {
      const recovery = outageRecovery({ scheduler: clock.scheduler });
      const scene = open({ permits: recovery, max: 4, name: `pool-${index}` }, server);
      recovery.attach(scene.pool);
      void scene.pool.prefill(4);
      return scene;
    });
    await clock.pass(100);
    server.crash();
    server.createdAt.length = 0;
    for (const { pool } of all) borrow(pool, 20);
    server.isUp = true;
    await clock.pass(20_000);
    const perInstant = new Map<number, number>();
    for (const at of server.createdAt) perInstant.set(at, (perInstant.get(at) ?? 0) + 1);
    expect(Math.max(...perInstant.values())).toBeLessThanOrEqual(8);
  });
});

describe('the handling of what users give', () => {
  it('refuses options that make no sense, by name', () => {
    const refusedOptions: [OutageRecoveryOptions, string][] = [
      [{ failureThreshold: 0 }, 'failureThreshold'],
      [{ probeBaseMillis: 0 }, 'probeBaseMillis'],
      [{ probeBaseMillis: 10, probeMaxMillis: 5 }, 'probeBaseMillis'],
      [{ probeFactor: 0.5 }, 'probeFactor'],
      [{ refillPerSecond: 0 }, 'refillPerSecond'],
      [{ jitter: 2 }, 'jitter'],
      [{ burstMillis: NaN }, 'burstMillis'],
      [{ permits: {} as PermitSource }, 'permits'],
      [{ scheduler: {} as SchedulerLike }, 'scheduler'],
      [{ isOutage: true as never }, 'isOutage'],
      [{ treshold: 3 } as OutageRecoveryOptions, 'treshold'],
    ];
    for (const [options, option] of refusedOptions) {
      expect(() => outageRecovery(options)).toThrow(InvalidOptionsError);
      expect(() => outageRecovery(options)).toThrow(`"${option}"`);
    }
    expect(() => outageRecovery({ jitter: undefined })).not.toThrow();
  });

  it('tells steps in one order, also to a subscriber that makes the next one happen', async () => {
    const scene = openWithRecovery({}, { max: 4 });
    const seen: string[] = [];
    scene.recovery.events$.subscribe(({ type }) => {
      if (type === 'down') scene.attached.unsubscribe();
    });
    scene.recovery.events$.subscribe(({ type, state }) => {
      seen.push(`${type} ${state}`);
    });
    await crashFull(scene);
    expect(seen).toEqual(['down down', 'up up']);
  });
});
