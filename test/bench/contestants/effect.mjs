import * as Effect from 'effect/Effect';
import * as Exit from 'effect/Exit';
import * as Fiber from 'effect/Fiber';
import * as Pool from 'effect/Pool';
import * as Scope from 'effect/Scope';
import { newResource, randomNumbers } from '../drivers.mjs';

/** In a scope of its own, which nobody closes: the process ends first. */
function open({ max, idleMillis }) {
  const scope = Effect.runSync(Scope.make());
  const acquire = Effect.sync(newResource);
  const make =
    idleMillis === undefined || idleMillis === Infinity
      ? Pool.make({ acquire, size: max })
      : Pool.makeWithTTL({ acquire, min: 0, max, timeToLive: idleMillis });
  return Effect.runSync(Scope.extend(make, scope));
}

/** `body` as often as `isDone` says no. */
const repeat = (isDone, body) =>
  Effect.whileLoop({ while: () => !isDone(), body, step: () => undefined });

/** The handle is the scope that the resource was borrowed in. */
const borrow = pool =>
  Effect.flatMap(Scope.make(), scope => Effect.as(Scope.extend(pool.get, scope), scope));

const giveBack = scope => Scope.close(scope, Exit.void);

export { newResource };

export const forms = {
  'scoped get': options => {
    const pool = open(options);
    const { deadlineMillis } = options;
    let granted = 0;
    const weigh = resource => {
      granted += resource.weight;
    };
    const once = Effect.scoped(Effect.map(pool.get, weigh));

    async function cycle(count, body) {
      let index = 0;
      granted = 0;
      const next = () => {
        index += 1;
        return body();
      };
      await Effect.runPromise(repeat(() => index === count, next));
      return granted;
    }

    function fork(count, effect) {
      return Effect.runPromise(
        Effect.zipLeft(
          Effect.forEach(Array.from({ length: count }), () => Effect.forkDaemon(effect)),
          Effect.yieldNow(), // the fork is not yet the wait
        ),
      );
    }

    return {
      api: {
        release: scope => {
          Effect.runSync(giveBack(scope));
        },
      },
      cycle: count => cycle(count, () => once),
      churn(count) {
        const throwAway = Effect.scoped(
          Effect.flatMap(pool.get, resource => {
            weigh(resource);
            return pool.invalidate(resource);
          }),
        );
        return cycle(count, () => throwAway);
      },
      async contend(borrowers, total) {
        let started = 0;
        granted = 0;
        const held = Effect.scoped(
          Effect.flatMap(pool.get, resource => {
            weigh(resource);
            return Effect.yieldNow();
          }),
        );
        const next = () => {
          started += 1;
          return held;
        };
        const loop = repeat(() => started === total, next);
        const loops = Array.from({ length: borrowers }, () => loop);
        await Effect.runPromise(Effect.all(loops, { concurrency: 'unbounded', discard: true }));
        return granted;
      },
      hold: () => Effect.runPromise(borrow(pool)),
      async queue(count) {
        granted = 0;
        const fibers = await fork(count, once);
        const done = Effect.runPromise(Fiber.awaitAll(fibers)).then(() => granted);
        return { done };
      },
      async queueInVain(count) {
        const fibers = await fork(count, Effect.timeout(once, deadlineMillis));
        const done = Effect.runPromise(Fiber.awaitAll(fibers)).then(
          exits => exits.filter(Exit.isFailure).length,
        );
        return { done };
      },
      async queueToCancel(count) {
        const fibers = await fork(count, once);
        let settled = 0;
        for (const fiber of fibers) {
          fiber.addObserver(exit => {
            if (Exit.isInterrupted(exit)) settled += 1;
          });
        }
        return {
          cancel: place => {
            Effect.runFork(Fiber.interruptFork(fibers[place]));
          },
          settled: () => settled,
        };
      },
      turnOver(held, count) {
        const random = randomNumbers();
        return cycle(count, () => {
          const place = random(held.length);
          return Effect.flatMap(giveBack(held[place]), () =>
            Effect.flatMap(Scope.make(), scope => {
              held[place] = scope;
              return Effect.map(Scope.extend(pool.get, scope), weigh);
            }),
          );
        });
      },
    };
  },
};
