import type { Lease, Pool, PermitSource, PoolEvent } from '../../../src/index.js';
import type { Gates, MarbleTest, Oracle } from '../../../src/testing/index.js';
import type { Connection } from './any.js';

export { TestScheduler } from 'rxjs/testing';
export { expect, it } from 'vitest';
import type { TestScheduler } from 'rxjs/testing';

export declare const testScheduler: TestScheduler;
export declare const m: MarbleTest & Parameters<Parameters<TestScheduler['run']>[0]>[0];
export declare const gate: Gates<number>;
export declare const oracle: Oracle;
export declare const events: PoolEvent[];
export declare const leases: Lease<unknown>[];
export declare const pool: Pool<Connection>;
export declare function ping(connection: Connection): Promise<boolean>;
export declare function somethingSlow(): Promise<void>;
export declare function myPermits(limit: number): PermitSource;
