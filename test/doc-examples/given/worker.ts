import type { Pool } from '../../../src/index.js';
import type { TaskWorker } from '../../../src/worker/index.js';

export interface Job {
  path: string;
}
export interface Picture {
  width: number;
}
export declare const pool: Pool<TaskWorker<any, any>>; // eslint-disable-line @typescript-eslint/no-explicit-any
export declare const pixels: Uint8ClampedArray<ArrayBuffer>;
export declare const signal: AbortSignal;
export declare const job: Job;
export declare const load: unknown;
export declare const evaluate: unknown;
export declare function save(picture: Picture): void;
export declare function parse(text: string): number;
export declare function invert(pixels: Uint8ClampedArray): Uint8ClampedArray<ArrayBuffer>;
