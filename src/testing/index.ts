export { foldEvents, foldStats, PoolFold, type FoldStart } from './fold.js';
