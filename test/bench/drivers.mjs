// The loops that borrow, written once for pools that call back and once for pools that give promises. A process has
// one contestant only, so they are as good as loops of its own.

/** Resources weigh 1: the sum of what was borrowed is the number of grants, and nothing is optimised away. */
export const newResource = () => ({ weight: 1 });

/** The same for everybody. */
export function randomNumbers() {
  let state = 0x9e3779b9;
  return limit => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

function outcome(count) {
  const result = { granted: 0 };
  const done = new Promise((resolve, reject) => {
    result.count = weight => {
      result.granted += weight;
      if (result.granted === count) resolve(count);
    };
    result.fail = reject;
  });
  return Object.assign(result, { done });
}

/** One of a crowd. A class of its own, outside of what makes the crowd: a compiler takes a class made anew for another one. */
class Borrower {
  crowd;
  handle = undefined;

  constructor(crowd) {
    this.crowd = crowd;
  }

  next = () => {
    const { crowd } = this;
    if (crowd.started === crowd.total) {
      crowd.running -= 1;
      if (crowd.running === 0) crowd.resolve(crowd.granted);
      return;
    }
    crowd.started += 1;
    crowd.api.acquire(this.receive);
  };

  receive = handle => {
    this.handle = handle;
    queueMicrotask(this.finish);
  };

  finish = () => {
    const { crowd, handle } = this;
    crowd.granted += crowd.api.weigh(handle);
    crowd.api.release(handle);
    this.next();
  };
}

/**
 * A pool whose `acquire(receive)` calls back, at once or later, with a handle for `release` and `weigh`; `end`, where
 * there is one, destroys the resource instead. `nests`: whether it survives 100,000 releases inside `receive`.
 */
export class CallbackDriver {
  constructor(api) {
    this.api = api;
  }

  /** One borrower, `count` times. */
  cycle(count) {
    return this.#alone(count, this.api.release);
  }

  /** The same, but nothing comes back. */
  churn(count) {
    return this.#alone(count, this.api.end);
  }

  /** As long as the pool calls back at once there is a loop, and the answer is no promise. */
  #alone(count, end) {
    const { api } = this;
    let granted = 0;
    let index = 0;
    let here = false;
    let looping = true;
    let resolve;
    const receive = handle => {
      granted += api.weigh(handle);
      end(handle);
      here = true;
      if (!looping) loop();
    };
    const loop = () => {
      looping = true;
      while (index < count) {
        index += 1;
        here = false;
        api.acquire(receive);
        if (!here) {
          looping = false;
          return;
        }
      }
      resolve?.(granted);
    };
    loop();
    if (index === count && here) return granted;
    return new Promise(given => {
      resolve = given;
    });
  }

  /** `borrowers` loops that hold each resource for one microtask, until there were `total` grants. */
  contend(borrowers, total) {
    return new Promise(resolve => {
      const crowd = { api: this.api, total, started: 0, granted: 0, running: borrowers, resolve };
      for (let index = 0; index < borrowers; index += 1) new Borrower(crowd).next();
    });
  }

  hold() {
    return new Promise(resolve => {
      this.api.acquire(resolve);
    });
  }

  /** Queues `count` waiters that give back as soon as they are served. */
  queue(count) {
    const { api } = this;
    const result = outcome(count);
    const serve = handle => {
      const weight = api.weigh(handle);
      api.release(handle);
      result.count(weight);
    };
    const receive = api.nests
      ? serve
      : handle => {
          queueMicrotask(() => {
            serve(handle);
          });
        };
    for (let index = 0; index < count; index += 1) api.acquire(receive);
    return result;
  }

  /** Queues `count` waiters that will never be served. */
  queueInVain(count) {
    const { api } = this;
    const result = outcome(count);
    const refused = () => {
      result.count(1);
    };
    const served = () => {
      result.fail(new Error('A waiter was served that should have timed out'));
    };
    for (let index = 0; index < count; index += 1) api.acquire(served, refused);
    return result;
  }

  /** Gives back a random one of the resources in `held` and borrows another, `count` times. */
  turnOver(held, count) {
    const { api } = this;
    const random = randomNumbers();
    let place = 0;
    const turning = new CallbackDriver({
      acquire: receive => {
        place = random(held.length);
        api.release(held[place]);
        api.acquire(receive);
      },
      release: handle => {
        held[place] = handle;
      },
      weigh: api.weigh,
    });
    return turning.cycle(count);
  }
}

/** A pool whose `acquire()` gives a promise of a handle for `release` and `weigh`; `end` as above. */
export class PromiseDriver {
  constructor(api) {
    this.api = api;
  }

  async cycle(count) {
    const { api } = this;
    let granted = 0;
    for (let index = 0; index < count; index += 1) {
      const handle = await api.acquire();
      granted += api.weigh(handle);
      api.release(handle);
    }
    return granted;
  }

  async churn(count) {
    const { api } = this;
    let granted = 0;
    for (let index = 0; index < count; index += 1) {
      const handle = await api.acquire();
      granted += api.weigh(handle);
      api.end(handle);
    }
    return granted;
  }

  async contend(borrowers, total) {
    const { api } = this;
    let started = 0;
    let granted = 0;
    async function borrow() {
      while (started < total) {
        started += 1;
        const handle = await api.acquire();
        await undefined;
        granted += api.weigh(handle);
        api.release(handle);
      }
    }
    await Promise.all(Array.from({ length: borrowers }, borrow));
    return granted;
  }

  hold() {
    return this.api.acquire();
  }

  queue(count) {
    const { api } = this;
    const result = outcome(count);
    const serve = handle => {
      const weight = api.weigh(handle);
      api.release(handle);
      result.count(weight);
    };
    for (let index = 0; index < count; index += 1) api.acquire().then(serve, result.fail);
    return result;
  }

  queueInVain(count) {
    const { api } = this;
    const result = outcome(count);
    const refused = () => {
      result.count(1);
    };
    const served = () => {
      result.fail(new Error('A waiter was served that should have timed out'));
    };
    for (let index = 0; index < count; index += 1) api.acquire().then(served, refused);
    return result;
  }

  async turnOver(held, count) {
    const { api } = this;
    const random = randomNumbers();
    let granted = 0;
    for (let index = 0; index < count; index += 1) {
      const place = random(held.length);
      api.release(held[place]);
      const handle = await api.acquire();
      granted += api.weigh(handle);
      held[place] = handle;
    }
    return granted;
  }
}
