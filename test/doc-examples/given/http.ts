import type { HttpClient } from '../../../src/http/index.js';
import type { Pool } from '../../../src/index.js';

export declare const pool: Pool<HttpClient>;
