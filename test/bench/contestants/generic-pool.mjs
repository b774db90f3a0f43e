import genericPool from 'generic-pool';
import { newResource, PromiseDriver } from '../drivers.mjs';

function open({ max, deadlineMillis, idleMillis }) {
  const factory = {
    create: () => Promise.resolve(newResource()),
    destroy: () => Promise.resolve(),
  };
  const eviction = {
    idleTimeoutMillis: idleMillis,
    evictionRunIntervalMillis: 1_000, // off by default
  };
  return genericPool.createPool(factory, {
    max,
    ...(deadlineMillis === undefined || deadlineMillis === Infinity
      ? {}
      : { acquireTimeoutMillis: deadlineMillis }),
    ...(idleMillis === undefined || idleMillis === Infinity ? {} : eviction),
  });
}

export { newResource };

export const forms = {
  acquire: options => {
    const pool = open(options);
    return new PromiseDriver({
      acquire: () => pool.acquire(),
      release: resource => {
        pool.release(resource);
      },
      weigh: resource => resource.weight,
      end: resource => {
        pool.destroy(resource);
      },
    });
  },
  use: options => {
    const pool = open(options);
    const work = resource => Promise.resolve(resource.weight);
    return {
      async cycle(count) {
        let granted = 0;
        for (let index = 0; index < count; index += 1) granted += await pool.use(work);
        return granted;
      },
    };
  },
};
