import {
  BehaviorSubject,
  concat,
  defer,
  EMPTY,
  NEVER,
  of,
  retry,
  skip,
  Subject,
  throwError,
  timer,
  VirtualTimeScheduler,
  type Observable,
} from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  backoff,
  circuitBreaker,
  CircuitOpenError,
  createPool,
  CreateError,
  InvalidOptionsError,
  PoolError,
  type CircuitBreakerOptions,
  type CircuitState,
  type CreateContext,
} from '../src/index.js';
import { marbles } from './marbles.js';

/** A breaker around a create whose outcome the test decides call by call, and what came of it. */
function guarded(options: CircuitBreakerOptions = {}) {
  const scheduler = new VirtualTimeScheduler();
  const breaker = circuitBreaker({
    failureThreshold: 2,
    resetTimeoutMillis: 100,
    scheduler,
    ...options,
  });
  const states: CircuitState[] = [];
  breaker.state$.subscribe(state => states.push(state));
  let calls = 0;
  const controller = new AbortController();
  const context: CreateContext = { signal: controller.signal, pool: 'db' };
  return {
    breaker,
    scheduler,
    states,
    context,
    controller,
    get calls() {
      return calls;
    },
    call<R>(outcome: () => R): R {
      return breaker(() => {
        calls += 1;
        return outcome();
      })(context);
    },
    /** Lets time pass, up to and including what is due then. */
    advance(millis: number): void {
      scheduler.maxFrames = scheduler.frame + millis;
      scheduler.schedule(() => undefined, millis);
      scheduler.flush();
    },
  };
}

const down = new Error('down');
const fail = (): never => {
  throw down;
};

function failTimes(circuit: ReturnType<typeof guarded>, times: number): void {
  for (let index = 0; index < times; index += 1) expect(() => circuit.call(fail)).toThrow(down);
}

