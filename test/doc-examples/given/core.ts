import type { PoolRegistry } from '../../../src/registry/index.js';

export declare const registry: PoolRegistry;
