export type { Naming } from './naming.js';
export { registerPool, type RegisterPoolOptions } from './register-pool.js';
