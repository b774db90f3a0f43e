export {
  browserContextPool,
  type BrowserContextPoolOptions,
} from './browser-context-pool.js';
export type { BrowserContextLike, BrowserLike, PageLike } from './playwright.js';
export { withPage, type PageProject } from './with-page.js';
