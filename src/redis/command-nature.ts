import type { RedisCommand } from './client.js';

/** Those that may be answered late, or never. */
const blocking: ReadonlySet<string> = new Set([
  'BLMOVE',
  'BLMPOP',
  'BLPOP',
  'BRPOP',
  'BRPOPLPUSH',
  'BZMPOP',
  'BZPOPMAX',
  'BZPOPMIN',
  'WAIT',
  'WAITAOF',
]);

/** Those that block where one of their words says so. */
const blockingWithWord: ReadonlySet<string> = new Set(['XREAD', 'XREADGROUP']);

/** Those that change the connection for whoever comes after. */
const lasting: ReadonlySet<string> = new Set([
  'ASKING',
  'AUTH',
  'CLIENT',
  'DISCARD',
  'EXEC',
  'HELLO',
  'HIMPORT',
  'MONITOR',
  'MULTI',
  'PSUBSCRIBE',
  'PSYNC',
  'PUNSUBSCRIBE',
  'QUIT',
  'READONLY',
  'READWRITE',
  'REPLCONF',
  'RESET',
  'SCRIPT',
  'SELECT',
  'SSUBSCRIBE',
  'SUBSCRIBE',
  'SUNSUBSCRIBE',
  'SYNC',
  'UNSUBSCRIBE',
  'UNWATCH',
  'WATCH',
]);

/** Whether the answer may take as long as it likes, so that whoever gives it up must end the connection. */
export function blocks([name, ...words]: RedisCommand): boolean {
  const upper = name.toUpperCase();
  if (blocking.has(upper)) return true;
  return (
    blockingWithWord.has(upper) &&
    words.some(word => typeof word === 'string' && word.toUpperCase() === 'BLOCK')
  );
}

/** Whether the connection is as it was once the answer is there. */
export function leavesNoTrace([name]: RedisCommand): boolean {
  return !lasting.has(name.toUpperCase());
}