describe('circuitBreaker', () => {
  it('is closed at first, and passes on what the create gives', () => {
    const circuit = guarded();

    expect(circuit.breaker.state).toBe('closed');
    expect(circuit.call(() => 'db')).toBe('db');
    expect(circuit.states).toEqual(['closed']);
  });

  it('opens at the failure that reaches the threshold, and then refuses without calling create', () => {
    const circuit = guarded({ failureThreshold: 3 });
    failTimes(circuit, 2);
    expect(circuit.breaker.state).toBe('closed');
    failTimes(circuit, 1);

    expect(circuit.breaker.state).toBe('open');
    expect(() => circuit.call(() => 'db')).toThrow(CircuitOpenError);
    expect(circuit.calls).toBe(3);
  });

  it('a success between failures starts the count anew', () => {
    const circuit = guarded({ failureThreshold: 2 });
    failTimes(circuit, 1);
    circuit.call(() => 'db');
    failTimes(circuit, 1);

    expect(circuit.breaker.state).toBe('closed');
  });

  it('the refusal says when, for which pool and why', () => {
    const circuit = guarded();
    circuit.advance(7);
    failTimes(circuit, 2);
    let refusal: unknown;
    try {
      circuit.call(() => 'db');
    } catch (error) {
      refusal = error;
    }

    expect(refusal).toBeInstanceOf(PoolError);
    expect(refusal).toMatchObject({
      name: 'CircuitOpenError',
      code: 'CIRCUIT_OPEN',
      pool: 'db',
      retryAt: 107,
      cause: down,
    });
    expect(String(refusal)).toContain('107');
  });

  it('moves to half-open by itself, at its frame, without any call', () => {
    const circuit = guarded();
    failTimes(circuit, 2);
    circuit.advance(99);
    expect(circuit.states).toEqual(['closed', 'open']);
    circuit.advance(1);

    expect(circuit.states).toEqual(['closed', 'open', 'halfOpen']);
    expect(circuit.breaker.state).toBe('halfOpen');
  });

  it('half-open lets one probe through and refuses the others until it has ended', () => {
    const circuit = guarded();
    failTimes(circuit, 2);
    circuit.advance(100);
    const probe = new Subject<string>();
    (circuit.call(() => probe) as Observable<string>).subscribe();

    expect(() => circuit.call(() => 'db')).toThrow(CircuitOpenError);
    probe.next('db');
    expect(circuit.breaker.state).toBe('closed');
    expect(circuit.call(() => 'db')).toBe('db');
  });

  it('a probe that fails opens the circuit again for the whole time', () => {
    const circuit = guarded();
    failTimes(circuit, 2);
    circuit.advance(100);
    failTimes(circuit, 1);
    expect(circuit.breaker.state).toBe('open');
    circuit.advance(99);
    expect(circuit.breaker.state).toBe('open');
    circuit.advance(1);

    expect(circuit.states).toEqual(['closed', 'open', 'halfOpen', 'open', 'halfOpen']);
  });

  it('after a probe that succeeds the full threshold holds again', () => {
    const circuit = guarded();
    failTimes(circuit, 2);
    circuit.advance(100);
    circuit.call(() => 'db');
    failTimes(circuit, 1);
    expect(circuit.breaker.state).toBe('closed');
    failTimes(circuit, 1);

    expect(circuit.states).toEqual(['closed', 'open', 'halfOpen', 'closed', 'open']);
  });

  it('a call that comes before a late timer half-opens the circuit itself', () => {
    const circuit = guarded();
    let now = 0;
    vi.spyOn(circuit.scheduler, 'now').mockImplementation(() => now);
    failTimes(circuit, 2);
    now = 100;

    expect(circuit.call(() => 'db')).toBe('db');
    expect(circuit.states).toEqual(['closed', 'open', 'halfOpen', 'closed']);
  });

  it('what an attempt from before the circuit opened comes to is ignored', () => {
    const circuit = guarded();
    const early = new Subject<string>();
    const tooLate = new Subject<string>();
    circuit.call(() => early).subscribe();
    circuit.call(() => tooLate).subscribe({ error: () => undefined });
    failTimes(circuit, 2);
    early.next('db');
    expect(circuit.breaker.state).toBe('open');
    circuit.advance(100);
    tooLate.error(down);

    expect(circuit.breaker.state).toBe('halfOpen');
  });

  it('counts rejections, errors, and ends without a resource, and passes each on as it was', async () => {
    const rejecting = guarded({ failureThreshold: 1 });
    await expect(rejecting.call(() => Promise.reject(down))).rejects.toBe(down);
    expect(rejecting.breaker.state).toBe('open');

    const erring = guarded({ failureThreshold: 1 });
    const errors: unknown[] = [];
    erring
      .call(() => throwError(() => down))
      .subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toEqual([down]);
    expect(erring.breaker.state).toBe('open');

    const empty = guarded({ failureThreshold: 1 });
    empty.call(() => EMPTY).subscribe();
    expect(empty.breaker.state).toBe('open');

    const nothing = guarded({ failureThreshold: 1 });
    expect(nothing.call(() => null)).toBe(null);
    expect(nothing.breaker.state).toBe('open');

    const hostile = guarded({ failureThreshold: 1 });
    const trap = () =>
      Object.defineProperty({}, 'then', {
        get: () => {
          throw down;
        },
      });
    expect(() => hostile.call(trap)).toThrow(down);
    expect(hostile.breaker.state).toBe('open');
  });

  it('gives a promise or a plain value untouched', () => {
    const circuit = guarded();
    const promise = Promise.resolve('db');

    expect(circuit.call(() => promise)).toBe(promise);
    expect(circuit.call(() => 0)).toBe(0);
  });

  it('an Observable is an attempt for each subscription: a retry over it is refused once the circuit opens', () => {
    const circuit = guarded({ failureThreshold: 2 });
    let subscriptions = 0;
    const errors: unknown[] = [];
    circuit
      .call(() =>
        defer(() => {
          subscriptions += 1;
          return throwError(() => down);
        }),
      )
      .pipe(retry(5))
      .subscribe({ error: (error: unknown) => errors.push(error) });

    expect(subscriptions).toBe(2);
    expect(errors[0]).toBeInstanceOf(CircuitOpenError);
  });

  it('an Observable that is never subscribed keeps no probe', () => {
    const circuit = guarded();
    failTimes(circuit, 2);
    circuit.advance(100);
    circuit.call(() => of('never asked for'));

    expect(circuit.call(() => 'db')).toBe('db');
    expect(circuit.breaker.state).toBe('closed');
  });

  it('a resource that breaks later is no failed create', () => {
    const circuit = guarded({ failureThreshold: 1 });
    const broken = new Subject<never>();
    const errors: unknown[] = [];
    circuit
      .call(() => concat(of('db'), broken))
      .subscribe({ error: (error: unknown) => errors.push(error) });
    broken.error(down);

    expect(errors).toEqual([down]);
    expect(circuit.breaker.state).toBe('closed');
  });

  it('a probe that is given up decides nothing, and the next call is the probe', () => {
    const circuit = guarded();
    failTimes(circuit, 2);
    circuit.advance(100);
    circuit
      .call(() => NEVER)
      .subscribe()
      .unsubscribe();
    expect(circuit.breaker.state).toBe('halfOpen');

    void circuit.call(() => new Promise<string>(() => undefined));
    circuit.controller.abort(new Error('the pool closes'));
    expect(circuit.breaker.state).toBe('halfOpen');
    expect(circuit.call(() => 'db')).toBe('db');
  });

  it('attempts leave no listener on the signal of the create', () => {
    const circuit = guarded();
    const added = vi.spyOn(circuit.context.signal, 'addEventListener');
    const removed = vi.spyOn(circuit.context.signal, 'removeEventListener');
    circuit.call(() => 'db');
    circuit.call(() => of('db')).subscribe();
    failTimes(circuit, 1);

    expect(added.mock.calls.length).toBeGreaterThanOrEqual(3);
    expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(
      added.mock.calls.map(([, listener]) => listener),
    );
  });

  it('one breaker guards several creates with one count', () => {
    const circuit = guarded({ failureThreshold: 2 });
    const primary = circuit.breaker(fail);
    const replica = circuit.breaker(() => 'replica');
    expect(() => primary(circuit.context)).toThrow(down);
    expect(() => primary(circuit.context)).toThrow(down);

    expect(() => replica(circuit.context)).toThrow(CircuitOpenError);
  });

  it('state$ replays the latest state, never ends, and shows all subscribers one order', () => {
    const circuit = guarded({ failureThreshold: 1 });
    const later: CircuitState[] = [];
    // Fails the probe within the notification of half-open: the second subscriber must not see 'open' before that.
    circuit.breaker.state$.subscribe(state => {
      if (state === 'halfOpen' && circuit.calls < 2) failTimes(circuit, 1);
    });
    failTimes(circuit, 1);
    circuit.breaker.state$.subscribe(state => later.push(state));
    circuit.advance(100);

    expect(later).toEqual(['open', 'halfOpen', 'open']);
    expect(circuit.states).toEqual(['closed', 'open', 'halfOpen', 'open']);
    expect(circuit.breaker.state$).not.toBeInstanceOf(BehaviorSubject);
  });

  it('its timer is not what keeps a process alive', () => {
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length;
    const before = timers();
    const breaker = circuitBreaker({ failureThreshold: 1 });
    expect(() => breaker(fail)({ signal: new AbortController().signal, pool: 'db' })).toThrow(down);

    expect(breaker.state).toBe('open');
    expect(timers()).toBe(before);
  });
});

