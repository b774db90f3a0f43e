import { EventEmitter } from 'node:events';
import Pool from 'pg-pool';
import { CallbackDriver, PromiseDriver } from '../drivers.mjs';

/** As much of pg's Client as the pool looks at. */
class StubClient extends EventEmitter {
  weight = 1;
  _queryable = true;
  _ending = false;

  connect(done) {
    process.nextTick(done);
  }

  end(done) {
    process.nextTick(done);
  }

  ref() {}

  unref() {}
}

/** Without its idle time-out, which costs it two timer calls per cycle, unless the scenario is about that. */
const open = ({ max, deadlineMillis, idleMillis }) =>
  new Pool({
    max,
    Client: StubClient,
    idleTimeoutMillis: idleMillis === undefined || idleMillis === Infinity ? 0 : idleMillis,
    ...(deadlineMillis === undefined || deadlineMillis === Infinity
      ? {}
      : { connectionTimeoutMillis: deadlineMillis }),
  });

const ends = {
  release: client => {
    client.release();
  },
  end: client => {
    client.release(true);
  },
  weigh: client => client.weight,
};

function listen(pool) {
  let heard = 0;
  const hear = () => {
    heard += 1;
  };
  for (const event of ['acquire', 'release']) pool.on(event, hear);
  return () => heard;
}

export const newResource = () => new StubClient();

export const forms = {
  callback: options => {
    const pool = open(options);
    const driver = new CallbackDriver({
      acquire: (receive, refuse) => {
        pool.connect((error, client) => {
          if (!error) receive(client);
          else if (refuse) refuse(error);
          else throw error;
        });
      },
      ...ends,
      nests: false,
    });
    return Object.assign(driver, { listen: () => listen(pool) });
  },
  promise: options => {
    const pool = open(options);
    const driver = new PromiseDriver({ acquire: () => pool.connect(), ...ends });
    return Object.assign(driver, { listen: () => listen(pool) });
  },
};
