/** As users of the flat config import it. */
export { default as rxpool } from '../../../src/eslint/index.js';
