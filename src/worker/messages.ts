import type { Thrown } from './thrown.js';

/**
 * What the two sides tell each other. Every message has the field `rxpool`, so that the messages of a borrower who talks
 * to the thread himself are told apart.
 */
export type ToWorker =
  | { readonly rxpool: 'task'; readonly id: number; readonly task: unknown }
  | { readonly rxpool: 'cancel'; readonly id: number }
  /** The values so far have arrived. */
  | { readonly rxpool: 'more'; readonly id: number }
  | { readonly rxpool: 'ping'; readonly id: number };

export type FromWorker =
  | { readonly rxpool: 'ready' }
  | { readonly rxpool: 'pong'; readonly id: number }
  /** One of several. With `asks`, the next comes after a `more`. */
  | {
      readonly rxpool: 'value';
      readonly id: number;
      readonly value: unknown;
      readonly asks?: boolean;
    }
  /** The only one, and the end. */
  | { readonly rxpool: 'result'; readonly id: number; readonly value: unknown }
  | { readonly rxpool: 'end'; readonly id: number }
  | { readonly rxpool: 'error'; readonly id: number; readonly thrown: Thrown };

export function isOurs(message: unknown): message is { readonly rxpool: string } {
  return typeof message === 'object' && message !== null && 'rxpool' in message;
}
