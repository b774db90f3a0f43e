import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pool } from '../../../src/index.js';
import type { PoolRegistry } from '../../../src/registry/index.js';

type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

export declare const orders: Pool<unknown>;
export declare const reports: Pool<unknown>;
export declare const registry: PoolRegistry;
export declare const app: { use(path: string, ...handlers: Handler[]): void };
export declare const requireAdmin: Handler;
