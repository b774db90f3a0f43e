import { Worker } from 'node:worker_threads';
import { firstValueFrom } from 'rxjs';
import { CallbackDriver, newResource, PromiseDriver } from '../drivers.mjs';

const { createPool } = await import(process.env.RXPOOL_ENTRY ?? '../../../dist/index.js');

/** At its defaults, deadlines and idle time-out included, unless the scenario says otherwise. */
const open = ({ max, deadlineMillis, idleMillis }) =>
  createPool({
    create: newResource,
    max,
    acquireTimeoutMillis: deadlineMillis,
    idleTimeoutMillis: idleMillis,
  });

const weigh = lease => lease.resource.weight;
const release = lease => {
  void lease.release();
};
const end = lease => {
  void lease.destroy();
};

/** With the loops of `lease` wherever a form has none of its own. */
function direct(pool, methods) {
  const driver = new PromiseDriver({ acquire: () => pool.lease(), release, weigh, end });
  return Object.assign(driver, { listen: kind => listen(pool, kind) }, methods);
}

function listen(pool, kind) {
  let heard = 0;
  if (kind === 'state') {
    pool.state$.subscribe(state => {
      heard += state.idle;
    });
  } else {
    pool.stats$.subscribe(event => {
      heard += event.seq;
    });
  }
  return () => heard;
}

export { newResource };

export const forms = {
  'acquire, unsubscribe': options => {
    const pool = open(options);
    let granted = 0;
    const take = lease => {
      granted += lease.resource.weight;
    };
    return direct(pool, {
      cycle(count) {
        granted = 0;
        for (let index = 0; index < count; index += 1) pool.acquire().subscribe(take).unsubscribe();
        return granted;
      },
    });
  },
  'acquire, release': options => {
    const pool = open(options);
    let granted = 0;
    const take = lease => {
      granted += lease.resource.weight;
      void lease.release();
    };
    return direct(pool, {
      cycle(count) {
        granted = 0;
        for (let index = 0; index < count; index += 1) pool.acquire().subscribe(take);
        return granted;
      },
    });
  },
  acquire: options => {
    const pool = open(options);
    const driver = new CallbackDriver({
      acquire: (next, error) => {
        pool.acquire().subscribe(error === undefined ? next : { next, error });
      },
      release,
      weigh,
      end,
      nests: true,
    });
    return Object.assign(driver, {
      queueToCancel(count) {
        const refuse = () => {
          throw new Error('A waiter was served that was to be cancelled');
        };
        const subscriptions = Array.from({ length: count }, () => pool.acquire().subscribe(refuse));
        return {
          cancel: place => {
            subscriptions[place].unsubscribe();
          },
          settled: () => count - pool.state.waiting,
        };
      },
    });
  },
  use: options => {
    const pool = open(options);
    let granted = 0;
    const project = resource => resource.weight;
    const take = weight => {
      granted += weight;
    };
    const work = async resource => {
      await undefined;
      return resource.weight;
    };
    return direct(pool, {
      cycle(count) {
        granted = 0;
        for (let index = 0; index < count; index += 1) pool.use(project).subscribe(take);
        return granted;
      },
      contend(borrowers, total) {
        return new Promise((resolve, reject) => {
          let started = 0;
          let running = borrowers;
          let sum = 0;
          const next = () => {
            if (started === total) {
              running -= 1;
              if (running === 0) resolve(sum);
              return;
            }
            started += 1;
            pool.use(work).subscribe(observer);
          };
          const observer = {
            next: weight => {
              sum += weight;
            },
            error: reject,
            complete: next,
          };
          for (let index = 0; index < borrowers; index += 1) next();
        });
      },
    });
  },
  lease: options => {
    const pool = open(options);
    return direct(pool, {});
  },
  'use, threads': ({ max }) => {
    const pool = createPool({
      create: () => new Worker(new URL('echo-thread.mjs', import.meta.url)),
      max,
    });
    const send = value => worker =>
      new Promise(resolve => {
        worker.once('message', resolve);
        worker.postMessage(value);
      });
    return { task: value => firstValueFrom(pool.use(send(value))) };
  },
  tryAcquire: options => {
    const pool = open(options);
    return direct(pool, {
      cycle(count) {
        let granted = 0;
        for (let index = 0; index < count; index += 1) {
          const lease = pool.tryAcquire();
          granted += lease.resource.weight;
          void lease.release();
        }
        return granted;
      },
    });
  },
};
