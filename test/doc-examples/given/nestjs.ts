import type { Pool } from '../../../src/index.js';
import type { PoolHealthIndicator } from '../../../src/nestjs/index.js';
import type { PostgresConnection } from '../../../src/postgres/index.js';

export { Test } from '@nestjs/testing';
export { Client } from 'pg';
export { postgresPool } from '../../../src/postgres/index.js';
export declare class Parser {
  parse(text: string): unknown;
}
export declare class AppModule {
  readonly name: string;
}
export declare class ConfigModule {
  readonly name: string;
}
export declare class ConfigService {
  getOrThrow(name: string): string;
}
export declare const connection: PostgresConnection;
export declare const health: { check(checks: (() => unknown)[]): Promise<unknown> };
export declare const indicator: PoolHealthIndicator;
export declare const pool: Pool<unknown>;
