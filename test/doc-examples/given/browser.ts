import type { BrowserContext } from 'playwright-core';
import type { Pool } from '../../../src/index.js';

export { chromium } from 'playwright-core';
export declare const pool: Pool<BrowserContext>;
export declare const url: string;
export declare const urls: readonly string[];
