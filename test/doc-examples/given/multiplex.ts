import type { Connection } from './any.js';

export declare function request(session: Connection, path: string): Promise<unknown>;
