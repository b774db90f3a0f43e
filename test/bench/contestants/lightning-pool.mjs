import { Pool } from 'lightning-pool';
import { CallbackDriver, newResource, PromiseDriver } from '../drivers.mjs';

/** Its queue is limited to 1,000 by default, and there is no value for "no limit". */
function open({ max, deadlineMillis, idleMillis }) {
  const factory = { create: newResource, destroy: () => undefined };
  return new Pool(factory, {
    max,
    maxQueue: 1e9,
    ...(deadlineMillis === undefined || deadlineMillis === Infinity
      ? {}
      : { acquireTimeoutMillis: deadlineMillis }),
    ...(idleMillis === undefined ? {} : idleLimit(idleMillis)),
  });
}

const idleLimit = idleMillis =>
  idleMillis === Infinity ? { houseKeepInterval: 0 } : { idleTimeoutMillis: idleMillis };

const weigh = resource => resource.weight;

function listen(pool) {
  let heard = 0;
  const hear = () => {
    heard += 1;
  };
  for (const event of ['acquire', 'return']) pool.on(event, hear);
  return () => heard;
}

const ends = pool => ({
  release: resource => {
    pool.release(resource);
  },
  end: resource => {
    pool.destroy(resource);
  },
  weigh,
});

export { newResource };

export const forms = {
  callback: options => {
    const pool = open(options);
    const driver = new CallbackDriver({
      acquire: (receive, refuse) => {
        pool.acquire((error, resource) => {
          if (!error) receive(resource);
          else if (refuse) refuse(error);
          else throw error;
        });
      },
      ...ends(pool),
      nests: false,
    });
    return Object.assign(driver, { listen: () => listen(pool) });
  },
  promise: options => {
    const pool = open(options);
    const driver = new PromiseDriver({ acquire: () => pool.acquire(), ...ends(pool) });
    return Object.assign(driver, { listen: () => listen(pool) });
  },
};
