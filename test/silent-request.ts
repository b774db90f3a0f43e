import type { AcquireOptions } from '../src/options.js';
import { AbortWatch } from '../src/internal/abort-watch.js';
import { Request, type RequestOwner } from '../src/internal/request.js';

/** A request of nobody, for tests of what requests are kept in. */
export class SilentRequest extends Request<string> {
  constructor(id = 0, requestedAt = 0, options?: AcquireOptions, owner = silentOwner()) {
    super(owner, options);
    this.id = id;
    this.requestedAt = requestedAt;
  }

  protected tell(): void {
    throw new Error('nobody awaits this request');
  }
}

export function silentOwner(): RequestOwner<string> {
  return {
    aborts: new AbortWatch(),
    timedOut: () => undefined,
    unsubscribed: () => undefined,
    aborted: () => undefined,
    tracesNesting: false,
    handOver: (_request, work) => {
      work();
    },
    abortError: () => {
      throw new Error('no request was aborted');
    },
  };
}
