import type { Pool } from '../index.js';

/** What a button asks for. */
export interface Command {
  readonly pool: string;
  readonly action: 'pause' | 'resume' | 'evict' | 'recycle' | 'resize';
  readonly min?: number;
  readonly max?: number;
}

const actions: readonly string[] = ['pause', 'resume', 'evict', 'recycle', 'resize'];

/** The command in a request's body, or undefined when it is none. */
export function commandIn(body: string): Command | undefined {
  let command: unknown;
  try {
    command = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof command !== 'object' || command === null) return undefined;
  const { pool, action, min, max } = command as Record<string, unknown>;
  const isSize = (value: unknown): boolean => value === undefined || typeof value === 'number';
  const isCommand =
    typeof pool === 'string' && actions.includes(String(action)) && isSize(min) && isSize(max);
  return isCommand ? (command as Command) : undefined;
}

/** Does it, and says in a sentence what was done. Throws what the pool throws. */
export async function execute(pool: Pool<unknown>, command: Command): Promise<string> {
  switch (command.action) {
    case 'pause':
      pool.pause();
      return 'Paused: nothing is lent or created until it is resumed.';
    case 'resume':
      pool.resume();
      return 'Resumed.';
    case 'evict': {
      const evicted = await pool.evict();
      return evicted === 0 ? 'Nothing idle is past its limits.' : `Evicted ${evicted}.`;
    }
    case 'recycle':
      // It ends when the last lease of today does, and that may be never.
      pool.recycle().catch(() => undefined);
      return 'Recycling: idle resources go now, leased ones on return.';
    case 'resize': {
      const { min, max } = command;
      pool.resize({ min, max });
      return `Resized: min ${pool.state.min}, max ${pool.state.max}.`;
    }
  }
}
