import { defer, of } from 'rxjs';
import { InvalidOptionsError } from '../index.js';
import type { Budget } from './budget.js';
import { enter } from './ledger.js';
import { Member } from './member.js';
import { type BudgetOptions, randomName, resolveOptions } from './options.js';
import type { BudgetServer } from './protocol.js';
import { LEAST_BYTES, SharedMemory } from './shared-memory.js';

/** Options of {@link sharedPermits}: those of every budget. `whenAway` has no meaning: memory is never away. */
export interface SharedPermitsOptions
  extends Omit<BudgetOptions, 'limit' | 'whenAway' | 'answerTimeoutMillis'> {
  /**
   * Permits in all, at most. Where members name different limits, the lowest counts. Default: the one that was named
   * first with this memory; who uses it first has to name one.
   */
  readonly limit?: number | undefined;
}

/** A budget of threads, which knows how to bury one. */
export interface SharedBudget extends Budget {
  /**
   * Gives the permits of a thread that has ended to the others at once, where they would wait for `ttlMillis`. By its
   * `threadId`, which has to be read before it ends, or by the name that was given as `member`. Returns how many permits
   * it held. The connections of the thread have to be gone.
   */
  reclaim(thread: number | string): number;
}

const OWNER = 'sharedPermits';

/** Where nothing wakes a thread it looks again after this. */
const POLL_MILLIS = 10;

/**
 * A budget in memory that the threads of a process share: `worker_threads` of Node, or workers of a browser.
 *
 * Every thread is given the same SharedArrayBuffer, zero at the start, and is a member of its own. The books are text of
 * about 100 bytes a member and 25 a permit or request, held twice: 64 KiB are enough for 100 threads with 5 permits
 * each. Books that do not fit count as an error of the server: an `away` event with a RangeError, and nothing is
 * granted. A permit is granted in the same call where one is free; who waits is woken by `Atomics.waitAsync`, where there
 * is none by a message (`BroadcastChannel`), and where there is neither it looks every `pollMillis` (here 10 by default).
 *
 * @throws InvalidOptionsError where an option makes no sense or is not known.
 *
 * @example
 * // main thread
 * const memory = new SharedArrayBuffer(65_536);
 * const permits = sharedPermits(memory, { limit: 20 });
 * const worker = new Worker(file, { workerData: { memory } });
 * const { threadId } = worker;
 * worker.once('exit', () => permits.reclaim(threadId));
 * // worker thread, of the same limit
 * const pool = createPool({ create, permits: sharedPermits(workerData.memory) });
 */
export function sharedPermits(
  memory: SharedArrayBuffer,
  options: SharedPermitsOptions = {},
): SharedBudget {
  const isShared = typeof SharedArrayBuffer === 'function' && memory instanceof SharedArrayBuffer;
  if (!isShared || memory.byteLength < LEAST_BYTES) {
    const expected = `must be a SharedArrayBuffer of ${LEAST_BYTES} bytes or more`;
    throw new InvalidOptionsError(OWNER, 'memory', memory, expected);
  }
  const shared = new SharedMemory(memory);
  const resolved = resolveOptions(
    OWNER,
    {
      ...options,
      // Callers without a limit are refused below, where nobody has named one before.
      limit: (options.limit ?? shared.limit) as number,
      pollMillis: options.pollMillis ?? POLL_MILLIS,
    },
    { member: nameOfThread, ttlMillis: 30_000 },
  );
  shared.suggest(resolved.limit);
  const server: BudgetServer = {
    report: report =>
      defer(() =>
        of(
          shared.turn(before => {
            const { ledger, answer, changed } = enter(
              before,
              report,
              resolved.scheduler.now(),
              randomName,
            );
            return { ledger: changed ? ledger : undefined, result: answer };
          }),
        ),
      ),
    wake$: shared.changes$,
  };
  return new SharedMember(shared, server, resolved);
}

class SharedMember extends Member implements SharedBudget {
  readonly #shared: SharedMemory;

  constructor(
    shared: SharedMemory,
    server: BudgetServer,
    options: ReturnType<typeof resolveOptions>,
  ) {
    super(server, options);
    this.#shared = shared;
  }

  reclaim(thread: number | string): number {
    const isOfThread = (member: string): boolean =>
      typeof thread === 'number' ? member.startsWith(`thread-${thread}/`) : member === thread;
    return this.#shared.turn(ledger => {
      const members = Object.entries(ledger?.members ?? {});
      const dead = members.filter(([member]) => isOfThread(member));
      if (ledger === undefined || dead.length === 0) return { ledger: undefined, result: 0 };
      const living = members.filter(([member]) => !isOfThread(member));
      return {
        ledger: { ...ledger, members: Object.fromEntries(living) },
        result: dead.reduce((sum, [, { holds }]) => sum + holds.length, 0),
      };
    });
  }
}

function nameOfThread(): string {
  const { threadId } = threadsOf() ?? {};
  return threadId === undefined ? randomName() : `thread-${threadId}/${randomName()}`;
}

/** Node's module, which is not imported: browsers have threads without it. */
function threadsOf(): { readonly threadId?: number } | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): { readonly threadId?: number } | undefined };
  };
  return process?.getBuiltinModule?.('node:worker_threads');
}
