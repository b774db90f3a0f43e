/** Where a resource's slot is. */
export type ResourceStatus = 'idle' | 'leased' | 'validating' | 'resetting' | 'destroying';

/** A snapshot of one resource's record. Times are the pool's clock, in milliseconds. */
export interface ResourceInfo {
  /** Given once, never again in this pool. */
  readonly id: number;
  /** Where its slot is. */
  readonly state: ResourceStatus;
  /** When its `create` gave it. */
  readonly createdAt: number;
  /** The last time that it was lent, returned or touched; its birth if it never was. */
  readonly lastUsedAt: number;
  /** Since `createdAt`, in milliseconds. */
  readonly ageMillis: number;
  /** Since it came back, in milliseconds; 0 unless idle. */
  readonly idleMillis: number;
  /** Leases so far, this one included. */
  readonly uses: number;
  /** It will be retired as soon as it is free: recycled, broken, past its lifetime or its uses. */
  readonly stale: boolean;
  /** The last error that `watch`, `lease.destroy(error)` or a hook told of it. */
  readonly lastError?: unknown;
}
