import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom, fromEvent, race, timer } from 'rxjs';

/** What a soak injects to prove that it would notice. */
export const leaks = ['heap', 'handle', 'timer'] as const;
export type Leak = (typeof leaks)[number];

/** Work for a pool, in rounds: between two of them the pool must come to rest. */
export interface Load {
  readonly name: string;
  /** Borrowings that have ended, one way or another. */
  readonly operations: number;
  /** What should not have happened, in words; the first ones only. */
  readonly failures: readonly string[];
  /** Timers of the pools that are armed. */
  readonly timers: number;
  /** Handles of the process that living resources hold by right. */
  readonly ownHandles: number;
  play(millis: number, signal: AbortSignal): Promise<void>;
  /** Resolves once nothing is under way; a pool that does not come to rest is a failure. */
  rest(): Promise<void>;
  close(): Promise<void>;
}

const patienceMillis = 10_000;
const mostFailures = 20;

/** Failures, as many as anybody reads. */
export class Complaints {
  readonly list: string[] = [];

  add(what: string, error?: unknown): void {
    if (this.list.length >= mostFailures) return;
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.list.push(error === undefined ? what : `${what}: ${why}`);
  }
}

/** Lets workers repeat `step` for a while; complains about those that do not come to an end then. */
export async function playWorkers(
  workers: number,
  millis: number,
  signal: AbortSignal,
  complaints: Complaints,
  step: () => Promise<void>,
): Promise<void> {
  if (signal.aborted) return;
  const round = new AbortController();
  const work = async (): Promise<void> => {
    while (!round.signal.aborted) {
      await step().catch((error: unknown) => {
        complaints.add('a borrower met an error that nobody arranged', error);
      });
    }
  };
  const working = Promise.all(Array.from({ length: workers }, work));
  await firstValueFrom(race(timer(millis), fromEvent(signal, 'abort')));
  round.abort();
  await withPatience(working, complaints, 'a borrower hangs');
}

async function withPatience(
  work: Promise<unknown>,
  complaints: Complaints,
  what: string,
): Promise<void> {
  const patience = new AbortController();
  const late = sleep(patienceMillis, true, { signal: patience.signal }).catch(() => false);
  const isLate = await Promise.race([work.then(() => false), late]);
  patience.abort();
  if (isLate) complaints.add(`${what}: no end within ${patienceMillis} ms`);
}

/** Asks until `check` no longer throws; what it throws in the end is a failure. */
export async function untilFine(complaints: Complaints, check: () => void): Promise<void> {
  const deadline = performance.now() + patienceMillis;
  for (;;) {
    try {
      check();
      return;
    } catch (error) {
      if (performance.now() > deadline) {
        complaints.add('no rest after the round', error);
        return;
      }
    }
    await sleep(2);
  }
}
