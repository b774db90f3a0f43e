/** A value whose buffers, ports or streams move to the other thread instead of being copied. Made by `transfer`. */
export interface Transferred<V> {
  /** What the other thread receives. */
  readonly value: V;
  /** What moves there, and is of no use on this side from then on. */
  readonly list: readonly object[];
}

class Transfer<V> implements Transferred<V> {
  readonly value: V;
  readonly list: readonly object[];

  constructor(value: V, list: readonly object[]) {
    this.value = value;
    this.list = list;
  }
}

/**
 * In a worker's handler: gives `value` as the result, or as one of several, and moves what is in `list` to the main
 * thread, where a copy would cost time. What has moved is empty here from then on.
 *
 * @example
 * serveTasks((pixels: Uint8ClampedArray) => transfer(invert(pixels), [pixels.buffer]));
 */
export function transfer<V>(value: V, list: readonly object[]): Transferred<V> {
  return new Transfer(value, list);
}

export function isTransferred(value: unknown): value is Transferred<unknown> {
  return value instanceof Transfer;
}
