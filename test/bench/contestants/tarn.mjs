import { Pool } from 'tarn';
import { newResource, PromiseDriver } from '../drivers.mjs';

/** It always has deadlines and an idle time-out. */
const open = ({ max, deadlineMillis, idleMillis }) =>
  new Pool({
    create: newResource,
    destroy: () => undefined,
    min: 0,
    max,
    ...(deadlineMillis === undefined || deadlineMillis === Infinity
      ? {}
      : { acquireTimeoutMillis: deadlineMillis }),
    ...(idleMillis === undefined || idleMillis === Infinity
      ? {}
      : { idleTimeoutMillis: idleMillis }),
  });

export { newResource };

export const forms = {
  acquire: options => {
    const pool = open(options);
    const driver = new PromiseDriver({
      acquire: () => pool.acquire().promise,
      release: resource => {
        pool.release(resource);
      },
      weigh: resource => resource.weight,
    });
    return Object.assign(driver, {
      listen() {
        let heard = 0;
        const hear = () => {
          heard += 1;
        };
        for (const event of ['acquireRequest', 'acquireSuccess', 'release']) pool.on(event, hear);
        return () => heard;
      },
      queueToCancel(count) {
        let settled = 0;
        const pending = Array.from({ length: count }, () => {
          const request = pool.acquire();
          request.promise.catch(() => {
            settled += 1;
          });
          return request;
        });
        return {
          cancel: place => {
            pending[place].abort();
          },
          settled: () => settled,
        };
      },
    });
  },
};
