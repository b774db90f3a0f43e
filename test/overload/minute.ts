import { timer, VirtualAction, VirtualTimeScheduler } from 'rxjs';
import { createPool, OverloadedError, type PoolOptions } from '../../src/index.js';
import { seededRandom } from '../../src/testing/random.js';

/** How long a resource is held, by chance or not. */
export type Holds = 'exponential' | 'constant';

export interface MinutePlan {
  /** Requests that come, compared with what the resources can serve. */
  readonly load: number;
  readonly resources: number;
  readonly meanHoldMillis: number;
  readonly holds: Holds;
  readonly options?: Partial<PoolOptions<object>>;
}

/** What became of a minute's requests. Durations are in milliseconds of virtual time. */
export interface Outcome {
  /** Of accepted requests, from the request to the end of the work. */
  readonly p50: number;
  readonly p99: number;
  readonly served: number;
  readonly refused: number;
  readonly timedOut: number;
  /** Work done, as a share of all that the resources could do. */
  readonly goodput: number;
}

const minuteMillis = 60_000;

/** Sixty virtual seconds of requests that come by chance. */
export function playMinute(plan: MinutePlan): Outcome {
  const { load, resources, meanHoldMillis, holds, options } = plan;
  const scheduler = new VirtualTimeScheduler(VirtualAction, minuteMillis);
  const random = seededRandom(7);
  const exponential = (mean: number): number => -mean * Math.log(1 - random());
  const latencies: number[] = [];
  let refused = 0;
  let timedOut = 0;
  let worked = 0;
  const pool = createPool<object>({
    create: () => ({}),
    max: resources,
    acquireTimeoutMillis: 1_000,
    idleTimeoutMillis: Infinity,
    scheduler,
    ...options,
  });
  const request = (): void => {
    const requestedAt = scheduler.now();
    const hold = holds === 'constant' ? meanHoldMillis : exponential(meanHoldMillis);
    pool
      .use(() => timer(hold, scheduler))
      .subscribe({
        complete: () => {
          latencies.push(scheduler.now() - requestedAt);
          worked += hold;
        },
        error: (error: unknown) => {
          if (error instanceof OverloadedError) refused += 1;
          else timedOut += 1;
        },
      });
  };
  const meanPauseMillis = meanHoldMillis / (resources * load);
  scheduler.schedule(function () {
    request();
    this.schedule(undefined, exponential(meanPauseMillis));
  });
  scheduler.flush();
  latencies.sort((one, other) => one - other);
  const quantile = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0;
  return {
    p50: quantile(0.5),
    p99: quantile(0.99),
    served: latencies.length,
    refused,
    timedOut,
    goodput: worked / (resources * minuteMillis),
  };
}
