// Pools in states that are worth a look, for pictures and for trying the page out.
import { createPool } from 'rxpool';
import { delay, from, map, mergeMap, of, repeat, Subscription, timer } from 'rxjs';

const labels = ['checkout', 'search', 'report', 'inventory', 'sign-in'];

function refused() {
  return Object.assign(new Error('connect ECONNREFUSED postgres://shop:secret@db.internal/shop'), {
    code: 'ECONNREFUSED',
  });
}

/** Callers that come again and again, each holding for some time. */
function traffic(pool, { callers, holdMillis, restMillis }) {
  return from(Array.from({ length: callers }, (_, index) => index))
    .pipe(
      mergeMap(index =>
        timer(index * 13).pipe(
          mergeMap(() =>
            pool.use(() => timer(holdMillis * (0.3 + Math.random() * 1.4)), {
              label: labels[index % labels.length],
            }),
          ),
          delay(1 + restMillis * Math.random()),
          repeat({ delay: 1 }),
        ),
      ),
    )
    .subscribe({ error: () => undefined });
}

/** Retries for ever: what a service does while its database is away. */
function stubborn(pool, callers) {
  return from(Array.from({ length: callers }, (_, index) => index))
    .pipe(
      mergeMap(index =>
        timer(index * 40).pipe(
          mergeMap(() =>
            from(
              pool.lease({ label: labels[index % labels.length], timeoutMillis: 900 }).then(
                lease => void setTimeout(() => void lease.release(), 60),
                () => undefined,
              ),
            ),
          ),
          repeat({ delay: () => timer(150 + Math.random() * 200) }),
        ),
      ),
    )
    .subscribe();
}

function slow(millis) {
  let number = 0;
  return () =>
    of((number += 1)).pipe(
      delay(millis),
      map(value => ({ number: value })),
    );
}

/** The scenes by name: each gives pools, and a subscription that ends what goes on in them. */
export const scenes = {
  idle() {
    const running = new Subscription();
    const pools = ['orders', 'reports', 'sessions'].map(name =>
      createPool({ name, min: 4, max: 10, idleTimeoutMillis: Infinity, create: slow(30) }),
    );
    return { pools, running };
  },

  busy() {
    const running = new Subscription();
    const options = { idleTimeoutMillis: 4000, lifetimeJitter: 0.5, maxLifetimeMillis: 20_000 };
    const orders = createPool({
      name: 'orders',
      min: 4,
      max: 16,
      create: slow(60),
      reset: () => timer(2),
      ...options,
    });
    const reports = createPool({ name: 'reports', max: 4, create: slow(200), ...options });
    const sessions = createPool({
      name: 'sessions',
      min: 2,
      max: 24,
      create: slow(20),
      ...options,
    });
    running.add(traffic(orders, { callers: 12, holdMillis: 60, restMillis: 60 }));
    running.add(traffic(reports, { callers: 3, holdMillis: 900, restMillis: 500 }));
    running.add(traffic(sessions, { callers: 30, holdMillis: 12, restMillis: 30 }));
    return { pools: [orders, reports, sessions], running };
  },

  saturated() {
    const { pools, running } = scenes.busy();
    const payments = createPool({
      name: 'payments',
      max: 12,
      leakWarningMillis: 3000,
      create: slow(40),
    });
    for (let index = 0; index < 3; index += 1) {
      running.add(payments.acquire({ label: 'nightly export' }).subscribe());
    }
    running.add(traffic(payments, { callers: 34, holdMillis: 900, restMillis: 300 }));
    return { pools: [payments, ...pools], running };
  },

  failing() {
    const { pools, running } = scenes.saturated();
    let up = true;
    const ledger = createPool({
      name: 'ledger',
      min: 3,
      max: 8,
      maxWaiting: 6,
      maxLifetimeMillis: 6000,
      create: () =>
        timer(up ? 30 : 250).pipe(
          map(() => {
            if (!up) throw refused();
            return {};
          }),
        ),
    });
    running.add(stubborn(ledger, 8));
    const down = setTimeout(() => {
      up = false;
      void ledger.recycle();
    }, 8000);
    running.add(() => clearTimeout(down));
    const cache = createPool({ name: 'cache', max: 6, create: slow(10) });
    cache.pause();
    return { pools: [ledger, cache, ...pools], running };
  },
};
