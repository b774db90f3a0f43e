import type { MongoClient } from 'mongodb';
import type { Pool } from '../../../src/index.js';

export interface Order {
  _id: number;
  total: number;
  paid: boolean;
}
export declare const pool: Pool<MongoClient>;
export declare function archive(order: unknown): Promise<void>;