describe('circuitBreaker in a pool', () => {
  it(
    'spares a server that is down, and serves again after one probe',
    marbles(m => {
      const attempts: number[] = [];
      const connect = () => {
        attempts.push(m.scheduler.now());
        return m.scheduler.now() < 150 ? throwError(() => down) : of('db');
      };
      const breaker = circuitBreaker({ failureThreshold: 2, resetTimeoutMillis: 100 });
      const pool = createPool({ create: breaker(connect), idleTimeoutMillis: Infinity });
      const errors: unknown[] = [];
      for (const at of [0, 10, 20, 110, 120, 210]) {
        timer(at).subscribe(() => {
          pool.use(db => db).subscribe({ error: (error: unknown) => errors.push(error) });
        });
      }
      m.expect(breaker.state$.pipe(skip(1)), '500ms !').toBeObservable(
        '10ms a 99ms (ba) 96ms (bc)',
        { a: 'open', b: 'halfOpen', c: 'closed' },
      );
      m.flush();

      expect(attempts).toEqual([0, 10, 110, 210]);
      expect(errors).toHaveLength(5);
      expect(errors.every(error => error instanceof CreateError)).toBe(true);
      expect(errors.map(error => (error as CreateError).cause instanceof CircuitOpenError)).toEqual(
        [false, false, true, false, true],
      );
    }),
  );

  it('takes the scheduler of the pool whose create comes first, where none is given', () => {
    const scheduler = new VirtualTimeScheduler();
    const breaker = circuitBreaker({ failureThreshold: 1, resetTimeoutMillis: 100 });
    const pool = createPool({ create: breaker(() => throwError(() => down)), scheduler });
    const states: CircuitState[] = [];
    breaker.state$.subscribe(state => states.push(state));
    pool.acquire().subscribe({ error: () => undefined });
    scheduler.flush();

    expect(states).toEqual(['closed', 'open', 'halfOpen']);
  });

  it(
    'a connect that hangs counts as a failure at the time limit of the create',
    marbles(m => {
      const breaker = circuitBreaker({ failureThreshold: 1, resetTimeoutMillis: 1000 });
      const pool = createPool({ create: breaker(() => NEVER), createTimeoutMillis: 50 });
      pool.acquire().subscribe({ error: () => undefined });

      m.expect(breaker.state$, '200ms !').toBeObservable('a 49ms b', { a: 'closed', b: 'open' });
    }),
  );

  it(
    'composes with backoff: the retries of one create are refused while the circuit is open',
    marbles(m => {
      const attempts: number[] = [];
      const connect = () => {
        attempts.push(m.scheduler.now());
        return m.scheduler.now() < 70 ? throwError(() => down) : of('db');
      };
      const breaker = circuitBreaker({ failureThreshold: 2, resetTimeoutMillis: 100 });
      const careful = breaker(connect);
      const pool = createPool({
        create: context =>
          defer(() => careful(context)).pipe(
            retry(backoff({ baseMillis: 30, factor: 1, jitter: 0 }, context)),
          ),
      });

      m.expect(pool.use(db => db)).toBeObservable('150ms (a|)', { a: 'db' });
      m.flush();

      expect(attempts).toEqual([0, 30, 150]);
    }),
  );
});

describe('the options of circuitBreaker', () => {
  it.each<[string, unknown]>([
    ['failureThreshold', 0],
    ['failureThreshold', 1.5],
    ['failureThreshold', '3'],
    ['resetTimeoutMillis', 0],
    ['resetTimeoutMillis', Infinity],
    ['resetTimeoutMillis', Number.NaN],
    ['scheduler', 'async'],
    ['threshold', 3],
  ])('%s: %j is refused by name', (option, value) => {
    const refused = expect(() => circuitBreaker({ [option]: value }));
    refused.toThrow(InvalidOptionsError);
    refused.toThrow(`[circuitBreaker] option "${option}"`);
  });

  it('arms no timer and starts nothing by itself', () => {
    const scheduler = new VirtualTimeScheduler();
    circuitBreaker({ scheduler }).state$.subscribe();

    expect(scheduler.actions).toHaveLength(0);
  });
});
